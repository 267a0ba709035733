"""Devices in the console: the list of those that have asked for updates.

`updates.admin` registers it, with what it knows of a device's updates.
"""

from contextlib import suppress
from datetime import datetime
from typing import Any, TypedDict

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise, WithAnnotations

from devices.identity import IdentityError, normalise_mac
from devices.models import Device, tests_updates


class Mark(TypedDict):
    """Whether a device is a test device."""

    is_test: bool


def with_test_mark(devices: QuerySet[Device]) -> QuerySet[Device]:
    """Adds `is_test` (bool): the device's MAC address or serial number is a test device's."""
    return devices.annotate(is_test=tests_updates())


class TestMarkFilter(admin.SimpleListFilter):
    """Test devices, or the others."""

    __test__ = False  # pytest takes a class of this name for a test
    title = _("test device")
    parameter_name = "test"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[str, StrOrPromise]]:
        del request, model_admin
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> QuerySet[Device]:
        del request
        if self.value() not in {"yes", "no"}:
            return queryset
        return queryset.filter(Q(is_test=self.value() == "yes"))


class DeviceAdmin(admin.ModelAdmin[Device]):
    """Devices as they were seen last. Facts: nothing is added, changed or deleted here."""

    list_display: list[Any] | tuple[Any, ...] = (
        "name",
        "serial",
        "device_type",
        "version",
        "seen",
        "place",
        "test_mark",
    )
    list_display_links = ("name",)
    list_filter = (
        "device_type__family",
        "device_type__brand",
        "device_type__model",
        "version",
        "is_outside",
        TestMarkFilter,
        "last_seen",
    )
    list_select_related = ("device_type",)
    search_fields = ("mac", "serial", "version", "last_account", "last_address")
    search_help_text = _("MAC address, serial number…")
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        return with_test_mark(super().get_queryset(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Device], search_term: str
    ) -> tuple[QuerySet[Device], bool]:
        """A MAC address is found in every form in which it can be written."""
        with suppress(IdentityError):
            search_term = normalise_mac(search_term)
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description=_("MAC address"), ordering="mac")
    def name(self, device: Device) -> str:
        return str(device)

    @admin.display(description=_("last seen"), ordering="last_seen")
    def seen(self, device: Device) -> datetime:
        return device.last_seen

    @admin.display(description=_("place"), ordering="is_outside")
    def place(self, device: Device) -> StrOrPromise:
        return _("outside") if device.is_outside else _("inside")

    @admin.display(description=_("test device"))
    def test_mark(self, device: "WithAnnotations[Device, Mark]") -> StrOrPromise:
        return format_html('<span class="badge test">{}</span>', _("Test device")) if device.is_test else "–"
