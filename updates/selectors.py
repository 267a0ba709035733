"""Reads what the console, the commands and the API show."""

from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from devices.models import Device
from updates.domain.lifecycle import State
from updates.models import Update


def _concerned() -> Coalesce:
    """How many known devices an update is for."""
    counted = (
        Device.objects.filter(device_type=OuterRef("device_type"))
        .order_by()
        .values("device_type")
        .annotate(number=Count("pk"))
        .values("number")
    )
    return Coalesce(Subquery(counted), 0)


def updates_with_context() -> QuerySet[Update]:
    """Published updates, each with what a decision about it needs to know:

    `approved_version` (text or None): what is approved now for the same device type and update type;
    `restore_version` (text or None): what comes back when the update is rolled back;
    `devices_concerned` (number): known devices of the type.
    """
    approved = Update.objects.filter(
        device_type=OuterRef("device_type"), update_type=OuterRef("update_type"), state=State.APPROVED
    )
    return (
        Update.objects.exclude(state=State.IMPORTING)
        .select_related("device_type", "package", "previous")
        .annotate(
            approved_version=Subquery(approved.values("version")[:1]),
            restore_version=F("previous__version"),
            devices_concerned=_concerned(),
        )
    )
