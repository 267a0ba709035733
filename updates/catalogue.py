"""What is offered to whom, held in the process: a check is decided without a query.

A snapshot is immutable and is replaced as a whole. It is read again when the generation in the database's service row
has changed, and that row is looked at no more than once per `DUS_CATALOGUE_SECONDS`.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote

from django.conf import settings
from django.db import DatabaseError

from devices.identity import IdentifierKind
from devices.models import TestDevice
from updates.domain.lifecycle import State
from updates.domain.offers import Candidate, Choice, Reason, choose, reported_version
from updates.models import ServiceState, Update, UpdateFile
from updates.protocol import CheckAnswer, CheckRequest, Download, OfferedModule

_log = logging.getLogger(__name__)

INTERNAL_FOLDER: Final = "DeviceUpdateFiles_Int"
EXTERNAL_FOLDER: Final = "DeviceUpdateFiles_Ext"
# Seconds that a check waits for another thread's look at the database.
_PATIENCE: Final = 2.0
# From the one that says most about the device to the one that says least.
_TELLING: Final = (
    Reason.OFFERS_DISABLED,
    Reason.PENDING_FOR_TEST_DEVICE,
    Reason.APPROVED_DIFFERS,
    Reason.TEST_UP_TO_DATE,
    Reason.UP_TO_DATE,
    Reason.NOTHING_APPROVED,
    Reason.UNKNOWN_TYPE,
)


class CatalogueUnavailableError(Exception):
    """The database cannot be read, and the process has never read it."""


@dataclass(frozen=True, slots=True)
class Offerable:
    """A pending or approved update as it is offered: its folder, percent-encoded, and its files."""

    candidate: Candidate
    folder: str
    modules: tuple[OfferedModule, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """What stands for one update type of one device type."""

    update_type: str
    approved: Offerable | None = None
    pending: Offerable | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a decision needs. `lines` has the device types by their folded form."""

    generation: int = 0
    offers_enabled: bool = True
    lines: Mapping[str, tuple[Line, ...]] = field(default_factory=dict)
    test_identifiers: frozenset[tuple[IdentifierKind, str]] = frozenset()

    def is_test(self, *, mac: str, serial: str) -> bool:
        """Tell whether a device, named in normal form, is a test device."""
        return (IdentifierKind.MAC, mac) in self.test_identifiers or (
            IdentifierKind.SERIAL,
            serial,
        ) in self.test_identifiers


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a device is offered of one update type (None: nothing), why, and which version it reported."""

    update_type: str
    reported: str | None
    offer: Offerable | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class Decision:
    """What a device is offered; `reason` is the most telling one of the verdicts'."""

    verdicts: tuple[Verdict, ...]
    reason: Reason
    is_test: bool

    @property
    def offers(self) -> tuple[Offerable, ...]:
        """The updates that are offered."""
        return tuple(verdict.offer for verdict in self.verdicts if verdict.offer is not None)


def decide(snapshot: Snapshot, request: CheckRequest) -> Decision:
    """Apply the update rule to each update type of the device's type."""
    is_test = snapshot.is_test(mac=request.mac, serial=request.serial)
    lines = snapshot.lines.get(request.device_type.folded, ())
    verdicts = tuple(_verdict(snapshot, request, line, is_test=is_test) for line in lines)
    if verdicts:
        reason = min((verdict.reason for verdict in verdicts), key=_TELLING.index)
    else:
        reason = Reason.UNKNOWN_TYPE if snapshot.offers_enabled else Reason.OFFERS_DISABLED
    return Decision(verdicts, reason, is_test)


def _verdict(snapshot: Snapshot, request: CheckRequest, line: Line, *, is_test: bool) -> Verdict:
    reported = reported_version(
        line.update_type, device_version=request.version, modules=request.module_versions
    )
    choice: Choice = choose(
        reported=reported,
        approved=line.approved.candidate if line.approved else None,
        pending=line.pending.candidate if line.pending else None,
        is_test=is_test,
        offers_enabled=snapshot.offers_enabled,
    )
    offer = None
    if choice.candidate is not None:
        offer = line.pending if choice.reason is Reason.PENDING_FOR_TEST_DEVICE else line.approved
    return Verdict(line.update_type, reported, offer, choice.reason)


def answer(decision: Decision, *, internal_url: str, external_url: str) -> CheckAnswer:
    """Make the answer to a check. The URLs are those of the service inside and outside, without a trailing slash.

    A blank one leaves the base URLs of its side blank.
    """
    return CheckAnswer(
        downloads=tuple(
            Download(
                version=offer.candidate.version,
                update_type=offer.candidate.update_type,
                base_url=f"{internal_url}/{INTERNAL_FOLDER}/{offer.folder}" if internal_url else "",
                external_base_url=f"{external_url}/{EXTERNAL_FOLDER}/{offer.folder}" if external_url else "",
                modules=offer.modules,
            )
            for offer in decision.offers
        ),
        reason=decision.reason.value,
    )


class Catalogue:
    """One process's snapshot, shared by its threads. `clock` is in seconds and never goes back."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._looked_at = 0.0
        self._failing = False

    def current(self) -> Snapshot:
        """The snapshot; when it is due, one thread brings it up to date and the others wait for that.

        When the database cannot be read, the last snapshot goes on serving, and nobody waits but the thread that
        tries again. Raises CatalogueUnavailableError when there is none yet.
        """
        snapshot = self._snapshot
        if snapshot is None:
            with self._lock:
                # Another thread may have read it while this one waited.
                return self._snapshot or self._refreshed(None)
        if not self._is_due():
            return snapshot
        # After a quiet hour the snapshot is an hour old: to go on with it would break the promise of one second.
        # A database that hangs must not hold every thread, though.
        if not self._lock.acquire(timeout=0 if self._failing else _PATIENCE):
            return self._snapshot or snapshot
        try:
            if not self._is_due():
                return self._snapshot or snapshot
            return self._refreshed(self._snapshot)
        finally:
            self._lock.release()

    def _is_due(self) -> bool:
        return self._clock() - self._looked_at >= settings.DUS_CATALOGUE_SECONDS

    def reset(self) -> None:
        """Forget the snapshot; the next look reads everything."""
        with self._lock:
            self._snapshot = None

    def _refreshed(self, before: Snapshot | None) -> Snapshot:
        # The time before the look: what changes during it is seen by the next one, in time.
        looked_at = self._clock()
        try:
            snapshot = _read(before)
        except DatabaseError as error:
            if before is None:
                raise CatalogueUnavailableError("the database cannot be read") from error
            if not self._failing:
                _log.exception("The database cannot be read; the last known approvals go on serving.")
            self._failing = True
            snapshot = before
        else:
            if self._failing:
                _log.warning("The database can be read again.")
            self._failing = False
        self._snapshot = snapshot
        self._looked_at = looked_at
        return snapshot


_process: Final = Catalogue()
current: Final = _process.current
reset: Final = _process.reset


def _read(before: Snapshot | None) -> Snapshot:
    """Read the generation, and the rest when it is not that of `before`."""
    row = ServiceState.objects.filter(pk=1).values_list("generation", "offers_enabled").first()
    # First of all: a change while the tables are read has another generation, and the next look sees it.
    generation, offers_enabled = row or (0, True)
    if before is not None and before.generation == generation:
        same = before.offers_enabled == offers_enabled
        return before if same else replace(before, offers_enabled=offers_enabled)
    return Snapshot(
        generation=generation,
        offers_enabled=offers_enabled,
        lines=_lines(),
        test_identifiers=frozenset(
            (IdentifierKind(kind), identifier)
            for kind, identifier in TestDevice.objects.order_by().values_list("kind", "identifier")
        ),
    )


def _lines() -> dict[str, tuple[Line, ...]]:
    # Withdrawn updates make a type known, of which nothing is approved.
    known = (
        Update.objects.exclude(state=State.IMPORTING)
        .order_by("device_type__folded", "update_type")
        .values_list("device_type__folded", "update_type")
        .distinct()
    )
    lines = {(folded, update_type): Line(update_type) for folded, update_type in known}
    # One query for updates and files: an update is never read without its files.
    files = (
        UpdateFile.objects.filter(update__state__in=(State.PENDING, State.APPROVED))
        .select_related("update__device_type")
        .order_by("update_id", "name")
    )
    by_update: dict[int, list[UpdateFile]] = {}
    for file in files:
        by_update.setdefault(file.update_id, []).append(file)
    for of_update in by_update.values():
        update = of_update[0].update
        place = update.device_type.folded, update.update_type
        line = lines.get(place) or Line(update.update_type)
        offerable = _offerable(update, of_update)
        if update.state == State.PENDING:
            lines[place] = replace(line, pending=offerable)
        else:
            lines[place] = replace(line, approved=offerable)
    grouped: dict[str, tuple[Line, ...]] = {}
    for (folded, _update_type), line in lines.items():
        grouped[folded] = (*grouped.get(folded, ()), line)
    return grouped


def _offerable(update: Update, files: Iterable[UpdateFile]) -> Offerable:
    return Offerable(
        candidate=Candidate(update.pk, update.update_type, update.version),
        folder=quote(update.folder),
        modules=_modules(update, tuple(files)),
    )


def _modules(update: Update, files: tuple[UpdateFile, ...]) -> tuple[OfferedModule, ...]:
    """The files as modules. The signature of a file is no module of its own; it may be fetched, too."""
    signatures = {file.signature for file in files}
    return tuple(
        OfferedModule(
            file=file.name,
            signature=file.signature,
            version=update.version,
            timestamp=file.modified,
            size=file.size,
            sha256=file.sha256,
        )
        for file in files
        if file.name not in signatures
    )
