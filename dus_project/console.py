"""The console: Django's admin with a site, a look and tabs of our own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, re_path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic import RedirectView

from devices.models import Device, TestDevice
from dus_project import dashboard
from updates import authorisation
from updates.models import DeployedUpdate, LedgerEntry, Package, PendingUpdate, ServiceState
from updates.services import switch

TABS: tuple[tuple[type[Model], Promise], ...] = (
    (PendingUpdate, gettext_lazy("Pending Updates")),
    (DeployedUpdate, gettext_lazy("Deployed Updates")),
    (TestDevice, gettext_lazy("Test Devices")),
    (Package, gettext_lazy("Packages")),
    (Device, gettext_lazy("Devices")),
    (LedgerEntry, gettext_lazy("History")),
)
ACCOUNTS: tuple[tuple[type[Model], Promise], ...] = (
    (User, gettext_lazy("Users")),
    (Group, gettext_lazy("Groups")),
)


@dataclass(frozen=True, slots=True)
class Link:
    """A place in the console; `key` is what a page calls itself by to be the current one."""

    key: str
    label: str
    url: str


class ConsoleSite(AdminSite):
    """The console. A model's page is the current tab by its name; a page may set `active_tab` itself."""

    site_title = gettext_lazy("Device Update Service")
    site_header = gettext_lazy("Device Update Service")
    index_title = gettext_lazy("Dashboard")
    enable_nav_sidebar = False
    site_url = None

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        if not context["has_permission"]:
            return context
        start = Link("index", _("Dashboard"), reverse("admin:index"))
        return context | {
            "console_tabs": [start, *self._links(request, TABS)],
            "account_links": list(self._links(request, ACCOUNTS)),
            "active_tab": self._active_tab(request),
            "offers_enabled": offers_enabled(),
            "may_switch_offers": request.user.has_perm(authorisation.SWITCH_OFFERS),
        }

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [
            path("offers/", self.admin_view(self.offers), name="offers"),
            # An application's own page would list its models; the tabs do.
            re_path(r"^(?:auth|devices|updates)/$", RedirectView.as_view(pattern_name="admin:index")),
            *super().get_urls(),
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The dashboard."""
        context = {
            **self.each_context(request),
            "title": self.index_title,
            "board": dashboard.read(request.user),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/index.html", context)

    def offers(self, request: HttpRequest) -> HttpResponse:
        """Asks whether to turn offers off, or on; a POST does it."""
        if not isinstance(request.user, User) or not request.user.has_perm(authorisation.SWITCH_OFFERS):
            raise PermissionDenied
        if request.method == "POST":
            return self._switch(request, request.user)
        enabled = offers_enabled()
        context = {
            **self.each_context(request),
            "title": _("Turn offers off") if enabled else _("Turn offers on"),
            "active_tab": "index",
            "devices": Device.objects.count(),
        }
        return TemplateResponse(request, "admin/offers.html", context)

    def _switch(self, request: HttpRequest, user: User) -> HttpResponse:
        enable = request.POST.get("enabled") == "yes"
        if not switch.switch_offers(enabled=enable, by=user, reason=request.POST.get("reason", "")):
            messages.info(request, _("Nothing changed: offers were switched already."))
        elif enable:
            messages.success(request, _("Offers are turned on."))
        else:
            messages.success(request, _("Offers are turned off."))
        return HttpResponseRedirect(reverse("admin:index"))

    def _links(self, request: HttpRequest, places: tuple[tuple[type[Model], Promise], ...]) -> Iterator[Link]:
        for model, label in places:
            model_admin = self._registry.get(model)
            if model_admin is not None and model_admin.has_view_permission(request):
                name = f"{model._meta.app_label}_{model._meta.model_name}"  # noqa: SLF001 - Django documents _meta
                yield Link(name, str(label), reverse(f"admin:{name}_changelist"))

    def _active_tab(self, request: HttpRequest) -> str:
        match = request.resolver_match
        return (match.url_name or "").rpartition("_")[0] or "index" if match else ""


def offers_enabled() -> bool:
    """Whether the service offers updates at all."""
    return ServiceState.objects.filter(pk=1, offers_enabled=False).first() is None
