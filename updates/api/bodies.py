"""How many request bodies may be read at once: a slow one holds the thread that reads it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Long enough for an honest crowd to be read one after the other, in seconds.
PATIENCE: Final = 1.0


class CrowdedError(Exception):
    """All slots are taken, and none became free in time."""


class Slots:
    """`size` bodies may be read at once; the server needs clearly more threads than that."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = threading.BoundedSemaphore(size)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a slot, after waiting up to `PATIENCE` seconds for it. Raises CrowdedError."""
        if not self._free.acquire(timeout=PATIENCE):
            raise CrowdedError
        try:
            yield
        finally:
            self._free.release()
