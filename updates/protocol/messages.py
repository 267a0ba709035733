"""What devices and the service say to each other, whatever the form on the wire."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from devices.identity import DeviceTypeKey

# Of a request; an answer is the service's own and may list many files.
MAX_BODY: Final = 64 * 1024
MAX_ANSWER: Final = 1024 * 1024
MAX_MODULES: Final = 64
MAX_TEXT: Final = 256
MAX_DEPTH: Final = 16


class ProtocolError(ValueError):
    """A message that is not acceptable; the reason may be shown to its sender."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ReportedModule:
    """A file a device has installed, as it reports it; version and timestamp are "" when it does not say."""

    name: str
    version: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """A device's request for updates. `mac` and `serial` are in normal form, "" when not given; one of them is there."""

    family: str
    mac: str
    serial: str
    vendor: str
    model: str
    revision: str
    locale: str
    version: str | None
    modules: tuple[ReportedModule, ...]
    user: str

    @property
    def device_type(self) -> DeviceTypeKey:
        """The device type; its parts were checked when the request was read."""
        return DeviceTypeKey(self.family, self.vendor, self.model, self.revision, self.locale)

    @property
    def module_versions(self) -> Sequence[tuple[str, str]]:
        """The modules as (name, version), as the update rule takes them."""
        return [(module.name, module.version) for module in self.modules]


@dataclass(frozen=True, slots=True)
class OfferedModule:
    """One file of an offered update; size in bytes, SHA-256 in lower-case hexadecimal digits."""

    file: str
    signature: str
    version: str
    timestamp: datetime | None
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Download:
    """One offered update; a file's address is a base URL, a slash, and the file's name."""

    version: str
    update_type: str
    base_url: str
    external_base_url: str
    modules: tuple[OfferedModule, ...]


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """The answer to a check: what to download, perhaps nothing, and why."""

    downloads: tuple[Download, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """A refusal: the HTTP status, a stable word for it, a sentence for people."""

    status: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Provisioning:
    """The values a device learns in band: where to check for updates, and whether to."""

    internal_url: str
    external_url: str
    enabled: bool


_ERRORS: Final = {
    400: ("malformed", "The request cannot be understood."),
    401: (
        "authentication_required",
        "Anonymous access is not supported; repeat the request with the user name and password of a valid account.",
    ),
    403: ("forbidden", "This address may be used from the internal network only; use the external address."),
    404: ("not_found", "There is no such file."),
    405: ("method_not_allowed", "This address does not support this method."),
    410: ("withdrawn", "The update this file belongs to was withdrawn; check for updates again."),
    413: ("too_large", f"The request is too large; a check has at most {MAX_BODY} bytes."),
    415: ("unsupported_media_type", "Send text/xml, application/xml or application/json."),
    416: ("range_not_satisfiable", "The file has no such range."),
    429: ("too_many_requests", "Too many requests; wait as long as Retry-After says and repeat."),
    500: ("internal_error", "The service failed; repeat the request later."),
    503: ("unavailable", "The service is not available now; repeat the request later."),
}


def standard_error(status: int, message: str = "") -> ErrorAnswer:
    """Give the refusal for an HTTP status, with the usual sentence unless another is given.

    Raises KeyError for a status that the protocol does not use.
    """
    code, usual = _ERRORS[status]
    return ErrorAnswer(status, code, message or usual)
