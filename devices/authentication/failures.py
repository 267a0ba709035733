"""Who failed to sign in too often of late, by address and by account."""

import threading
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_network
from typing import Final

from devices.authentication.networks import Address

WINDOW_SECONDS: Final = 60.0
# An account has more, because several devices may use it, and because strangers could lock it out otherwise.
PER_ADDRESS: Final = 10
PER_ACCOUNT: Final = 60
REMEMBERED_AT_MOST: Final = 4096
# What one subscriber has: whoever has one IPv6 address has as many as he likes.
_SUBSCRIBER_PREFIX: Final = 64


class Failures:
    """Counts failures of the last minute in this process, of a bounded number of callers."""

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, list[float]] = {}

    def wait(self, key: str) -> float:
        """Seconds until `key` may try again; 0 when it may now."""
        times = self._times.get(key, [])
        if len(times) < self._limit:
            return 0.0
        return max(times[-self._limit] + WINDOW_SECONDS - self._clock(), 0.0)

    def note(self, key: str) -> None:
        """Count a failure of `key`. When there are too many keys, the one that failed longest ago is forgotten."""
        with self._lock:
            times = self._times.pop(key, [])[1 - self._limit :]
            if len(self._times) >= REMEMBERED_AT_MOST:
                del self._times[next(iter(self._times))]
            self._times[key] = [*times, self._clock()]

    def forget(self) -> None:
        """Forget all failures."""
        with self._lock:
            self._times = {}


def key_of(address: Address) -> str:
    """What an address is counted under: itself, or the network of its subscriber."""
    if isinstance(address, IPv6Address):
        return str(ip_network((address.packed, _SUBSCRIBER_PREFIX), strict=False))
    return str(address)
