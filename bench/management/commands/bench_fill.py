"""Fills an empty database with what the benches need: updates, and devices that have all checked before."""

import hashlib
from typing import Any

from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils import timezone

from bench import fleet
from devices.models import Device, DeviceType
from updates import ledger, store
from updates.domain import versions
from updates.domain.lifecycle import State
from updates.domain.offers import Reason
from updates.models import Delivery, Package, Update, UpdateFile

_FILES = {f"{fleet.UPDATE_TYPE}.nbt": b"image", f"{fleet.UPDATE_TYPE}.cat": b"signature"}
_BATCH = 1000


class Command(BaseCommand):
    help = "Make device types with an approved and a pending update each, and devices."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--devices", type=int, default=0)
        parser.add_argument(
            "--image-bytes", type=int, default=0, help="size of the first type's approved image"
        )

    def handle(self, *, devices: int, image_bytes: int, **_options: Any) -> None:
        with transaction.atomic():
            types = [self._type(number, image_bytes) for number in range(len(fleet.TYPES))]
            made = Device.objects.bulk_create(
                (_device(number, types) for number in range(devices)), batch_size=_BATCH
            )
            _offer(made)
            ledger.offers_changed()

    def _type(self, number: int, image_bytes: int) -> DeviceType:
        key = fleet.TYPES[number]
        names = ("family", "brand", "model", "revision", "locale")
        kind = DeviceType.objects.create(folded=key.folded, **dict(zip(names, key.parts, strict=True)))
        for version, state in ((fleet.APPROVED, State.APPROVED), (fleet.PENDING, State.PENDING)):
            files = dict(_FILES)
            if image_bytes and number == 0 and state is State.APPROVED:
                files[f"{fleet.UPDATE_TYPE}.nbt"] = fleet.image(image_bytes)
            _update(kind, version, state, files)
        return kind


def _update(kind: DeviceType, version: str, state: State, files: dict[str, bytes]) -> None:
    now = timezone.now()
    package = Package.objects.create(
        file_name="bench.cab",
        sha256=hashlib.sha256(f"{kind}{version}".encode()).hexdigest(),
        size=1,
        stored_as="",
        state=Package.State.READY,
        uploaded_at=now,
    )
    update = Update.objects.create(
        device_type=kind,
        update_type=fleet.UPDATE_TYPE,
        version=version,
        version_key=versions.sort_key(version),
        state=state,
        package=package,
        imported_at=now,
    )
    for name, content in files.items():
        path = f"{update.folder}/{name}"
        store.storage().save(path, ContentFile(content))
        UpdateFile.objects.create(
            update=update,
            name=name,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            signature="" if name.endswith(".cat") else f"{fleet.UPDATE_TYPE}.cat",
            path=path,
            modified=now,
        )


def _device(number: int, types: list[DeviceType]) -> Device:
    now = timezone.now()
    running = fleet.version(number)
    return Device(
        key=f"mac:{fleet.mac(number)}",
        mac=fleet.mac(number),
        serial=fleet.serial(number),
        device_type=types[number % len(types)],
        version=running,
        versions={fleet.UPDATE_TYPE: running},
        first_seen=now,
        last_seen=now,
        last_address="127.0.0.1",
        last_account=fleet.user(number),
        last_reason=Reason.APPROVED_DIFFERS if fleet.downloads(number) else Reason.UP_TO_DATE,
    )


def _offer(devices: list[Device]) -> None:
    """Devices that are behind were offered the update the last time they asked."""
    approved = dict(
        Update.objects.filter(state=State.APPROVED).order_by().values_list("device_type_id", "pk")
    )
    Delivery.objects.bulk_create(
        (
            Delivery(
                device=device,
                update_id=approved[device.device_type_id],
                from_version=device.version,
                offered_at=device.last_seen,
                last_offered_at=device.last_seen,
            )
            for device in devices
            if device.version != fleet.APPROVED
        ),
        batch_size=_BATCH,
    )
