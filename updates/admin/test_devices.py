"""Test devices in the console: the list, the form, and CSV in and out.

The page stands here and not beside its model, because what it calls is part of deciding who is offered what.
"""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Replace
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from devices.models import Device, TestDevice
from updates import authorisation
from updates.admin import test_device_csv
from updates.admin.requests import user_of
from updates.admin.test_device_forms import ImportForm, TestDeviceForm
from updates.services import test_devices
from updates.services.test_devices import TestDeviceError

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

# What people write between the digits of a MAC address, dots of some network equipment included.
_SEPARATORS = re.compile(r"[-:.]")
_DIGITS = re.compile(r"[0-9A-Fa-f]{2,40}")


class Sighting(TypedDict):
    """The known device that has the identifier, if one has asked for updates, and when it did last."""

    seen_device: int | None
    seen_at: datetime | None


def _of_matching_device(field: str) -> Case:
    latest = Device.objects.order_by("-last_seen", "-pk").values(field)
    return Case(
        When(kind=TestDevice.Kind.MAC, then=Subquery(latest.filter(mac=OuterRef("identifier"))[:1])),
        default=Subquery(latest.filter(serial=OuterRef("identifier"))[:1]),
    )


@admin.register(TestDevice)
class TestDeviceAdmin(admin.ModelAdmin[TestDevice]):
    """Which devices are offered pending updates. Every change goes through the service, and so into the ledger."""

    # pytest takes a class of this name for a test.
    __test__ = False

    form = TestDeviceForm
    list_display = ("identifier", "kind", "name", "note", "added_by", "added_at", "last_seen")
    list_filter = ("kind", ("added_by", admin.RelatedOnlyFieldListFilter), "added_at")
    search_fields = ("identifier", "name", "note")
    search_help_text = gettext_lazy("MAC address in any spelling, serial number, name, note")
    list_per_page = 100
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def get_queryset(self, request: HttpRequest) -> QuerySet[TestDevice]:
        return (
            super()
            .get_queryset(request)
            .select_related("added_by")
            .annotate(seen_device=_of_matching_device("pk"), seen_at=_of_matching_device("last_seen"))
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TestDevice], search_term: str
    ) -> tuple[QuerySet[TestDevice], bool]:
        found, duplicates = super().get_search_results(request, queryset, search_term)
        digits = _SEPARATORS.sub("", search_term.strip())
        if _DIGITS.fullmatch(digits):
            plain = Replace("identifier", Value("-"), Value(""))
            spelled_otherwise = queryset.alias(plain=plain).filter(
                kind=TestDevice.Kind.MAC, plain__icontains=digits
            )
            found = queryset.filter(pk__in=found.values("pk")) | queryset.filter(
                pk__in=spelled_otherwise.values("pk")
            )
        return found, duplicates

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            "title": _("Test Devices"),
            "empty_text": _("There is no test device: nobody is offered pending updates."),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    @admin.display(description=gettext_lazy("last seen"), ordering="seen_at", empty_value="–")
    def last_seen(self, device: "WithAnnotations[TestDevice, Sighting]") -> SafeString | None:
        if device.seen_at is None:
            return None
        url = reverse("admin:devices_device_change", args=[device.seen_device])
        return format_html('<a href="{}">{}</a>', url, localize(timezone.localtime(device.seen_at)))

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        own = [
            path("import/", site.admin_view(self.import_view), name="devices_testdevice_import"),
            path("export/", site.admin_view(self.export_view), name="devices_testdevice_export"),
        ]
        return own + super().get_urls()

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The form. Somebody else may have added the same device since it was checked: then nothing is saved."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except TestDeviceError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())

    def save_model(
        self,
        request: HttpRequest,
        obj: TestDevice,
        form: forms.ModelForm[TestDevice],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        if not isinstance(form, TestDeviceForm):
            raise TypeError(f"test devices are saved from their own form, not from {type(form).__name__}")
        user = user_of(request)
        if not change:
            obj.pk = test_devices.add(form.new(), by=user).pk
            obj.refresh_from_db()
            return
        # The form has written its values on `obj`; the service compares with what is stored.
        stored = TestDevice.objects.filter(pk=obj.pk).first()
        if stored is None:
            raise TestDeviceError(_("%(device)s was removed in the meantime.") % {"device": obj})
        test_devices.change(stored, form.new(), by=user)

    def delete_model(self, request: HttpRequest, obj: TestDevice) -> None:
        test_devices.remove([obj], by=user_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[TestDevice]) -> None:
        test_devices.remove(queryset, by=user_of(request))

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Adds test devices from CSV: all of them, or none and the reasons line by line."""
        user = user_of(request)
        authorisation.require(authorisation.ADD_TEST_DEVICE, user)
        form = ImportForm(request.POST or None, request.FILES or None, label_suffix="")
        if request.method == "POST" and form.is_valid():
            new = form.cleaned_data["devices"]
            try:
                added = len(test_devices.add_all(new, by=user))
            except TestDeviceError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, _imported(added, skipped=len(new) - added))
                return HttpResponseRedirect(reverse("admin:devices_testdevice_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Import test devices"),
            "form": form,
        }
        return TemplateResponse(request, "admin/devices/testdevice/import.html", context)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The test devices that the list shows under the same search and filters, as CSV."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        shown = self.get_changelist_instance(request).get_queryset(request)
        response = StreamingHttpResponse(
            test_device_csv.write(shown.iterator(chunk_size=500)), content_type="text/csv; charset=utf-8"
        )
        name = f"test-devices-{timezone.localdate():%Y-%m-%d}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


def _imported(added: int, *, skipped: int) -> str:
    text = ngettext("%d test device was added.", "%d test devices were added.", added) % added
    if not skipped:
        return text
    more = ngettext("%d was there already.", "%d were there already.", skipped) % skipped
    return f"{text} {more}"
