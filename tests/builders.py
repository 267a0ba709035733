"""Makes what tests need, typed and with sensible defaults."""

import hashlib
import itertools
from dataclasses import dataclass, field

from django.contrib.auth.models import Group, Permission, User
from django.utils import timezone

from devices.identity import DeviceTypeKey
from devices.models import Device, DeviceType
from updates import publishing
from updates.domain import versions
from updates.domain.lifecycle import State
from updates.domain.manifest import signature_for
from updates.models import Package, Update, UpdateFile
from updates.services import packages

CX700 = DeviceTypeKey("UCPhone", "Polycom", "CX700", "A", "ENU")

_numbers = itertools.count(1)


def make_user(
    *permissions: str, name: str = "", password: str = "correct horse", groups: tuple[str, ...] = ()
) -> User:
    """A console user with `permissions` such as "updates.approve_update"."""
    user = User.objects.create_user(name or f"user{next(_numbers)}", password=password, is_staff=True)
    for permission in permissions:
        app_label, codename = permission.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app_label, codename=codename)
        )
    for group in groups:
        user.groups.add(Group.objects.get(name=group))
    return user


def make_device_type(key: DeviceTypeKey = CX700) -> DeviceType:
    return publishing.device_type_for(key)


def make_package(*, state: Package.State = Package.State.READY, file_name: str = "") -> Package:
    number = next(_numbers)
    return Package.objects.create(
        file_name=file_name or f"package{number}.cab",
        sha256=hashlib.sha256(str(number).encode()).hexdigest(),
        size=1000,
        stored_as=f"test/{number}.cab",
        state=state,
        uploaded_at=timezone.now(),
    )


def make_uploaded_package(
    content: bytes, *, file_name: str = "package.cab", by: User | None = None
) -> Package:
    """A package as an upload leaves it, its bytes in the storage; nobody is told to extract it."""
    upload = packages.Upload(file_name=file_name, chunks=[content])
    return packages.submit(upload, by=by, queue=False).package


def member_path(
    name: str = "CPE.nbt",
    *,
    version: str = "1.0.522.101",
    key: DeviceTypeKey = CX700,
    update_type: str = "CPE",
) -> str:
    """The name of a cabinet's member that tells what update it belongs to."""
    return f"{key.path}/{version}/{update_type}/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateShape:
    """What `make_update` makes; each field has a default."""

    version: str = "1.0.522.101"
    state: State = State.PENDING
    key: DeviceTypeKey = CX700
    update_type: str = "CPE"
    files: dict[str, bytes] = field(default_factory=lambda: {"CPE.nbt": b"image", "CPE.cat": b"catalogue"})


def make_update(
    version: str = "1.0.522.101",
    state: State = State.PENDING,
    *,
    shape: UpdateShape | None = None,
    package: Package | None = None,
    previous: Update | None = None,
) -> Update:
    """An update in the database; its files are rows only, not in the store."""
    shape = shape or UpdateShape(version=version, state=state)
    update = Update.objects.create(
        device_type=make_device_type(shape.key),
        update_type=shape.update_type,
        version=shape.version,
        version_key=versions.sort_key(shape.version),
        state=shape.state,
        package=package or make_package(),
        previous=previous,
        imported_at=timezone.now(),
    )
    for name, content in shape.files.items():
        UpdateFile.objects.create(
            update=update,
            name=name,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            signature=signature_for(name, shape.files),
            path=f"{update.folder}/{name}",
        )
    return update


def make_device(mac: str = "", *, version: str = "", key: DeviceTypeKey = CX700) -> Device:
    address = mac or "00-15-5D-" + "-".join(f"{next(_numbers):06X}"[i : i + 2] for i in (0, 2, 4))
    now = timezone.now()
    return Device.objects.create(
        key=f"mac:{address}",
        mac=address,
        device_type=make_device_type(key),
        version=version,
        versions={"CPE": version} if version else {},
        first_seen=now,
        last_seen=now,
        last_address="192.0.2.1",
    )
