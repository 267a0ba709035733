"""The service as a phone finds and asks it."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from updates import protocol
from updates.simulator.channel import Channel, refusal
from updates.simulator.errors import SimulatorError

_OK: Final = 200
_HANDLERS: Final = {False: "/RequestHandler/ucdevice.upx", True: "/RequestHandlerExt/ucdevice.upx"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a phone is and what it was told: `url` of the request handler, or of the `provisioning` values."""

    url: str = ""
    provisioning: str = ""
    outside: bool = False
    profile: str = protocol.XML


class Service:
    """Speaks the protocol over a channel."""

    def __init__(self, location: Location, channel: Channel) -> None:
        self._location = location
        self._channel = channel

    def find(self) -> str:
        """The address to check at; "" when the service says that updates are turned off.

        Raises RefusedError or SimulatorError.
        """
        if not self._location.provisioning:
            return _completed(self._location.url, _HANDLERS[self._location.outside])
        url = _completed(self._location.provisioning, "/provisioning/")
        reply = self._channel.exchange("GET", url, headers={"Accept": self._location.profile})
        if reply.status != _OK:
            raise refusal(reply)
        try:
            values = protocol.parse_provisioning(reply.body, reply.media_type)
        except protocol.ProtocolError as error:
            raise SimulatorError(f"{url}: {error.reason}") from error
        if not values.enabled:
            return ""
        found = values.external_url if self._location.outside else values.internal_url
        if not found:
            raise SimulatorError(f"{url} names no address for this side of the firewall")
        return found

    def check(self, url: str, request: protocol.CheckRequest) -> protocol.CheckAnswer:
        """Asks for updates. Raises RefusedError or SimulatorError."""
        profile = self._location.profile
        reply = self._channel.exchange(
            "POST",
            url,
            body=protocol.render_check(request, profile),
            headers={"Content-Type": protocol.content_type(profile), "Accept": profile},
        )
        if reply.status != _OK:
            raise refusal(reply)
        try:
            return protocol.parse_answer(reply.body, reply.media_type)
        except protocol.ProtocolError as error:
            raise SimulatorError(f"{url}: {error.reason}") from error

    def address_of(self, download: protocol.Download, name: str) -> str:
        """Where to fetch a file of an update from this side of the firewall. Raises SimulatorError."""
        base = download.external_base_url if self._location.outside else download.base_url
        if not base:
            raise SimulatorError(
                f"{download.update_type} {download.version} is offered without an address for this side of the firewall"
            )
        return f"{base}/{quote(name)}"


def _completed(url: str, path: str) -> str:
    """`url`, with the usual `path` if it is only an origin."""
    return url.rstrip("/") + path if urlsplit(url).path in {"", "/"} else url
