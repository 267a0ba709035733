"""The two ports of `make serve`: are they free, and does the service answer on them?"""

import errno
import http.client
import ipaddress
import socket
import ssl
import time
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from dus_project.health import PATH

_HINTS: Final = {
    errno.EADDRINUSE: "another program uses this port; stop it, or set {variable} to another number",
    errno.EACCES: "you may not open a port below 1024; set {variable} to a higher number",
    errno.EADDRNOTAVAIL: "this machine does not have that address; set DUS_BIND to one of its own, or to 0.0.0.0",
}


@dataclass(frozen=True, slots=True)
class Port:
    """Where one of the two servers listens. `variable` sets its number; `certificate` is there for https."""

    address: str
    number: int
    variable: str
    certificate: Path | None = None

    @property
    def origin(self) -> str:
        """The URL by which this machine itself reaches the port."""
        host = caller_address(self.address)
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.number}"


def caller_address(bound: str) -> str:
    """The address to call for a server that is bound to `bound`: loopback stands for all of 0.0.0.0 or ::."""
    try:
        address = ipaddress.ip_address(bound)
    except ValueError:
        return bound
    if not address.is_unspecified:
        return bound
    return "::1" if isinstance(address, ipaddress.IPv6Address) else "127.0.0.1"


def why_not_free(port: Port) -> str:
    """Why nobody can listen on `port`, with the remedy; empty when it is free."""
    try:
        info = socket.getaddrinfo(port.address, port.number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        return (
            f"DUS_BIND={port.address}: {error.strerror}; write an address of this machine, such as 127.0.0.1"
        )
    family, kind, protocol, _name, where = info[0]
    with closing(socket.socket(family, kind, protocol)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(where)
        except OSError as error:
            hint = _HINTS.get(error.errno or 0, str(error.strerror)).format(variable=port.variable)
            return f"{port.variable}={port.number} on {port.address}: {hint}."
    return ""


def wait_until_free(port: Port, *, patience: float) -> str:
    """As `why_not_free`, but gives whoever is leaving the port `patience` seconds to do so."""
    deadline = time.monotonic() + patience
    while (reason := why_not_free(port)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return reason


def answers(port: Port, *, patience: float = 2.0) -> bool:
    """Whether the service on `port` says that it is healthy, within `patience` seconds."""
    host = caller_address(port.address)
    with closing(_connection(port, host, patience)) as connection:
        try:
            connection.request("GET", PATH)
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


def _connection(port: Port, host: str, patience: float) -> http.client.HTTPConnection:
    if port.certificate is None:
        return http.client.HTTPConnection(host, port.number, timeout=patience)
    context = ssl.create_default_context(cafile=str(port.certificate))
    return http.client.HTTPSConnection(host, port.number, timeout=patience, context=context)
