"""The devices that the benches play: device `number` has the same address, type and version everywhere."""

import random
from typing import Final

from devices.identity import DeviceTypeKey
from updates import protocol
from updates.protocol import CheckRequest, ReportedModule

CHECK_PATH: Final = "/RequestHandler/ucdevice.upx"
FILES_PATH: Final = "/DeviceUpdateFiles_Int"
TYPES: Final = tuple(
    DeviceTypeKey("UCPhone", brand, model, "A", locale)
    for brand, model in (("Polycom", "CX600"), ("Polycom", "CX700"), ("LG-Nortel", "IP8540"))
    for locale in ("ENU", "JPN")
)
UPDATE_TYPE: Final = "CPE"
APPROVED: Final = "1.0.522.101"
PENDING: Final = "1.0.533.7"
OLD: Final = "1.0.199.123"
# One device in so many runs the old version and is offered the approved one.
_BEHIND: Final = 10


def mac(number: int) -> str:
    """The MAC address of a device."""
    digits = f"{number:06X}"
    return f"00-15-5D-{digits[:2]}-{digits[2:4]}-{digits[4:]}"


def serial(number: int) -> str:
    """The serial number of a device."""
    return f"PC-{number:08d}"


def user(number: int) -> str:
    """Who is signed in on a device."""
    return f"user{number}@contoso.com"


def device_type(number: int) -> DeviceTypeKey:
    """The type of a device."""
    return TYPES[number % len(TYPES)]


def downloads(number: int) -> int:
    """How many updates a device is to be offered."""
    return 1 if number % _BEHIND == 0 else 0


def version(number: int) -> str:
    """What a device runs."""
    return OLD if downloads(number) else APPROVED


def check(number: int) -> bytes:
    """The body of a device's check: 0.7 KB of XML with every field, as a handset with two files would send it."""
    key, running = device_type(number), version(number)
    request = CheckRequest(
        family=key.family,
        mac=mac(number),
        serial=serial(number),
        vendor=key.brand,
        model=key.model,
        revision=key.revision,
        locale=key.locale,
        version=running,
        modules=(
            ReportedModule(f"{UPDATE_TYPE}.nbt", running, "2009-03-02T08:15:00Z"),
            ReportedModule(f"{UPDATE_TYPE}.cat", running, "2009-03-02T08:15:00Z"),
        ),
        user=user(number),
    )
    return protocol.render_check(request, protocol.XML)


def image(size: int) -> bytes:
    """The bytes of an update's image: noise that repeats every MiB and some, so that two ranges differ."""
    noise = random.Random(3).randbytes(min(size, (1 << 20) + 7))
    return (noise * (size // len(noise) + 1))[:size] if noise else b""
