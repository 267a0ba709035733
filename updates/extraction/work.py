"""What a worker does with one package."""

import logging

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from updates import publishing, store
from updates.cabinet import CabinetError
from updates.domain import manifest
from updates.extraction import claims, unpacking, verdicts
from updates.extraction.claims import Claim, ClaimLostError, Heartbeat
from updates.models import Package

logger = logging.getLogger(__name__)


def extract(package_id: int) -> None:
    """Extracts the package, if it is due and nobody else does: it is ready or failed afterwards.

    Returns quietly when there is nothing to do here, and when the package went to another worker meanwhile.
    When the machine, the storage or the database fails, and when somebody else is importing the same version
    (publishing.Busy), the package waits for its next attempt and the error is raised: it was no verdict.
    """
    claim = claims.take(package_id)
    if claim is None:
        return
    try:
        package = Package.objects.select_related("uploaded_by").get(pk=package_id)
        if claim.attempt > settings.DUS_MAX_ATTEMPTS:
            verdicts.give_up(claim, package)
        else:
            _examine(claim, package)
    except ClaimLostError as error:
        logger.warning("stopped: %s", error)
    except BaseException as error:
        verdicts.give_back(claim, error)
        raise


def _examine(claim: Claim, package: Package) -> None:
    with unpacking.scratch_folder(claim) as folder, Heartbeat(claim) as heartbeat:
        try:
            unpacked = unpacking.unpack(
                package.stored_as, sha256=package.sha256, folder=folder, progress=heartbeat.progress
            )
        except CabinetError as error:
            verdicts.fail(claim, package, [verdicts.refused(error)])
            return
        claim.renew(done_bytes=unpacked.size, total_bytes=unpacked.size)
        plan = manifest.plan(unpacked.members, unpacked.read, most_updates=settings.DUS_LIMITS["updates"])
        findings = [unpacked.finding, *plan.findings]
        if plan.failed:
            verdicts.fail(claim, package, findings)
            return
        updates = unpacked.updates(plan)
        with transaction.atomic():
            # Holds the package until the reservation stands: only its worker takes over what was reserved before.
            claim.renew()
            reservation = publishing.reserve(package, updates, now=timezone.now(), receipt=claim.receipt)
        findings += reservation.findings
        if reservation.failed:
            verdicts.fail(claim, package, findings)
            return
        publishing.store_files(reservation, before_each=heartbeat.check)
        for member in plan.unassigned:
            heartbeat.check()
            source = unpacked.source(manifest.PlannedFile(str(member.index), member))
            store.put(verdicts.unassigned_path(member.sha256), source, into=default_storage)
        verdicts.succeed(claim, package, reservation, unassigned=plan.unassigned, findings=findings)
