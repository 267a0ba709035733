"""HTTP Basic against Django's accounts (RFC 7617)."""

import base64
import binascii
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Final

from django.contrib.auth import authenticate
from django.utils.crypto import salted_hmac

from devices.authentication.failures import PER_ACCOUNT, PER_ADDRESS, Failures, key_of
from devices.authentication.networks import Address

CHALLENGE: Final = 'Basic realm="Device updates", charset="UTF-8"'
# How long a changed password or a closed account goes unnoticed at most.
REMEMBERED_SECONDS: Final = 60.0
REMEMBERED_AT_MOST: Final = 1024
# A password hash is slow on purpose; strangers must not keep every thread of the server at it.
HASHES_AT_ONCE: Final = 2
# How long a caller waits for its turn, in seconds.
PATIENCE: Final = 2.0
_MAX_HEADER: Final = 1024
_MAX_NAME: Final = 150


class CredentialsError(Exception):
    """The header is not one of Basic authentication, or the account and password are not valid."""


class BusyError(Exception):
    """Too many passwords are being checked at this moment."""


@dataclass
class TooManyFailuresError(Exception):
    """The caller, or the account, failed too often of late; it may try again after so many whole seconds."""

    seconds: int


@dataclass(frozen=True, slots=True)
class _Remembered:
    account: str
    until: float


class SignIns:
    """Checks credentials, and remembers for a short time which were right.

    A device fetches a file in many requests, and each carries the password. What is kept is an HMAC of the
    credentials under the service's secret key, never the password. Of failures only their times are kept.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._hashing = threading.BoundedSemaphore(HASHES_AT_ONCE)
        self._lock = threading.Lock()
        self._remembered: dict[bytes, _Remembered] = {}
        self._addresses = Failures(PER_ADDRESS, clock=clock)
        self._names = Failures(PER_ACCOUNT, clock=clock)

    def account(self, header: str, address: Address) -> str:
        """The user name of an Authorization header that came from `address`.

        Raises CredentialsError when it is not valid, for whatever reason; TooManyFailuresError before it is looked
        at, unless it is known to be right; BusyError when too many are being checked. An unknown name costs as
        much time as a wrong password.
        """
        name, password = _read(header)
        key = salted_hmac(__name__, f"{name}:{password}", algorithm="sha256").digest()
        remembered = self._remembered.get(key)
        if remembered is not None and remembered.until > self._clock():
            return remembered.account
        caller = key_of(address)
        self._refuse_guessing(caller, name)
        if not self._hashing.acquire(timeout=PATIENCE):
            raise BusyError("too many passwords are being checked")
        try:
            # Again: others may have failed while this one waited.
            self._refuse_guessing(caller, name)
            user = authenticate(username=name, password=password)
            if user is None:
                self._addresses.note(caller)
                self._names.note(name.casefold())
        finally:
            self._hashing.release()
        if user is None:
            raise CredentialsError("the account or its password is not valid")
        self._remember(key, user.get_username())
        return user.get_username()

    def forget(self) -> None:
        """Forget which credentials were right, and who failed."""
        with self._lock:
            self._remembered = {}
        self._addresses.forget()
        self._names.forget()

    def _refuse_guessing(self, caller: str, name: str) -> None:
        seconds = max(self._addresses.wait(caller), self._names.wait(name.casefold()))
        if seconds:
            raise TooManyFailuresError(ceil(seconds))

    def _remember(self, key: bytes, account: str) -> None:
        now = self._clock()
        with self._lock:
            if len(self._remembered) >= REMEMBERED_AT_MOST:
                self._remembered = {
                    old: found for old, found in self._remembered.items() if found.until > now
                }
            if len(self._remembered) >= REMEMBERED_AT_MOST:
                del self._remembered[next(iter(self._remembered))]
            # Anew at the end: the first one is always the oldest.
            self._remembered.pop(key, None)
            self._remembered[key] = _Remembered(account, now + REMEMBERED_SECONDS)


def _read(header: str) -> tuple[str, str]:
    scheme, _, token = header.strip().partition(" ")
    if scheme.casefold() != "basic" or len(header) > _MAX_HEADER:
        raise CredentialsError("not a header of Basic authentication")
    try:
        text = base64.b64decode(token.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise CredentialsError("the credentials are not UTF-8 in base64") from error
    name, colon, password = text.partition(":")
    if not colon or not name or len(name) > _MAX_NAME or not text.isprintable():
        raise CredentialsError("the credentials are not a name, a colon and a password")
    return name, password


sign_ins: Final = SignIns()
