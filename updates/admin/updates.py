"""Updates in the console: what is pending, what is deployed, all of them, and the page of each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from updates import authorisation, selectors
from updates.admin import decisions
from updates.admin.common import FactsOnly, badge
from updates.domain.lifecycle import State, sources_of
from updates.models import Delivery, DeployedUpdate, LedgerEntry, PendingUpdate, Update

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

LEDGER_ROWS = 100
DELIVERY_ROWS = 50


class Context(TypedDict):
    """What `selectors.updates_with_context` adds."""

    approved_version: str | None
    restore_version: str | None
    devices_concerned: int


@dataclass(frozen=True, slots=True)
class Button:
    """A decision that this account may take about an update now."""

    label: Promise
    url: str
    is_danger: bool


class UpdateList(FactsOnly, admin.ModelAdmin[Update]):
    """A list of updates with the columns of the original's rules, and the decisions that fit its updates.

    Rows lead to the update's own page, which stays at its address whatever is decided.
    """

    states: tuple[State, ...] = ()
    empty_text: Promise
    list_display: list[Any] | tuple[Any, ...] = (
        "family",
        "brand",
        "model_name",
        "revision",
        "locale",
        "update_type",
        "version_shown",
        "approved_shown",
        "restore_shown",
        "devices_concerned",
    )
    list_filter: ClassVar[list[Any] | tuple[Any, ...]] = (
        "device_type__family",
        "device_type__brand",
        "device_type__model",
        "device_type__revision",
        "device_type__locale",
        "update_type",
    )
    search_fields = (
        "version",
        "update_type",
        "device_type__family",
        "device_type__brand",
        "device_type__model",
        "device_type__revision",
        "device_type__locale",
    )
    search_help_text = gettext_lazy("Version, brand, model…")
    list_display_links = ("version_shown",)
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def has_view_permission(self, request: HttpRequest, obj: Update | None = None) -> bool:
        del obj
        return request.user.has_perm("updates.view_update")

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(authorisation.APPROVE)

    def has_reject_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(authorisation.REJECT)

    def has_roll_back_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(authorisation.ROLL_BACK)

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(authorisation.REMOVE)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Update]:
        del request
        updates = selectors.updates_with_context()
        return updates.filter(state__in=self.states) if self.states else updates

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"title": capfirst(self.opts.verbose_name_plural), "empty_text": self.empty_text}
        return super().changelist_view(request, context | (extra_context or {}))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The update's page."""
        del request, form_url, extra_context
        return HttpResponseRedirect(reverse("admin:updates_update_change", args=[object_id]))

    @admin.display(description=gettext_lazy("device type"), ordering="device_type__family")
    def family(self, update: Update) -> str:
        return update.device_type.family

    @admin.display(description=gettext_lazy("brand"), ordering="device_type__brand")
    def brand(self, update: Update) -> str:
        return update.device_type.brand

    @admin.display(description=gettext_lazy("model"), ordering="device_type__model")
    def model_name(self, update: Update) -> str:
        return update.device_type.model

    @admin.display(description=gettext_lazy("revision"), ordering="device_type__revision")
    def revision(self, update: Update) -> str:
        return update.device_type.revision

    @admin.display(description=gettext_lazy("locale"), ordering="device_type__locale")
    def locale(self, update: Update) -> str:
        return update.device_type.locale

    @admin.display(description=gettext_lazy("version"), ordering="version_key")
    def version_shown(self, update: Update) -> str:
        return update.version

    @admin.display(description=gettext_lazy("approved version"), ordering="approved_version", empty_value="–")
    def approved_shown(self, update: "WithAnnotations[Update, Context]") -> str | None:
        return update.approved_version

    @admin.display(
        description=gettext_lazy("version to restore"), ordering="restore_version", empty_value="–"
    )
    def restore_shown(self, update: "WithAnnotations[Update, Context]") -> str | None:
        return update.restore_version

    @admin.display(description=gettext_lazy("devices"), ordering="devices_concerned")
    def devices_concerned(self, update: "WithAnnotations[Update, Context]") -> int:
        return update.devices_concerned

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_badge(self, update: Update) -> SafeString:
        return badge(update.state, update.get_state_display())

    @admin.action(description=gettext_lazy("Approve…"), permissions=["approve"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Update]) -> HttpResponse | None:
        return self._ask(request, "approve", queryset)

    @admin.action(description=gettext_lazy("Reject…"), permissions=["reject"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Update]) -> HttpResponse | None:
        return self._ask(request, "reject", queryset)

    @admin.action(description=gettext_lazy("Roll back…"), permissions=["roll_back"])
    def roll_back(self, request: HttpRequest, queryset: QuerySet[Update]) -> HttpResponse | None:
        return self._ask(request, "roll_back", queryset)

    @admin.action(description=gettext_lazy("Remove…"), permissions=["remove"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Update]) -> HttpResponse | None:
        return self._ask(request, "remove", queryset)

    def _ask(self, request: HttpRequest, name: str, queryset: QuerySet[Update]) -> HttpResponse | None:
        ids = list(queryset.values_list("pk", flat=True)[: decisions.MAX_SELECTED + 1])
        if len(ids) > decisions.MAX_SELECTED:
            text = _("Select at most %(count)d updates at a time.") % {"count": decisions.MAX_SELECTED}
            self.message_user(request, text, messages.WARNING)
            return None
        return HttpResponseRedirect(decisions.url_of(name, ids, back=request.get_full_path()))


@admin.register(PendingUpdate)
class PendingUpdateAdmin(UpdateList):
    """Updates that wait for a decision; test devices are offered them already."""

    states = (State.PENDING,)
    empty_text = gettext_lazy("No update waits for a decision.")
    actions = ("approve", "reject")


@admin.register(DeployedUpdate)
class DeployedUpdateAdmin(UpdateList):
    """Updates that are offered to every device of their type."""

    states = (State.APPROVED,)
    empty_text = gettext_lazy("No update is deployed.")
    actions = ("roll_back",)


@admin.register(Update)
class UpdateAdmin(UpdateList):
    """All updates, also superseded and rejected ones, and the page of each."""

    empty_text = gettext_lazy("No update has been imported yet.")
    actions = ("approve", "reject", "roll_back", "remove")
    list_display = (*UpdateList.list_display[:7], "state_badge", *UpdateList.list_display[7:])
    list_filter = ("state", *UpdateList.list_filter)

    def get_urls(self) -> list[URLPattern]:
        decide = path(
            "decide/<str:name>/",
            self.admin_site.admin_view(self.decide),
            name="updates_update_decide",
        )
        return [decide, *super().get_urls()]

    def decide(self, request: HttpRequest, name: str) -> HttpResponse:
        """Asks about approving, rejecting, rolling back or removing; a POST does it."""
        return decisions.page(request, name, self.admin_site)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The update's page: what it is, its files, what was decided, and how far it has come. Nothing is edited."""
        del form_url
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        update = self.get_object(request, object_id)
        if update is None:
            messages.warning(request, _("There is no such update, or not any more."))
            return HttpResponseRedirect(reverse("admin:updates_update_changelist"))
        context = {
            **self.admin_site.each_context(request),
            **_page_of(update, request),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/updates/update/page.html", context)


def _page_of(update: Update, request: HttpRequest) -> dict[str, Any]:
    deliveries = Delivery.objects.filter(update=update).select_related("device")
    return {
        "title": f"{update.device_type} {update.update_type} {update.version}",
        "opts": Update._meta,  # noqa: SLF001 - Django documents _meta
        "active_tab": {
            State.PENDING: "updates_pendingupdate",
            State.APPROVED: "updates_deployedupdate",
        }.get(State(update.state), ""),
        "update": update,
        "files": update.files.all(),
        "buttons": _buttons(update, request),
        "ledger": LedgerEntry.objects.filter(update_number=update.pk)[:LEDGER_ROWS],
        "counts": deliveries.aggregate(
            offered=Count("pk"), fetched=Count("fetched_at"), installed=Count("installed_at")
        ),
        "deliveries": Paginator(deliveries, DELIVERY_ROWS).get_page(request.GET.get("page")),
    }


def _buttons(update: Update, request: HttpRequest) -> list[Button]:
    back = reverse("admin:updates_update_change", args=[update.pk])
    return [
        Button(decision.label, decisions.url_of(name, [update.pk], back=back), decision.is_danger)
        for name, decision in decisions.DECISIONS.items()
        if update.state in sources_of(decision.action) and request.user.has_perm(decision.permission)
    ]
