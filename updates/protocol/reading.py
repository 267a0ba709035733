"""From the names and values of a message, in whatever form, to a check request."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from devices.identity import DeviceTypeKey, IdentityError, normalise_mac, normalise_serial
from updates.protocol.messages import (
    MAX_MODULES,
    MAX_TEXT,
    CheckRequest,
    ProtocolError,
    ReportedModule,
)


@dataclass(frozen=True, slots=True)
class _Field:
    """A field: its name on the wire first, then the other names it is accepted under."""

    key: str
    names: tuple[str, ...]

    @property
    def described(self) -> str:
        return f"{self.names[0]} (accepted names: {', '.join(self.names)})"


# The first names are those of the columns of the original's audit log; the rest are what a caller might say instead.
FIELDS: Final = (
    _Field("family", ("DeviceType", "Family", "DeviceFamily")),
    _Field("mac", ("MacAddress", "Mac", "MacAddr")),
    _Field("serial", ("SerialNumber", "Serial", "SerialNo")),
    _Field("vendor", ("Vendor", "Brand", "Manufacturer")),
    _Field("model", ("Model", "ModelName", "DeviceModel")),
    _Field("revision", ("Revision", "Rev", "HardwareRevision")),
    _Field("locale", ("Locale", "Language", "Culture")),
    _Field(
        "version", ("Version", "CurrentVersion", "InstalledVersion", "FirmwareVersion", "SoftwareVersion")
    ),
    _Field("user", ("UserId", "User", "UserName", "Account")),
)
MODULE_FIELDS: Final = (
    _Field("name", ("Filename", "Name", "File")),
    _Field("version", ("Version", "FileVersion")),
    _Field("timestamp", ("Timestamp", "Time", "Date")),
)
MODULE_NAMES: Final = frozenset({"module", "requestmodule", "image"})
MODULE_LIST_NAMES: Final = frozenset({"modules", "requestmodules", "images"})

_IGNORED: Final = str.maketrans("", "", " _-")


@lru_cache(maxsize=1024)
def plain(name: str) -> str:
    """Give a name without regard to case, spaces, underscores and hyphens."""
    return name.translate(_IGNORED).casefold()


def _index(fields: tuple[_Field, ...]) -> dict[str, tuple[_Field, int]]:
    return {plain(name): (field, rank) for field in fields for rank, name in enumerate(field.names)}


_FIELDS_BY_NAME: Final = _index(FIELDS)
_MODULE_FIELDS_BY_NAME: Final = _index(MODULE_FIELDS)
_DESCRIBED: Final = {field.key: field.described for field in FIELDS}


class Values:
    """The values found so far. A value nearer to the root wins, then the better known name."""

    __slots__ = ("_found", "_index")

    def __init__(self, index: dict[str, tuple[_Field, int]]) -> None:
        self._index = index
        self._found: dict[str, tuple[int, int, str]] = {}

    def add(self, depth: int, name: str, text: str) -> None:
        """Take one value. Raises ProtocolError for two different values of one name at one depth, and for bad text."""
        known = self._index.get(plain(name))
        if known is None:
            return
        value = text.strip()
        if not value:
            return
        field, rank = known
        if len(value) > MAX_TEXT:
            raise ProtocolError(
                f"{field.names[0]} has {len(value)} characters; at most {MAX_TEXT} are accepted"
            )
        if not value.isprintable():
            raise ProtocolError(f"{field.names[0]} has a control or invisible character")
        before = self._found.get(field.key)
        if before is None or (depth, rank) < before[:2]:
            self._found[field.key] = (depth, rank, value)
        elif (depth, rank) == before[:2] and value != before[2]:
            raise ProtocolError(f"{field.names[0]} is given twice with different values")

    def __bool__(self) -> bool:
        return bool(self._found)

    def get(self, key: str) -> str:
        found = self._found.get(key)
        return found[2] if found else ""


class Collector:
    """Takes the names and values of one message, in any order, and makes the request of them."""

    __slots__ = ("_modules", "_values")

    def __init__(self) -> None:
        self._values = Values(_FIELDS_BY_NAME)
        self._modules: list[Values] = []

    def add(self, depth: int, name: str, text: str) -> None:
        """Take a value of the device. Raises ProtocolError."""
        self._values.add(depth, name, text)

    def module(self) -> Values:
        """Begin a module. Raises ProtocolError when there are too many."""
        if len(self._modules) >= MAX_MODULES:
            raise ProtocolError(f"there are more than {MAX_MODULES} modules")
        module = Values(_MODULE_FIELDS_BY_NAME)
        self._modules.append(module)
        return module

    def request(self) -> CheckRequest:
        """Check what was found and give the request. Raises ProtocolError."""
        get = self._values.get
        mac, serial = get("mac"), get("serial")
        if not mac and not serial:
            raise ProtocolError(
                f"neither {_DESCRIBED['mac']} nor {_DESCRIBED['serial']} is given; a device needs one of them"
            )
        try:
            mac = normalise_mac(mac) if mac else ""
            serial = normalise_serial(serial) if serial else ""
            device_type = DeviceTypeKey.of(
                self._required("family"),
                self._required("vendor"),
                self._required("model"),
                self._required("revision"),
                self._required("locale"),
            )
        except IdentityError as error:
            raise ProtocolError(str(error)) from error
        return CheckRequest(
            family=device_type.family,
            mac=mac,
            serial=serial,
            vendor=device_type.brand,
            model=device_type.model,
            revision=device_type.revision,
            locale=device_type.locale,
            version=get("version") or None,
            modules=tuple(_module(values) for values in self._modules if values),
            user=get("user"),
        )

    def _required(self, key: str) -> str:
        value = self._values.get(key)
        if not value:
            raise ProtocolError(f"{_DESCRIBED[key]} is missing")
        return value


def _module(values: Values) -> ReportedModule:
    name = values.get("name")
    if not name:
        raise ProtocolError(f"a module has no {MODULE_FIELDS[0].described}")
    return ReportedModule(name, values.get("version"), values.get("timestamp"))
