"""Take packages in, examine them again, and make updates of files that name no device type."""

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, update_wrapper
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from devices.identity import DeviceTypeKey
from updates import authorisation, ledger, publishing, store, tasks
from updates.domain.findings import Finding, Level
from updates.domain.lifecycle import Action
from updates.models import Package, UnassignedFile, Update


class UploadError(Exception):
    """An upload that was not taken; nothing of it remains. The text says why and what to do."""


class AssignmentError(Exception):
    """No update could be made of the chosen files; nothing was changed. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Submission:
    """The package of an upload; `is_new` is false when the same bytes were uploaded before."""

    package: Package
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file on its way in: its bytes in order, and how many were announced, if anybody announced it."""

    file_name: str
    chunks: Iterable[bytes]
    announced_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """An update to make of unassigned files of one package."""

    package_id: int
    file_ids: Sequence[int]
    device_type: DeviceTypeKey
    update_type: str
    version: str


def submit(upload: Upload, *, by: User | None, queue: bool = True) -> Submission:
    """Stores an upload as a package and hands it to the workers, or leaves that to the caller without `queue`.

    The bytes are hashed while they flow to a scratch file; memory stays bounded. Bytes that were uploaded
    before lead to the package that exists, which is examined again: an update of it that was removed since
    comes back, the others stay as they are.

    Raises NotPermittedError; UploadError when the upload is too large or broken; OSError from the storage.
    """
    authorisation.require(authorisation.UPLOAD, by)
    with _received(upload) as (path, sha256, size):
        existing = Package.objects.filter(sha256=sha256).first()
        if existing is None:
            stored_as = f"{sha256[:2]}/{sha256}.cab"
            source = store.SourceFile(
                name=upload.file_name,
                size=size,
                sha256=sha256,
                modified=None,
                open=lambda: path.open("rb"),
                movable=path,
            )
            store.put(stored_as, source, into=default_storage)
            package = Package(
                file_name=_clean_name(upload.file_name),
                sha256=sha256,
                size=size,
                stored_as=stored_as,
                uploaded_by=by,
                uploaded_at=timezone.now(),
            )
            if _insert(package, by=by, queue=queue):
                return Submission(package, is_new=True)
            existing = Package.objects.get(sha256=sha256)
    examine_again(existing, by=by, queue=queue)
    existing.refresh_from_db()
    return Submission(existing, is_new=False)


def examine_again(package: Package, *, by: User | None, queue: bool = True) -> bool:
    """Examines a ready or failed package once more; False when it is waiting or being extracted already.

    Raises NotPermittedError.
    """
    authorisation.require(authorisation.UPLOAD, by)
    done = (Package.State.READY, Package.State.FAILED)
    with transaction.atomic():
        won = Package.objects.filter(pk=package.pk, state__in=done).update(
            state=Package.State.UPLOADED, attempts=0, finished_at=None, done_bytes=0, total_bytes=0
        )
        if won and queue:
            _queue(package)
    return won == 1


def assign(assignment: Assignment, *, by: User | None) -> Update:
    """Makes a pending update of unassigned files.

    Raises NotPermittedError; AssignmentError; OSError or store.StoreError from the storage.
    """
    authorisation.require(authorisation.UPLOAD, by)
    package = Package.objects.get(pk=assignment.package_id)
    files = list(package.unassigned_files.filter(pk__in=assignment.file_ids, update__isnull=True))
    if not files or len(files) != len(set(assignment.file_ids)):
        raise AssignmentError(_("Choose files of this package that are not assigned yet."))
    new = publishing.NewUpdate(
        device_type=assignment.device_type,
        update_type=assignment.update_type,
        version=assignment.version,
        files=tuple(_source(file) for file in files),
    )
    _refuse_clashing_names(new)
    now = timezone.now()
    try:
        reservation = publishing.reserve(package, [new], now=now)
    except publishing.Busy as error:
        raise AssignmentError(_busy(error)) from error
    if not reservation.updates:
        raise AssignmentError(_explain(reservation.findings))
    row = reservation.updates[0][0]
    try:
        publishing.store_files(reservation, before_each=partial(publishing.keep, reservation))
        with transaction.atomic():
            publishing.publish(reservation, by=by, now=now)
            UnassignedFile.objects.filter(pk__in=[file.pk for file in files]).update(update=row)
    except publishing.Busy as error:
        publishing.abandon(reservation)
        raise AssignmentError(_busy(error)) from error
    except BaseException:
        publishing.abandon(reservation)
        raise
    row.refresh_from_db()
    return row


@contextmanager
def _received(upload: Upload) -> Iterator[tuple[Path, str, int]]:
    """The upload in a scratch file, with its SHA-256 and size; the file is gone afterwards, however it ends."""
    folder = settings.DUS_SCRATCH_DIR / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.part"
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("xb") as file:
            for chunk in upload.chunks:
                size += len(chunk)
                if size > settings.DUS_UPLOAD_MAX_BYTES:
                    raise UploadError(
                        _(
                            "%(file)s is larger than %(limit)d bytes. Split the package, or raise DUS_UPLOAD_MAX_BYTES."
                        )
                        % {"file": upload.file_name, "limit": settings.DUS_UPLOAD_MAX_BYTES}
                    )
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if upload.announced_size is not None and size != upload.announced_size:
            raise UploadError(
                _("%(file)s broke off after %(size)d of %(announced)d bytes. Upload it again.")
                % {"file": upload.file_name, "size": size, "announced": upload.announced_size}
            )
        yield path, digest.hexdigest(), size
    finally:
        path.unlink(missing_ok=True)


def _insert(package: Package, *, by: User | None, queue: bool) -> bool:
    """Adds the package's row; False when another upload of the same bytes was first."""
    try:
        with transaction.atomic():
            package.save(force_insert=True)
            entry = ledger.Entry(
                action=Action.PACKAGE_UPLOADED,
                subject=package.file_name,
                package=package,
                after=package.sha256,
            )
            ledger.record(entry, by=by)
            if queue:
                _queue(package)
    except IntegrityError:
        return False
    return True


def _queue(package: Package) -> None:
    send = partial(tasks.extract_package.delay, package_id=package.pk)
    # Django names what failed by its __qualname__, which a partial has not: an unreachable broker would become an
    # error of the upload, instead of a line in the log and a package that the sweep finds.
    transaction.on_commit(update_wrapper(send, tasks.extract_package.delay), robust=True)


def _clean_name(name: str) -> str:
    """The last part of a file name as a browser or a shell gave it, fit to be shown."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(character for character in last if character.isprintable())[:255] or "package.cab"


def _source(file: UnassignedFile) -> store.SourceFile:
    return store.SourceFile(
        name=file.name.rsplit("/", 1)[-1],
        size=file.size,
        sha256=file.sha256,
        modified=file.modified,
        open=partial(default_storage.open, file.stored_as, "rb"),
    )


def _refuse_clashing_names(new: publishing.NewUpdate) -> None:
    names = [file.name.casefold() for file in new.files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise AssignmentError(
            _("Two of the chosen files are called %(name)s. An update holds each name once.")
            % {"name": twice[0]}
        )


def _busy(error: publishing.Busy) -> str:
    return _("%(error)s. Try again in a moment.") % {"error": error.wording.said(_)}


def _explain(findings: Iterable[Finding]) -> str:
    return " ".join(
        f"{finding.message.said(_)} {finding.remedy.said(_)}".strip()
        for finding in findings
        if finding.level is not Level.PASS
    )
