"""Who works on a package: one worker, for as long as it keeps its lease."""

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import Error, connection
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from updates.models import Package

RETRY_SECONDS = 15
RETRY_MOST_SECONDS = 600
_PROGRESS_SECONDS = 0.5

logger = logging.getLogger(__name__)


class ClaimLostError(Exception):
    """The lease ran out and the package has gone to another worker: nothing of it may be touched any more."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's hold on a package. `receipt` tells it from every other worker's; `attempt` counts from 1."""

    package_id: int
    receipt: datetime
    attempt: int

    @property
    def row(self) -> QuerySet[Package]:
        """The package's row, while it is still held under this receipt."""
        return Package.objects.filter(
            pk=self.package_id, state=Package.State.EXTRACTING, claimed_at=self.receipt
        )

    def renew(self, **figures: int) -> None:
        """Starts the lease anew and writes `figures` with it. Raises ClaimLostError."""
        if self.row.update(lease_until=timezone.now() + _lease(), **figures) != 1:
            raise ClaimLostError(f"package {self.package_id} went to another worker")

    def let_go(self, state: Package.State, **changes: object) -> None:
        """Gives the package its next state, in the caller's transaction. Raises ClaimLostError."""
        if self.row.update(state=state, claimed_at=None, lease_until=None, **changes) != 1:
            raise ClaimLostError(f"package {self.package_id} went to another worker")


def due(now: datetime) -> Q:
    """Packages that a worker may take: waiting ones whose time has come, and those whose worker let its lease run out."""
    waiting = Q(state=Package.State.UPLOADED) & (Q(retry_at__isnull=True) | Q(retry_at__lte=now))
    return waiting | Q(state=Package.State.EXTRACTING, lease_until__lt=now)


def take(package_id: int) -> Claim | None:
    """Claims the package; None when it is not due, or another worker was faster."""
    now = timezone.now()
    won = Package.objects.filter(due(now), pk=package_id).update(
        state=Package.State.EXTRACTING,
        claimed_at=now,
        lease_until=now + _lease(),
        attempts=F("attempts") + 1,
        retry_at=None,
        done_bytes=0,
        total_bytes=0,
    )
    if won != 1:
        return None
    attempt = Package.objects.filter(pk=package_id, claimed_at=now).values_list("attempts", flat=True).first()
    return None if attempt is None else Claim(package_id, now, attempt)


def retry_delay(attempt: int) -> timedelta:
    """How long a package waits after its attempt number `attempt` could not finish; doubled from one to the next."""
    return timedelta(seconds=min(RETRY_SECONDS * 2 ** (attempt - 1), RETRY_MOST_SECONDS))


class Heartbeat:
    """Keeps a claim alive while its worker works, and shows how far it is.

    A thread renews the lease every third of it: a decoder that is silent for minutes, or a slow object store, must
    not cost the package. A process that is stopped stops its thread with it, and loses the claim in time.
    """

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._lost = False
        self._stop = threading.Event()
        self._shown_at = float("-inf")
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def progress(self, done: int, total: int) -> None:
        """Shows `done` of `total` bytes, at most twice a second. Raises ClaimLostError."""
        if self._lost:
            raise ClaimLostError(f"package {self._claim.package_id} went to another worker")
        now = time.monotonic()
        if now - self._shown_at >= _PROGRESS_SECONDS:
            self._shown_at = now
            self._claim.renew(done_bytes=done, total_bytes=total)

    def check(self) -> None:
        """Makes sure, in the database, that the package is still ours. Raises ClaimLostError."""
        self._claim.renew()

    def _beat(self) -> None:
        try:
            while not self._stop.wait(_lease().total_seconds() / 3):
                self._renew()
        except ClaimLostError:
            self._lost = True
        finally:
            connection.close()

    def _renew(self) -> None:
        try:
            self._claim.renew()
        except Error:
            # The lease may outlast the trouble; if it does not, the receipt says so before anything is published.
            logger.warning("the lease of package %s was not renewed", self._claim.package_id, exc_info=True)
            connection.close()


def _lease() -> timedelta:
    return timedelta(seconds=settings.DUS_LEASE_SECONDS)
