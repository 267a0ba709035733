"""How updates come to exist: reserve the versions, store the files, publish them all at once.

1. `reserve` inserts the updates in state *importing*. The unique version per device type and update type
   decides who owns a path of the store; nobody is offered an importing update.
2. `store_files` puts the files at those paths.
3. `publish` makes all of them pending in one transaction.

A process killed at any point leaves importing rows, and these name every file that may have been stored:
the next attempt takes them over, `withdraw` removes them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from devices.identity import DeviceTypeKey
from devices.models import DeviceType
from devices.wording import NOTHING, WordedError
from devices.wording import wording as _
from updates import ledger, store
from updates.domain import versions
from updates.domain.findings import Finding, Level
from updates.domain.lifecycle import Action, State
from updates.domain.manifest import signature_for
from updates.models import Package, Update, UpdateFile
from updates.store import SourceFile

_STATES = {
    State.IMPORTING: _("Importing"),
    State.PENDING: _("Pending"),
    State.APPROVED: _("Approved"),
    State.SUPERSEDED: _("Superseded"),
    State.REJECTED: _("Rejected"),
}


class Busy(WordedError):  # noqa: N818 - not an error of anybody: try again later
    """Another package is importing the same version at this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUpdate:
    """An update to publish, with the files it consists of."""

    device_type: DeviceTypeKey
    update_type: str
    version: str
    files: tuple[SourceFile, ...]
    release_notes: str = ""

    def __str__(self) -> str:
        return f"{self.device_type} {self.update_type} {self.version}"


@dataclass(slots=True)
class Reservation:
    """What `reserve` found: updates to publish, and findings on those that exist already.

    With a failure among the findings nothing was reserved.
    """

    updates: list[tuple[Update, NewUpdate]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(finding.level is Level.FAILURE for finding in self.findings)


def device_type_for(key: DeviceTypeKey) -> DeviceType:
    """The device type of `key`, made when it does not exist; spelled as it was first seen."""
    found, _created = DeviceType.objects.get_or_create(
        folded=key.folded,
        defaults={
            "family": key.family,
            "brand": key.brand,
            "model": key.model,
            "revision": key.revision,
            "locale": key.locale,
        },
    )
    return found


def reserve(package: Package, updates: Sequence[NewUpdate], *, now: datetime) -> Reservation:
    """Reserves each of `updates` that does not exist yet, in state importing; all of them or none.

    Raises Busy when another package is importing one of the versions.
    """
    try:
        with transaction.atomic():
            reservation = _reserve(package, updates, now=now)
            if reservation.failed:
                # Not even the new device types remain, and what a killed attempt reserved is still known.
                transaction.set_rollback(True)
    except IntegrityError as error:
        raise Busy(
            _("one of the versions of %(file)s was reserved at this moment", file=package.file_name)
        ) from error
    return reservation


def _reserve(package: Package, updates: Sequence[NewUpdate], *, now: datetime) -> Reservation:
    reservation = Reservation()
    new: list[tuple[DeviceType, NewUpdate]] = []
    for update in updates:
        device_type = device_type_for(update.device_type)
        existing = (
            Update.objects.filter(
                device_type=device_type, update_type__iexact=update.update_type, version=update.version
            )
            .select_related("package", "device_type")
            .first()
        )
        if existing is not None and existing.state == State.IMPORTING and existing.package_id == package.pk:
            # Left by an attempt that was killed; its files are replaced or found in place.
            existing.delete()
            existing = None
        if existing is None:
            new.append((device_type, update))
        else:
            reservation.findings.append(_compare(existing, update))
    if not reservation.failed:
        for device_type, update in new:
            row = _insert(package, device_type, update, now=now)
            reservation.updates.append((row, update))
    return reservation


def store_files(reservation: Reservation, *, before_each: Callable[[], None] | None = None) -> None:
    """Puts every file of the reservation into the update store.

    `before_each` is called before each file: what it raises stops the work there. Raises StoreError or OSError when
    the store fails; what was stored so far belongs to the reservation.
    """
    for row, update in reservation.updates:
        for file in update.files:
            if before_each is not None:
                before_each()
            store.put(f"{row.folder}/{file.name}", file)


def publish(reservation: Reservation, *, by: User | None, now: datetime) -> list[Finding]:
    """Makes the reserved updates pending, in the caller's transaction.

    An update that was pending for the same device type and update type is superseded. Where a reservation
    holds several versions of one, the highest becomes pending.

    Returns a warning for each update that is lower than the one it takes the place of. Raises Busy when
    another attempt took the reservation over; the caller's transaction must then be undone.
    """
    warnings: list[Finding] = []
    in_order = sorted(reservation.updates, key=lambda pair: pair[0].version_key)
    type_ids = {row.device_type_id for row, _update in in_order}
    # One order for everybody who locks device types; decisions on one type wait for each other here.
    list(DeviceType.objects.select_for_update().filter(pk__in=type_ids).order_by("pk"))
    for row, update in in_order:
        pending = Update.objects.filter(
            device_type_id=row.device_type_id, update_type=row.update_type, state=State.PENDING
        ).first()
        if pending is not None:
            _supersede(pending, row, by=by, now=now)
            if pending.version_key > row.version_key and pending.package_id != row.package_id:
                warnings.append(_lower_than_pending(pending, update))
        won = Update.objects.filter(pk=row.pk, state=State.IMPORTING).update(
            state=State.PENDING, imported_at=now
        )
        if won != 1:
            raise Busy(_("%(update)s was taken over by another attempt to import it", update=str(update)))
        entry = ledger.Entry(
            action=Action.IMPORTED,
            subject=str(row),
            update=row,
            package=row.package,
            after=State.PENDING.value,
        )
        ledger.record(entry, by=by, now=now)
    if in_order:
        ledger.offers_changed()
    return warnings


def withdraw(rows: QuerySet[Update]) -> None:
    """Removes those of `rows` that were reserved and not published, files first."""
    rows = rows.filter(state=State.IMPORTING)
    # Files first: the rows are what remembers them.
    store.delete(UpdateFile.objects.filter(update__in=rows).values_list("path", flat=True))
    rows.delete()


def _insert(package: Package, device_type: DeviceType, update: NewUpdate, *, now: datetime) -> Update:
    row = Update.objects.create(
        device_type=device_type,
        update_type=_spelling(device_type, update.update_type),
        version=update.version,
        version_key=versions.sort_key(update.version),
        state=State.IMPORTING,
        package=package,
        release_notes=update.release_notes,
        imported_at=now,
    )
    names = [file.name for file in update.files]
    UpdateFile.objects.bulk_create(
        UpdateFile(
            update=row,
            name=file.name,
            size=file.size,
            sha256=file.sha256,
            modified=file.modified,
            signature=file.signature or signature_for(file.name, names),
            path=f"{row.folder}/{file.name}",
        )
        for file in update.files
    )
    return row


def _spelling(device_type: DeviceType, update_type: str) -> str:
    """The update type as the device type's updates spell it: `cpe` and `CPE` are one."""
    known = Update.objects.filter(device_type=device_type, update_type__iexact=update_type).first()
    return known.update_type if known else update_type


def _compare(existing: Update, update: NewUpdate) -> Finding:
    """The verdict on an update whose version exists already."""
    if existing.state == State.IMPORTING:
        raise Busy(
            _(
                "%(update)s is being imported from %(file)s at this moment",
                update=str(update),
                file=existing.package.file_name,
            )
        )
    stored = {file.name: file.sha256 for file in existing.files.all()}
    given = {file.name: file.sha256 for file in update.files}
    if stored == given:
        return Finding(
            level=Level.WARNING,
            check="duplicate",
            member="",
            message=_(
                "%(update)s exists already with the same files; it is %(state)s.",
                update=str(update),
                state=_STATES[State(existing.state)],
            ),
            remedy=NOTHING
            if existing.state in {State.PENDING, State.APPROVED}
            else _("To offer it again, remove the existing update first, then import this package again."),
        )
    differing = sorted(name for name in stored.keys() | given.keys() if stored.get(name) != given.get(name))
    return Finding(
        level=Level.FAILURE,
        check="conflict",
        member=", ".join(differing),
        message=_(
            "%(update)s exists already with other files, from %(file)s. "
            "A version that was published never changes its bytes.",
            update=str(update),
            file=existing.package.file_name,
        ),
        remedy=_("Give the update a new version, or remove the existing one first if no device runs it."),
    )


def _supersede(pending: Update, by_update: Update, *, by: User | None, now: datetime) -> None:
    Update.objects.filter(pk=pending.pk, state=State.PENDING).update(state=State.SUPERSEDED)
    entry = ledger.Entry(
        action=Action.SUPERSEDED,
        subject=str(pending),
        update=pending,
        before=State.PENDING.value,
        after=State.SUPERSEDED.value,
        reason=_("%(version)s was imported while this version was pending", version=by_update.version),
    )
    ledger.record(entry, by=by, now=now)


def _lower_than_pending(pending: Update, update: NewUpdate) -> Finding:
    return Finding(
        level=Level.WARNING,
        check="version",
        member="",
        message=_(
            "%(update)s is lower than %(pending)s, which was pending until now.",
            update=str(update),
            pending=pending.version,
        ),
        remedy=_(
            "If this was not meant, reject %(version)s and import %(pending)s again.",
            version=update.version,
            pending=pending.version,
        ),
    )
