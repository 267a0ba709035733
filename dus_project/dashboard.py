"""What the dashboard shows, read in a constant number of queries."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, F, Q
from django.utils import timezone

from devices.models import Device, TestDevice
from updates import selectors
from updates.domain import versions
from updates.domain.lifecycle import State
from updates.models import Package, Update

ROWS = 8
SPREAD_ROWS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far a deployed update has come: devices that run it, of all known devices it is for."""

    update: Update
    devices_on: int
    devices: int

    @property
    def percent(self) -> int:
        """Whole percent; 100 only when every device runs it, 0 only when none does."""
        if not self.devices:
            return 0
        rounded = round(100 * self.devices_on / self.devices)
        if self.devices_on == self.devices:
            return 100
        return min(max(rounded, 1 if self.devices_on else 0), 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The numbers at the top of the dashboard."""

    pending: int
    deployed: int
    devices: int
    devices_today: int
    test_devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The dashboard's contents; a part is None for an account that may not see it."""

    figures: Figures
    pending: Sequence[Update] | None
    spread: Sequence[Spread] | None
    deployed_more: int
    underway: Sequence[Package] | None
    failed: Sequence[Package] | None
    check_ins: Sequence[Device] | None


def read(user: User | AnonymousUser) -> Board:
    """Everything on the dashboard that `user` may see."""
    updates = user.has_perm("updates.view_update")
    packages = user.has_perm("updates.view_package")
    devices = user.has_perm("devices.view_device")
    figures = _figures()
    return Board(
        figures=figures,
        pending=_pending() if updates else None,
        spread=_spread() if updates else None,
        deployed_more=max(figures.deployed - SPREAD_ROWS, 0),
        underway=_packages(Package.State.UPLOADED, Package.State.EXTRACTING) if packages else None,
        failed=_packages(Package.State.FAILED) if packages else None,
        check_ins=list(Device.objects.select_related("device_type")[:ROWS]) if devices else None,
    )


def _figures() -> Figures:
    by_state = Update.objects.aggregate(
        pending=Count("pk", filter=Q(state=State.PENDING)),
        deployed=Count("pk", filter=Q(state=State.APPROVED)),
    )
    seen = Device.objects.aggregate(
        known=Count("pk"), today=Count("pk", filter=Q(last_seen__gte=timezone.now() - timedelta(days=1)))
    )
    return Figures(
        pending=by_state["pending"],
        deployed=by_state["deployed"],
        devices=seen["known"],
        devices_today=seen["today"],
        test_devices=TestDevice.objects.count(),
    )


def _pending() -> list[Update]:
    waiting = selectors.updates_with_context().filter(state=State.PENDING)
    return list(waiting.order_by("-imported_at", "-pk")[:ROWS])


def _packages(*states: Package.State) -> list[Package]:
    return list(Package.objects.filter(state__in=states)[:ROWS])


def _spread() -> list[Spread]:
    """The deployed updates that concern most devices."""
    deployed = selectors.updates_with_context().filter(state=State.APPROVED)
    shown = list(deployed.order_by(F("devices_concerned").desc(), "-approved_at", "-pk")[:SPREAD_ROWS])
    return [
        Spread(update=update, devices_on=count, devices=total)
        for update, (count, total) in zip(shown, _running(shown), strict=True)
    ]


def _running(updates: Sequence[Update]) -> list[tuple[int, int]]:
    """For each update, how many devices run it and how many it is for."""
    # Grouped in the database: a fleet runs few versions, however many devices it has.
    groups = (
        Device.objects.filter(device_type__in={update.device_type_id for update in updates})
        .order_by()
        .values_list("device_type", "version", "versions")
        .annotate(number=Count("pk"))
    )
    by_type: dict[int, list[tuple[str, dict[str, str], int]]] = defaultdict(list)
    for device_type, version, reported, number in groups:
        by_type[device_type].append((version, reported, number))
    counts = []
    for update in updates:
        on = total = 0
        for version, reported, number in by_type[update.device_type_id]:
            total += number
            if versions.same(reported.get(update.update_type) or version, update.version):
                on += number
        counts.append((on, total))
    return counts
