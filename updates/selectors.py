"""Reads what the console, the commands and the API show."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from devices.models import Device, tests_updates
from updates.domain.lifecycle import Action, State
from updates.domain.versions import Direction, direction
from updates.models import Update


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a decision about an update means for the known devices that it concerns.

    `offered` is the version they are offered afterwards; None: nothing, and they stay as they are (`same`).
    The numbers count devices; `unknown` are those whose versions have no order, or that never told theirs.
    """

    update: Update
    offered: str | None
    upgrade: int = 0
    downgrade: int = 0
    same: int = 0
    unknown: int = 0


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


def effects(update_ids: Iterable[int], action: Action) -> list[Effect]:
    """What approving, rejecting, rolling back or removing these updates means for devices, in the order of the ids.

    Costs a few queries for each update. Updates that do not exist, and those being imported, are left out.
    """
    ids = list(update_ids)
    found = updates_with_context().in_bulk(ids)
    return [_effect(found[pk], action) for pk in ids if pk in found]


def _effect(update: Update, action: Action) -> Effect:
    siblings = Update.objects.filter(
        device_type=update.device_type_id, update_type=update.update_type
    ).exclude(pk=update.pk)
    concerned = Device.objects.filter(device_type=update.device_type_id)
    match action:
        case Action.APPROVED:
            return _counted(update, update.version, concerned)
        case Action.REJECTED:
            # Only test devices were offered it; they fall back to what all the others run.
            approved = siblings.filter(state=State.APPROVED).values_list("version", flat=True).first()
            return _counted(update, approved, concerned.filter(tests_updates()))
        case Action.ROLLED_BACK:
            if siblings.filter(state=State.PENDING).exists():
                concerned = concerned.exclude(tests_updates())
            return _counted(update, update.previous.version if update.previous else None, concerned)
        case _:
            return Effect(update=update, offered=None)


def _counted(update: Update, offered: str | None, concerned: QuerySet[Device]) -> Effect:
    counts: Counter[Direction] = Counter()
    # Grouped in the database: a fleet runs few versions, however many devices it has.
    groups = concerned.order_by().values_list("version", "versions").annotate(number=Count("pk"))
    for version, versions, number in groups:
        running = versions.get(update.update_type) or version
        counts[direction(running, offered) if offered else Direction.SAME] += number
    return Effect(
        update=update,
        offered=offered,
        upgrade=counts[Direction.UPGRADE],
        downgrade=counts[Direction.DOWNGRADE],
        same=counts[Direction.SAME],
        unknown=counts[Direction.UNKNOWN],
    )
