"""What devices exist and which of them test pending updates."""

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from devices.identity import DeviceTypeKey, IdentifierKind

NAME_LENGTH = 100
NOTE_LENGTH = 1000


class DeviceType(models.Model):
    """Family, brand, model, revision and locale: what an update is for.

    `folded` is the five parts without regard to case, the form in which types are compared: devices and
    packages of one vendor do not always spell them alike.
    """

    family = models.CharField(_("device type"), max_length=64)
    brand = models.CharField(_("brand"), max_length=64)
    model = models.CharField(_("model"), max_length=64)
    revision = models.CharField(_("revision"), max_length=64)
    locale = models.CharField(_("locale"), max_length=64)
    folded = models.CharField(max_length=330, unique=True, editable=False)

    class Meta:
        verbose_name = _("device type")
        verbose_name_plural = _("device types")
        ordering = ("family", "brand", "model", "revision", "locale")

    def __str__(self) -> str:
        return str(self.key)

    @property
    def key(self) -> DeviceTypeKey:
        """The plain value, for rules and paths."""
        return DeviceTypeKey(self.family, self.brand, self.model, self.revision, self.locale)


class Device(models.Model):
    """One device that has asked for updates, as it was seen last.

    `key` is `mac:` and the MAC address, or `serial:` and the serial number of a device that sends no MAC.
    `versions` maps an update type to the version that the device reported for it.
    """

    key = models.CharField(max_length=72, unique=True, editable=False)
    mac = models.CharField(_("MAC address"), max_length=60, blank=True, db_index=True)
    serial = models.CharField(_("serial number"), max_length=64, blank=True, db_index=True)
    device_type = models.ForeignKey(
        DeviceType, on_delete=models.PROTECT, related_name="devices", verbose_name=_("device type")
    )
    version = models.CharField(_("version"), max_length=64, blank=True)
    versions = models.JSONField(_("versions"), default=dict, blank=True)
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"), db_index=True)
    last_address = models.GenericIPAddressField(_("last address"), unpack_ipv4=True)
    is_outside = models.BooleanField(_("outside"), default=False)
    last_account = models.CharField(_("last account"), max_length=150, blank=True)
    last_reason = models.CharField(_("last answer"), max_length=40, blank=True)

    class Meta:
        verbose_name = _("device")
        verbose_name_plural = _("devices")
        ordering = ("-last_seen", "-pk")

    def __str__(self) -> str:
        return self.mac or self.serial


class TestDevice(models.Model):
    """A MAC address or serial number that is offered pending updates."""

    # pytest takes a class of this name for a test.
    __test__ = False

    class Kind(models.TextChoices):
        MAC = IdentifierKind.MAC.value, _("MAC address")
        SERIAL = IdentifierKind.SERIAL.value, _("Serial number")

    kind = models.CharField(_("identifier type"), max_length=6, choices=Kind.choices, default=Kind.MAC)
    identifier = models.CharField(_("identifier"), max_length=64)
    name = models.CharField(_("name"), max_length=NAME_LENGTH)
    note = models.TextField(_("note"), blank=True, max_length=NOTE_LENGTH)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("added by"),
    )
    added_at = models.DateTimeField(_("added"), auto_now_add=True)

    class Meta:
        verbose_name = _("test device")
        verbose_name_plural = _("test devices")
        ordering = ("name", "pk")
        constraints = [
            models.UniqueConstraint(fields=("kind", "identifier"), name="devices_test_device_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.identifier})"


def tests_updates() -> Q:
    """Devices that are test devices, by their MAC address or their serial number; a condition on querysets of Device."""
    by_mac = TestDevice.objects.filter(kind=TestDevice.Kind.MAC, identifier=OuterRef("mac"))
    by_serial = TestDevice.objects.filter(kind=TestDevice.Kind.SERIAL, identifier=OuterRef("serial"))
    return Q(Exists(by_mac)) | Q(Exists(by_serial))
