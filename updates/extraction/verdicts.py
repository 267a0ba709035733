"""How an attempt at a package ends: ready, failed, or given back to be tried again."""

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.conf import settings
from django.db import Error, connection, transaction
from django.utils import timezone

from devices.wording import NOTHING, WordedError, Wording, plain
from devices.wording import wording as _
from updates import ledger, models, publishing
from updates.cabinet import CabinetError
from updates.domain.findings import Finding, Level
from updates.domain.lifecycle import Action, State
from updates.domain.manifest import MemberFile
from updates.extraction.claims import Claim, ClaimLostError, retry_delay
from updates.models import Package, UnassignedFile, Update
from updates.publishing import Busy, Reservation

_ATTEMPTS = "attempts"
_NAME_LENGTH = 600

logger = logging.getLogger(__name__)


def unassigned_path(sha256: str) -> str:
    """Where the bytes of an unassigned file stand in the package storage."""
    return f"unassigned/{sha256[:2]}/{sha256}"


def succeed(
    claim: Claim,
    package: Package,
    reservation: Reservation,
    *,
    unassigned: Sequence[MemberFile],
    findings: Sequence[Finding],
) -> None:
    """Publishes all that was reserved and makes the package ready, in one transaction.

    Raises ClaimLostError or Busy when the package or a reservation went to somebody else; nothing has changed then.
    """
    now = timezone.now()
    with transaction.atomic():
        claim.let_go(Package.State.READY, finished_at=now)
        warnings = publishing.publish(reservation, by=package.uploaded_by, now=now)
        _keep_unassigned(package, unassigned)
        _record(package, [*findings, *warnings, *_published(reservation)])


def fail(claim: Claim, package: Package, findings: Sequence[Finding]) -> None:
    """Ends the package with a verdict; what its attempts reserved and stored is removed. Raises ClaimLostError."""
    claim.renew()
    # Named now, while the package is surely ours: a successor's reservations are other rows.
    # Those of an assignment have no receipt; it goes on whatever the verdict is.
    reserved = list(
        Update.objects.filter(package=package, state=State.IMPORTING, receipt__isnull=False).values_list(
            "pk", flat=True
        )
    )
    publishing.withdraw(Update.objects.filter(pk__in=reserved))
    now = timezone.now()
    reason = next((finding.message for finding in findings if finding.level is Level.FAILURE), NOTHING)
    entry = ledger.Entry(
        action=Action.PACKAGE_FAILED, subject=package.file_name, package=package, reason=reason
    )
    with transaction.atomic():
        claim.let_go(Package.State.FAILED, finished_at=now)
        _record(package, findings)
        ledger.record(entry, by=None, now=now)


def give_up(claim: Claim, package: Package) -> None:
    """Fails a package whose attempts are used up. Raises ClaimLostError."""
    spent = Finding(
        Level.FAILURE,
        _ATTEMPTS,
        "",
        _(
            "The package was given up after %(count)d attempts that did not finish.",
            count=settings.DUS_MAX_ATTEMPTS,
        ),
        _(
            "Look at the workers' log, their memory and the storage, mend what stopped them, then retry the package."
        ),
    )
    known = package.findings.filter(check_name=_ATTEMPTS, level=models.Finding.Level.WARNING)
    told = [
        Finding(
            Level.WARNING, row.check_name, row.worded("member"), row.worded("message"), row.worded("remedy")
        )
        for row in known
    ]
    fail(claim, package, [*told, spent])


def give_back(claim: Claim, error: BaseException) -> None:
    """Lets the package wait for its next attempt, and says on its page why; raises nothing.

    Only trouble counts as an attempt, not an interruption by the operator or another package's import.
    """
    delay, counts = retry_delay(claim.attempt), True
    if isinstance(error, Busy):
        delay, counts = timedelta(seconds=1), False
    elif isinstance(error, KeyboardInterrupt | SystemExit):
        delay, counts = timedelta(), False
    reason = Finding(
        Level.WARNING,
        _ATTEMPTS,
        "",
        _(
            "Attempt %(attempt)d of %(most)d did not finish: %(error)s",
            attempt=claim.attempt,
            most=settings.DUS_MAX_ATTEMPTS,
            error=_words(error),
        ),
        _("The service tries again by itself."),
    )
    if not connection.in_atomic_block:
        # A connection that broke with the attempt is made anew.
        connection.close_if_unusable_or_obsolete()
    try:
        with transaction.atomic():
            claim.let_go(
                Package.State.UPLOADED,
                attempts=claim.attempt if counts else claim.attempt - 1,
                retry_at=timezone.now() + delay,
            )
            _record(Package.objects.get(pk=claim.package_id), [reason])
    except ClaimLostError:
        logger.warning("package %s went to another worker", claim.package_id)
    except Error:
        logger.exception("package %s is tried again when its lease has run out", claim.package_id)


def refused(error: CabinetError) -> Finding:
    """The verdict of the cabinet reader, in the words of a finding."""
    return Finding(Level.FAILURE, "cabinet", error.place, error.reason, error.remedy)


def _words(error: BaseException) -> Wording:
    kind = type(error).__name__
    if not str(error):
        return plain(kind)
    text = error.wording if isinstance(error, WordedError) else str(error)
    return Wording("%(kind)s: %(text)s", {"kind": kind, "text": text})


def _published(reservation: Reservation) -> Iterable[Finding]:
    """One pass for each update, with the state it has now: a lower version of the same package is superseded."""
    rows = Update.objects.select_related("device_type").in_bulk([row.pk for row, _new in reservation.updates])
    for row in rows.values():
        words = (
            _("%(update)s is pending", update=str(row))
            if row.state == State.PENDING
            else _("%(update)s is superseded", update=str(row))
        )
        yield Finding(Level.PASS, "publish", "", words)


def _record(package: Package, findings: Iterable[Finding]) -> None:
    package.findings.all().delete()
    models.Finding.objects.bulk_create(
        models.Finding(
            package=package,
            level=finding.level.value,
            check_name=finding.check,
            member=finding.member[:_NAME_LENGTH],
            message=finding.message,
            remedy=finding.remedy,
            words=_stored_words(finding),
        )
        for finding in findings
    )


def _stored_words(finding: Finding) -> dict[str, object]:
    parts = {"member": finding.member, "message": finding.message, "remedy": finding.remedy}
    return {part: words.to_json() for part, words in parts.items() if isinstance(words, Wording) and words}


def _keep_unassigned(package: Package, members: Sequence[MemberFile]) -> None:
    """Adds the files that are not known of the package yet: some may have been assigned since it was examined first."""
    known = set(package.unassigned_files.values_list("cabinet", "name", "sha256"))
    UnassignedFile.objects.bulk_create(
        UnassignedFile(
            package=package,
            cabinet=member.cabinet[:_NAME_LENGTH],
            name=member.name[:_NAME_LENGTH],
            size=member.size,
            sha256=member.sha256,
            modified=member.modified,
            stored_as=unassigned_path(member.sha256),
        )
        for member in members
        if (member.cabinet[:_NAME_LENGTH], member.name[:_NAME_LENGTH], member.sha256) not in known
    )
