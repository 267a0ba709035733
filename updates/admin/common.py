"""What the console's pages share: facts that nobody edits, badges, words for answers."""

from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from updates.domain.offers import Reason

ANSWERS = {
    Reason.UNKNOWN_TYPE: _("no update is known for this device type"),
    Reason.NOTHING_APPROVED: _("nothing is approved for this device type"),
    Reason.UP_TO_DATE: _("runs the approved version"),
    Reason.APPROVED_DIFFERS: _("offered the approved version"),
    Reason.PENDING_FOR_TEST_DEVICE: _("offered the pending version, as a test device"),
    Reason.TEST_UP_TO_DATE: _("runs the pending version, as a test device"),
    Reason.OFFERS_DISABLED: _("offers were turned off"),
}


class FactsOnly:
    """For a ModelAdmin whose rows come from elsewhere: they are read here, never added, changed or deleted."""

    def has_add_permission(self, request: HttpRequest, *_args: Any) -> bool:
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        del request, obj
        return False


def badge(kind: str, label: object) -> SafeString:
    """A coloured word; `kind` is a class of the console's style sheet, such as a state."""
    return format_html('<span class="badge {}">{}</span>', kind, label)


def answer_text(reason: str) -> str:
    """What a check was answered, in words; a reason of another release is shown as it is."""
    try:
        return str(ANSWERS[Reason(reason)])
    except ValueError:
        return reason
