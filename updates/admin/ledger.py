"""History: who did what, when and why. It is read; nothing is added, changed or deleted."""

from typing import TYPE_CHECKING, Any, TypedDict

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from updates.admin.common import FactsOnly
from updates.domain.lifecycle import Action
from updates.models import LedgerEntry, Update

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations


class Subject(TypedDict):
    """Whether the update that an entry speaks of still exists."""

    has_update: bool


@admin.register(LedgerEntry)
class LedgerEntryAdmin(FactsOnly, admin.ModelAdmin[LedgerEntry]):
    """The ledger, newest first."""

    list_display = (
        "at",
        "action",
        "subject_shown",
        "before_shown",
        "after_shown",
        "actor_name",
        "reason_shown",
    )
    list_filter = ("action", ("actor_name", admin.AllValuesFieldListFilter), "at")
    search_fields = ("subject", "actor_name", "reason", "before", "after")
    search_help_text = _("Update, who, reason…")
    date_hierarchy = "at"
    fields = ("at", "action", "actor_name", "subject_shown", "before_shown", "after_shown", "reason_shown")
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerEntry]:
        update = Update.objects.filter(pk=OuterRef("update_number"))
        return super().get_queryset(request).annotate(has_update=Exists(update))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"title": _("History")} | (extra_context or {}))

    @admin.display(description=_("subject"), ordering="subject")
    def subject_shown(self, entry: "WithAnnotations[LedgerEntry, Subject]") -> str:
        if not entry.has_update:
            return entry.subject
        url = reverse("admin:updates_update_change", args=[entry.update_number])
        return format_html('<a href="{}">{}</a>', url, entry.subject)

    @admin.display(description=_("before"), ordering="before")
    def before_shown(self, entry: LedgerEntry) -> str:
        return entry.before_shown

    @admin.display(description=_("after"), ordering="after")
    def after_shown(self, entry: LedgerEntry) -> str:
        if entry.action == Action.PACKAGE_UPLOADED:
            # A hash, which no line has room for.
            return format_html('<code class="hash">{}</code>', entry.after)
        return entry.after_shown

    @admin.display(description=_("reason"), ordering="reason")
    def reason_shown(self, entry: LedgerEntry) -> str:
        return entry.reason_shown
