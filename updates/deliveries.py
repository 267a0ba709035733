"""What is remembered of checks and downloads: devices, and what each was offered, fetched and installed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Model, Q

from devices.identity import DeviceTypeKey
from devices.models import Device, DeviceType
from updates.domain import versions
from updates.models import Delivery, Update

# Check-ins per transaction: bounds the parameters of one query, and how long others wait for the rows.
_BATCH: Final = 500
_VERSION_LENGTH: Final = 64
_ACCOUNT_LENGTH: Final = 150
# What a check says anew of a device; its key and when it was first seen remain.
_RENEWED: Final = (
    "mac",
    "serial",
    "device_type",
    "version",
    "versions",
    "last_seen",
    "last_address",
    "is_outside",
    "last_account",
    "last_reason",
)
# Written by hand, because most checks are of this kind: the ORM would take twenty times as long to build the
# statements as the database takes to execute them.
_SEEN_AGAIN: Final = """
UPDATE devices_device SET mac = %s, serial = %s, version = %s, last_seen = %s, last_address = %s,
is_outside = %s, last_account = %s, last_reason = %s
WHERE "key" = %s AND versions = %s
AND device_type_id = (SELECT id FROM devices_devicetype WHERE folded = %s)
"""
_OFFERED_AGAIN: Final = """
UPDATE updates_delivery SET last_offered_at = %s
WHERE update_id = %s AND installed_at IS NULL AND device_id = (SELECT id FROM devices_device WHERE "key" = %s)
"""
# The columns in the first statement, in its order.
_SEEN_COLUMNS: Final = (
    *("mac", "serial", "version", "last_seen", "last_address", "is_outside", "last_account", "last_reason"),
    *("key", "versions"),
)
_FIELDS: Final[dict[type[Model], dict[str, Any]]] = {
    model: {field.name: field for field in model._meta.concrete_fields}  # noqa: SLF001 - Django documents _meta
    for model in (Device, Delivery)
}
# How many deliveries a download that ends competes for with others that end at the same moment.
_TRIES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One update that was offered, and the version the device ran; "" when it did not say."""

    update_id: int
    from_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckIn:
    """What is recorded of one check. `mac` and `serial` are in normal form, one of them may be "".

    `versions` has the version that the device reported for each update type; `reason` is the answer's.
    """

    at: datetime
    mac: str
    serial: str
    device_type: DeviceTypeKey
    address: str
    reason: str
    version: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    is_outside: bool = False
    account: str = ""
    offered: tuple[Offered, ...] = ()

    @property
    def key(self) -> str:
        """What the device is known by."""
        return f"mac:{self.mac}" if self.mac else f"serial:{self.serial}"


def record(check_ins: Sequence[CheckIn]) -> None:
    """Record checks: devices seen first or again, what they were offered, what they report as installed.

    The number of queries does not depend on the number of check-ins, up to some hundreds of them. Of several from one
    device the latest describes it. Recording the same check-in twice changes nothing. Raises DatabaseError.
    """
    if len(check_ins) == 1 and _seen_again(check_ins[0]):
        return
    in_order = sorted(check_ins, key=lambda check_in: check_in.at)
    for start in range(0, len(in_order), _BATCH):
        batch = in_order[start : start + _BATCH]
        with transaction.atomic():
            _record_deliveries(batch, _record_devices(batch))


def fetched(*, update_id: int, address: str, account: str, now: datetime) -> bool:
    """Note that an update was downloaded from an address; True when that was a device's first time.

    To be called once, when the last byte of the update's largest file is on its way: a download says nothing of the
    device, so it counts for the device that was offered the update longest ago among those last seen at this address
    (and with this account, outside). Behind a shared address downloads are attributed in turn, so the number of
    fetched deliveries is right even where single ones are exchanged. Raises DatabaseError.
    """
    waiting = Delivery.objects.filter(
        update_id=update_id,
        fetched_at__isnull=True,
        installed_at__isnull=True,
        device__last_address=address,
    )
    if account:
        waiting = waiting.filter(device__last_account=account)
    candidates = list(waiting.order_by("last_offered_at", "pk").values_list("pk", flat=True)[:_TRIES])
    return any(
        Delivery.objects.filter(pk=pk, fetched_at__isnull=True).update(fetched_at=now) for pk in candidates
    )


def _seen_again(check_in: CheckIn) -> bool:
    """Record a check of a device that reports and is offered what it was before; False when that is not the case.

    Nothing can have been installed since: an update that is offered differs from what the device reports. There is
    no transaction that others wait for; `_record_devices` and `_record_deliveries` would write the same values.
    """
    row = _columns(check_in)
    values = [_prepared(Device, name, row[name]) for name in _SEEN_COLUMNS]
    with connection.cursor() as cursor:
        cursor.execute(_SEEN_AGAIN, [*values, check_in.device_type.folded])
        if cursor.rowcount != 1:
            return False
        for offered in check_in.offered:
            at = _prepared(Delivery, "last_offered_at", check_in.at)
            cursor.execute(_OFFERED_AGAIN, [at, offered.update_id, check_in.key])
            if cursor.rowcount != 1:
                return False
    return True


def _prepared(model: type[Model], column: str, value: object) -> Any:
    """The value as the database's driver takes it."""
    return _FIELDS[model][column].get_db_prep_save(value, connection)


def _columns(check_in: CheckIn) -> dict[str, Any]:
    """What a check says of its device, as the columns take it."""
    return {
        "key": check_in.key,
        "mac": check_in.mac,
        "serial": check_in.serial,
        "version": check_in.version[:_VERSION_LENGTH],
        "versions": {
            update_type: version[:_VERSION_LENGTH] for update_type, version in check_in.versions.items()
        },
        "last_seen": check_in.at,
        "last_address": check_in.address,
        "is_outside": check_in.is_outside,
        "last_account": check_in.account[:_ACCOUNT_LENGTH],
        "last_reason": check_in.reason,
    }


def _record_devices(batch: Sequence[CheckIn]) -> dict[str, int]:
    """Insert or update the devices; gives their numbers by key."""
    latest = {check_in.key: check_in for check_in in batch}
    types = _device_types({check_in.device_type.folded: check_in.device_type for check_in in latest.values()})
    # Sorted, so that two processes that record the same devices never wait for each other in a ring.
    rows = [
        Device(
            device_type_id=types[check_in.device_type.folded],
            first_seen=check_in.at,
            **_columns(check_in),
        )
        for _key, check_in in sorted(latest.items())
    ]
    stored = Device.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=_RENEWED,
    )
    return {device.key: device.pk for device in stored}


def _device_types(wanted: Mapping[str, DeviceTypeKey]) -> dict[str, int]:
    found = _known_types(wanted)
    missing = [key for folded, key in sorted(wanted.items()) if folded not in found]
    if missing:
        DeviceType.objects.bulk_create(
            [
                DeviceType(
                    family=key.family,
                    brand=key.brand,
                    model=key.model,
                    revision=key.revision,
                    locale=key.locale,
                    folded=key.folded,
                )
                for key in missing
            ],
            ignore_conflicts=True,
        )
        found = _known_types(wanted)
    return found


def _known_types(folded: Iterable[str]) -> dict[str, int]:
    known = DeviceType.objects.filter(folded__in=list(folded)).order_by()
    return dict(known.values_list("folded", "pk"))


@dataclass(slots=True)
class _Changes:
    offered: dict[tuple[int, int], Delivery] = field(default_factory=dict)
    again: list[Delivery] = field(default_factory=list)
    installed: list[Delivery] = field(default_factory=list)


def _record_deliveries(batch: Sequence[CheckIn], devices: Mapping[str, int]) -> None:
    offered_ids = {offered.update_id for check_in in batch for offered in check_in.offered}
    if offered_ids:
        # An update may have been removed since it was offered.
        offered_ids = set(Update.objects.filter(pk__in=offered_ids).order_by().values_list("pk", flat=True))
    known = (
        Delivery.objects.filter(device__in=list(devices.values()))
        .filter(Q(installed_at__isnull=True) | Q(update__in=offered_ids))
        .select_related("update")
        .order_by()
    )
    by_device: dict[int, dict[int, Delivery]] = {}
    for delivery in known:
        by_device.setdefault(delivery.device_id, {})[delivery.update_id] = delivery
    changes = _Changes()
    for check_in in batch:
        device = devices[check_in.key]
        _note_installed(check_in, by_device.get(device, {}), changes)
        for offered in check_in.offered:
            if offered.update_id in offered_ids:
                _note_offered(check_in, offered, device, changes)
                _note_offered_again(offered, by_device.get(device, {}).get(offered.update_id), changes)
    _store(changes)


def _note_installed(check_in: CheckIn, deliveries: Mapping[int, Delivery], changes: _Changes) -> None:
    for delivery in deliveries.values():
        running = check_in.versions.get(delivery.update.update_type)
        installed = running is not None and versions.same(running, delivery.update.version)
        if installed and delivery.installed_at is None:
            delivery.installed_at = check_in.at
            # What it runs it has fetched, even if the download was counted for another device behind its address.
            delivery.fetched_at = delivery.fetched_at or check_in.at
            changes.installed.append(delivery)


def _note_offered(check_in: CheckIn, offered: Offered, device: int, changes: _Changes) -> None:
    first = changes.offered.get((device, offered.update_id))
    if first is not None:
        first.last_offered_at = check_in.at
        return
    changes.offered[device, offered.update_id] = Delivery(
        device_id=device,
        update_id=offered.update_id,
        from_version=offered.from_version[:_VERSION_LENGTH],
        offered_at=check_in.at,
        last_offered_at=check_in.at,
    )


def _note_offered_again(offered: Offered, delivery: Delivery | None, changes: _Changes) -> None:
    """A device that is offered what it had installed does not run it any more: it fetches and installs it anew."""
    if delivery is None or delivery.installed_at is None:
        return
    delivery.from_version = offered.from_version[:_VERSION_LENGTH]
    delivery.fetched_at = delivery.installed_at = None
    changes.again.append(delivery)


def _store(changes: _Changes) -> None:
    if changes.offered:
        Delivery.objects.bulk_create(
            [delivery for _place, delivery in sorted(changes.offered.items())],
            update_conflicts=True,
            unique_fields=["device", "update"],
            update_fields=["last_offered_at"],
        )
    if changes.again:
        Delivery.objects.bulk_update(changes.again, ["from_version", "fetched_at", "installed_at"])
    if changes.installed:
        Delivery.objects.bulk_update(changes.installed, ["installed_at", "fetched_at"])
