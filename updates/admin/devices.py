"""Devices in the console, with what was offered to each, what it fetched and what it runs."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin import DeviceAdmin
from devices.identity import IdentifierKind
from devices.models import Device
from updates import authorisation
from updates.admin.common import FactsOnly, answer_text
from updates.admin.requests import user_of
from updates.models import Delivery
from updates.services import test_devices
from updates.services.test_devices import NewTestDevice, TestDeviceError

DELIVERY_ROWS = 50


@admin.register(Device)
class DeviceWithUpdatesAdmin(FactsOnly, DeviceAdmin):
    """Devices and their deliveries."""

    list_display = (*DeviceAdmin.list_display[:5], "answer", *DeviceAdmin.list_display[5:])

    def get_urls(self) -> list[URLPattern]:
        mark = path(
            "<int:device_id>/test/", self.admin_site.admin_view(self.mark), name="devices_device_mark"
        )
        return [mark, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"title": _("Devices"), "empty_text": _("No device has asked for updates yet.")}
        return super().changelist_view(request, context | (extra_context or {}))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The device's page. Nothing is edited."""
        del form_url
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        device = self.get_object(request, object_id)
        if device is None:
            messages.warning(request, _("There is no such device."))
            return HttpResponseRedirect(reverse("admin:devices_device_changelist"))
        deliveries = Delivery.objects.filter(device=device).select_related("update__device_type")
        context = {
            **self.admin_site.each_context(request),
            "title": str(device),
            "opts": self.opts,
            "device": device,
            "answer": answer_text(device.last_reason),
            "may_mark": request.user.has_perm(authorisation.ADD_TEST_DEVICE),
            "deliveries": Paginator(deliveries, DELIVERY_ROWS).get_page(request.GET.get("page")),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/devices/device/page.html", context)

    def mark(self, request: HttpRequest, device_id: int) -> HttpResponse:
        """Makes a test device of the device."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        device = get_object_or_404(Device, pk=device_id)
        kind, identifier = (
            (IdentifierKind.MAC, device.mac) if device.mac else (IdentifierKind.SERIAL, device.serial)
        )
        new = NewTestDevice(identifier=identifier, name=str(device), kind=kind)
        try:
            test_devices.add(new, by=user_of(request))
        except TestDeviceError as error:
            messages.warning(request, str(error))
        else:
            text = _("%(device)s is a test device now: it is offered pending updates.")
            messages.success(request, text % {"device": device})
        return HttpResponseRedirect(reverse("admin:devices_device_change", args=[device.pk]))

    @admin.display(description=gettext_lazy("last answer"), ordering="last_reason")
    def answer(self, device: Device) -> str:
        return answer_text(device.last_reason)
