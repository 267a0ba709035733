"""Approve, reject, roll back, remove in the console: a page that says what will happen, and the act."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from updates import authorisation, selectors
from updates.admin.requests import user_of
from updates.domain.lifecycle import Action
from updates.services import decisions
from updates.services.decisions import Outcome

# One page can still be read, and its form sent.
MAX_SELECTED = 200
# A database's largest number has nineteen.
MAX_DIGITS = 18


class Decide(Protocol):
    """One of the services' decisions."""

    def __call__(self, update_ids: list[int], *, by: User | None, reason: str) -> Outcome: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What an administrator can decide about updates, and how the console speaks of it."""

    action: Action
    permission: str
    decide: Decide
    label: Promise
    question: Promise
    done: Callable[[int], str]
    is_danger: bool = False


def _approved(count: int) -> str:
    return ngettext("%(count)d update was approved.", "%(count)d updates were approved.", count) % {
        "count": count
    }


def _rejected(count: int) -> str:
    return ngettext("%(count)d update was rejected.", "%(count)d updates were rejected.", count) % {
        "count": count
    }


def _rolled_back(count: int) -> str:
    return ngettext("%(count)d update was rolled back.", "%(count)d updates were rolled back.", count) % {
        "count": count
    }


def _removed(count: int) -> str:
    return ngettext("%(count)d update was removed.", "%(count)d updates were removed.", count) % {
        "count": count
    }


DECISIONS = {
    "approve": Decision(
        action=Action.APPROVED,
        permission=authorisation.APPROVE,
        decide=decisions.approve,
        label=gettext_lazy("Approve"),
        question=gettext_lazy("Approve these updates?"),
        done=_approved,
    ),
    "reject": Decision(
        action=Action.REJECTED,
        permission=authorisation.REJECT,
        decide=decisions.reject,
        label=gettext_lazy("Reject"),
        question=gettext_lazy("Reject these updates?"),
        done=_rejected,
        is_danger=True,
    ),
    "roll_back": Decision(
        action=Action.ROLLED_BACK,
        permission=authorisation.ROLL_BACK,
        decide=decisions.roll_back,
        label=gettext_lazy("Roll back"),
        question=gettext_lazy("Roll back these updates?"),
        done=_rolled_back,
        is_danger=True,
    ),
    "remove": Decision(
        action=Action.REMOVED,
        permission=authorisation.REMOVE,
        decide=decisions.remove,
        label=gettext_lazy("Remove"),
        question=gettext_lazy("Remove these updates?"),
        done=_removed,
        is_danger=True,
    ),
}


def url_of(name: str, update_ids: list[int], *, back: str) -> str:
    """Where the console asks about a decision; `back` is the page to return to."""
    query = urlencode({"ids": ",".join(str(pk) for pk in update_ids), "back": back})
    return f"{reverse('admin:updates_update_decide', args=[name])}?{query}"


def page(request: HttpRequest, name: str, site: AdminSite) -> HttpResponse:
    """Asks about a decision; a POST decides. Raises PermissionDenied, Http404."""
    decision = DECISIONS.get(name)
    if decision is None:
        raise Http404
    user = user_of(request)
    if not user.has_perm(decision.permission):
        raise PermissionDenied
    given = request.POST if request.method == "POST" else request.GET
    ids = _numbers(given.get("ids", ""))
    back = given.get("back", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        back = reverse("admin:updates_update_changelist")
    if request.method == "POST":
        _act(request, decision, ids, user)
        return HttpResponseRedirect(back)
    return TemplateResponse(
        request,
        "admin/updates/decide.html",
        {**site.each_context(request), **_question(decision, ids), "name": name, "back": back},
    )


def _question(decision: Decision, ids: list[int]) -> dict[str, Any]:
    preview = decisions.preview(ids, decision.action)
    return {
        "title": decision.question,
        "decision": decision,
        "active_tab": _tab_of(decision.action),
        "effects": selectors.effects([update.pk for update in preview.done], decision.action),
        "lost": preview.lost,
        "ids": ",".join(str(update.pk) for update in preview.done),
    }


def _tab_of(action: Action) -> str:
    if action is Action.ROLLED_BACK:
        return "updates_deployedupdate"
    return "updates_update" if action is Action.REMOVED else "updates_pendingupdate"


def _act(request: HttpRequest, decision: Decision, ids: list[int], user: User) -> None:
    try:
        outcome = decision.decide(ids, by=user, reason=request.POST.get("reason", "").strip())
    except OSError as error:
        text = _("The update store did not delete a file (%(error)s). Remove the updates once more.")
        messages.error(request, text % {"error": error})
        return
    if outcome.done:
        messages.success(request, decision.done(len(outcome.done)))
    for update in outcome.restored:
        messages.info(request, _("Approved again: %(update)s.") % {"update": update})
    if decision.action is Action.ROLLED_BACK:
        restored = {(update.device_type_id, update.update_type) for update in outcome.restored}
        for update in outcome.done:
            if (update.device_type_id, update.update_type) not in restored:
                messages.warning(
                    request, _("No approved update remains in place of %(update)s.") % {"update": update}
                )
    for lost in outcome.lost:
        messages.warning(request, format_lazy("{}: {}", lost.label, lost.why))


def _numbers(text: str) -> list[int]:
    """The ids of a selection. Raises Http404 when they are none, or more than one page takes."""
    parts = text.split(",")
    if len(parts) > MAX_SELECTED or not all(
        part.isascii() and part.isdigit() and len(part) <= MAX_DIGITS for part in parts
    ):
        raise Http404
    return [int(part) for part in parts]
