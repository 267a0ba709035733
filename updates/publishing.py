"""How updates come to exist: reserve the versions, store the files, publish them all at once.

1. `reserve` inserts the updates in state *importing*. The unique version per device type and update type
   decides who owns a path of the store; nobody is offered an importing update.
2. `store_files` puts the files at those paths.
3. `publish` makes all of them pending in one transaction.

A process killed at any point leaves importing rows, and these name every file that may have been stored. Rows that
an extraction reserved carry its receipt: the next extraction of the package takes them over, for it alone holds the
package. Rows without one belong to an assignment; they are taken over when it has been silent for long, or let go of
them. `withdraw` removes either.

Who reserves, publishes or deletes files holds the device types concerned, so that nobody's files go to a path while
they are deleted for somebody else.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

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

# Whoever imports and gave no sign of life for so long is dead.
SILENT = timedelta(hours=1)


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


def lock_types(type_ids: Iterable[int]) -> None:
    """Makes everybody who locks one of these device types wait for the end of the caller's transaction."""
    # In one order for all, so that none wait in a ring.
    list(DeviceType.objects.select_for_update().filter(pk__in=list(type_ids)).order_by("pk"))


def reserve(
    package: Package, updates: Sequence[NewUpdate], *, now: datetime, receipt: datetime | None = None
) -> Reservation:
    """Reserves each of `updates` that does not exist yet, in state importing; all of them or none.

    `receipt` is given by the extraction that holds the package: it takes over what earlier ones left.

    Raises Busy when another package, or an assignment of this one, is importing one of the versions; StoreError or
    OSError when a file that a dead process left cannot be deleted.
    """
    try:
        with transaction.atomic():
            reservation = _reserve(package, updates, now=now, receipt=receipt)
            if reservation.failed:
                # Not even the new device types remain, and what a killed attempt reserved is still known.
                transaction.set_rollback(True)
    except IntegrityError as error:
        raise Busy(
            _("one of the versions of %(file)s was reserved at this moment", file=package.file_name)
        ) from error
    return reservation


def _reserve(
    package: Package, updates: Sequence[NewUpdate], *, now: datetime, receipt: datetime | None
) -> Reservation:
    reservation = Reservation()
    new: list[tuple[DeviceType, NewUpdate]] = []
    left: set[str] = set()
    device_types = _device_types(updates)
    for update in updates:
        device_type = device_types[update.device_type.folded]
        existing = (
            Update.objects.filter(
                device_type=device_type, update_type__iexact=update.update_type, version=update.version
            )
            .select_related("package", "device_type")
            .first()
        )
        if existing is not None and existing.package_id == package.pk and _left(existing, receipt, now):
            left.update(existing.files.values_list("path", flat=True))
            existing.delete()
            existing = None
        if existing is None:
            new.append((device_type, update))
        else:
            reservation.findings.append(_compare(existing, update))
    if not reservation.failed:
        for device_type, update in new:
            row = _insert(package, device_type, update, now=now, receipt=receipt)
            reservation.updates.append((row, update))
        # Files that are wanted again are replaced or found in place; nothing remembers the others any more.
        store.delete(sorted(left.difference(_paths(reservation))))
    return reservation


def _paths(reservation: Reservation) -> set[str]:
    return {f"{row.folder}/{file.name}" for row, update in reservation.updates for file in update.files}


def _device_types(updates: Sequence[NewUpdate]) -> dict[str, DeviceType]:
    """The device types of `updates` by their folded keys, locked: how they spell update types is now settled."""
    keys = {update.device_type.folded: update.device_type for update in reversed(updates)}
    # New ones are made in one order, too: two packages that bring the same ones wait for each other here.
    found = {folded: device_type_for(keys[folded]) for folded in sorted(keys)}
    lock_types(device_type.pk for device_type in found.values())
    return found


def _left(existing: Update, receipt: datetime | None, now: datetime) -> bool:
    """Whether nobody who lives holds the row of this package; asked by the extraction with `receipt`, or by none."""
    if existing.state != State.IMPORTING:
        return False
    if existing.receipt is None:
        return existing.imported_at < now - SILENT
    return receipt is not None


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
    lock_types({row.device_type_id for row, _update in in_order})
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
    """Removes those of `rows` that were reserved and not published, with their files.

    Raises StoreError or OSError when the store does not delete a file: all rows then remain, to be withdrawn again.
    """
    rows = rows.filter(state=State.IMPORTING)
    with transaction.atomic():
        lock_types(set(rows.values_list("device_type_id", flat=True)))
        # Named under the lock: what is published now is no longer among them. Files first: the rows remember them.
        doomed = list(rows.values_list("pk", flat=True))
        store.delete(list(UpdateFile.objects.filter(update__in=doomed).values_list("path", flat=True)))
        Update.objects.filter(pk__in=doomed).delete()


def keep(reservation: Reservation) -> None:
    """Tells the sweep that whoever holds the reservation still works on it.

    Raises Busy when it was withdrawn meanwhile: nothing may be stored for it any more.
    """
    ids = [row.pk for row, _update in reservation.updates]
    held = Update.objects.filter(pk__in=ids, state=State.IMPORTING).update(imported_at=timezone.now())
    if held != len(ids):
        raise Busy(_("what was reserved was withdrawn, because it took too long"))


def abandon(reservation: Reservation) -> None:
    """Removes a reservation that is not to be published, with all that was stored for it.

    Where it was withdrawn by others, its files go too, but for those at paths that belong to an update since.
    Raises as `withdraw` does; the reservation is then left to whoever comes next.
    """
    paths = _paths(reservation)
    rows = Update.objects.filter(
        pk__in=[row.pk for row, _update in reservation.updates], state=State.IMPORTING
    )
    rows.update(imported_at=timezone.now() - 2 * SILENT)
    with transaction.atomic():
        lock_types({row.device_type_id for row, _update in reservation.updates})
        withdraw(rows)
        owned = UpdateFile.objects.filter(path__in=paths).values_list("path", flat=True)
        store.delete(sorted(paths.difference(owned)))


def _insert(
    package: Package,
    device_type: DeviceType,
    update: NewUpdate,
    *,
    now: datetime,
    receipt: datetime | None,
) -> Update:
    row = Update.objects.create(
        device_type=device_type,
        update_type=_spelling(device_type, update.update_type),
        version=update.version,
        version_key=versions.sort_key(update.version),
        state=State.IMPORTING,
        package=package,
        receipt=receipt,
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
