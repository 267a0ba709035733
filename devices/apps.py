from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DevicesConfig(AppConfig):
    """Device types, devices and test devices."""

    name = "devices"
    verbose_name = _("Devices")
