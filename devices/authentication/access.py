"""Who may come in: callers of the internal network by address, all others by TLS and account."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from django.conf import settings

from devices.authentication import basic
from devices.authentication.networks import Peer, resolve_peer

_log = logging.getLogger("devices.refusals")

_BUSY_SECONDS: Final = 2


class Door(StrEnum):
    """The way a URL may be used."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Caller:
    """An admitted caller; `account` is "" for one that was admitted by its address."""

    address: str
    is_outside: bool
    account: str = ""


@dataclass
class RefusedError(Exception):
    """A caller that is not admitted: the HTTP status, the headers that go with it, and a sentence where the status does not say enough."""

    status: int
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def admit(meta: Mapping[str, Any], door: Door) -> Caller:
    """Say who a request comes from, by its WSGI environment.

    Raises RefusedError, after a line in the log `devices.refusals` that has no credentials; DatabaseError.
    """
    peer = resolve_peer(
        remote_addr=meta.get("REMOTE_ADDR", ""),
        scheme_is_https=meta.get("wsgi.url_scheme") == "https",
        forwarded_for=meta.get("HTTP_X_FORWARDED_FOR"),
        forwarded_proto=meta.get("HTTP_X_FORWARDED_PROTO"),
        trusted=settings.DUS_TRUSTED_PROXIES,
    )
    try:
        return _admitted(meta, peer, door)
    except RefusedError as refusal:
        _log.warning("%s at the %s door from %s", refusal.status, door.value, peer.address)
        raise


def _admitted(meta: Mapping[str, Any], peer: Peer, door: Door) -> Caller:
    if door is not Door.OUTSIDE and settings.DUS_INTERNAL_NETWORKS.contains(peer.address):
        return Caller(str(peer.address), is_outside=False)
    if door is Door.INSIDE:
        raise RefusedError(403)
    return Caller(str(peer.address), is_outside=True, account=_account(meta, peer))


def _account(meta: Mapping[str, Any], peer: Peer) -> str:
    if not peer.secure:
        # Before the credentials are looked at: they must not come this way, right or wrong.
        raise RefusedError(403, "From outside the service is used over https only; repeat the request there.")
    header = meta.get("HTTP_AUTHORIZATION", "")
    if not header:
        raise RefusedError(401, headers={"WWW-Authenticate": basic.CHALLENGE})
    try:
        return basic.sign_ins.account(header, peer.address)
    except basic.CredentialsError as error:
        raise RefusedError(401, headers={"WWW-Authenticate": basic.CHALLENGE}) from error
    except basic.TooManyFailuresError as error:
        message = "Too many sign-ins failed; wait as long as Retry-After says, and check the user name and password."
        raise RefusedError(429, message, {"Retry-After": str(error.seconds)}) from error
    except basic.BusyError as error:
        message = "Too many callers are signing in at this moment; repeat the request later."
        raise RefusedError(503, message, {"Retry-After": str(_BUSY_SECONDS)}) from error
