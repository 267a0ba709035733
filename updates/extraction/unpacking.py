"""A package's cabinet, taken apart into scratch files that are known by number."""

import errno
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.files.storage import Storage, default_storage

from devices.wording import wording as _
from updates import cabinet, store
from updates.domain.findings import Finding, Level
from updates.domain.manifest import Manifest, MemberFile, PlannedFile
from updates.extraction.claims import Claim
from updates.publishing import NewUpdate
from updates.store import SourceFile, StoreError

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The files of a package, in `folder` under their numbers."""

    folder: Path
    members: tuple[MemberFile, ...]
    finding: Finding

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(member.size for member in self.members)

    def read(self, index: int) -> bytes:
        """The bytes of a small member."""
        return self._path(index).read_bytes()

    def updates(self, manifest: Manifest) -> list[NewUpdate]:
        """What the manifest plans, with the scratch files as its sources."""
        uses = Counter(file.member.index for update in manifest.updates for file in update.files)
        return [
            NewUpdate(
                device_type=update.device_type,
                update_type=update.update_type,
                version=update.version,
                release_notes=update.release_notes,
                files=tuple(
                    # A file that two updates share is copied: moved, the second would not find it.
                    self.source(file, movable=uses[file.member.index] == 1)
                    for file in update.files
                ),
            )
            for update in manifest.updates
        ]

    def source(self, file: PlannedFile, *, movable: bool = True) -> SourceFile:
        """A member on its way into a store, its bytes safe on the disk."""
        member = file.member
        path = self._path(member.index)
        _sync(path)
        return SourceFile(
            name=file.name,
            signature=file.signature,
            size=member.size,
            sha256=member.sha256,
            modified=member.modified,
            open=lambda: path.open("rb"),
            movable=path if movable else None,
        )

    def _path(self, index: int) -> Path:
        return self.folder / str(index)


@contextmanager
def scratch_folder(claim: Claim) -> Iterator[Path]:
    """A private folder for one attempt. What killed attempts at the same package left on this machine goes first."""
    root = settings.DUS_SCRATCH_DIR / "extract"
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob(f"{claim.package_id}-*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = root / f"{claim.package_id}-{claim.receipt:%Y%m%dT%H%M%S%f}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def unpack(stored_as: str, *, sha256: str, folder: Path, progress: Callable[[int, int], None]) -> Unpacked:
    """Takes apart the package that is stored as `stored_as`, and the cabinets inside it.

    Raises CabinetError, the verdict on bad data; StoreError or OSError when the storage or the machine fails, a full
    disk among them; and what `progress(done, known)` raises.
    """
    room = _Room(folder)

    def watch(done: int, known: int) -> None:
        room.check(done, known)
        progress(done, known)

    with _opened(stored_as, sha256, folder) as source:
        extracted = cabinet.extract(source, _Folder(folder), limits=limits(), progress=watch)
    members = tuple(
        MemberFile(file.index, file.cabinet, file.name, file.size, file.sha256, file.modified)
        for file in extracted
    )
    return Unpacked(folder, members, _finding(extracted))


class _Folder:
    """Receives the files of a cabinet under their numbers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, index: int) -> BinaryIO:
        return (self._folder / str(index)).open("x+b")

    def discard(self, index: int) -> None:
        (self._folder / str(index)).unlink()


class _Room:
    """Looks for room on the disk whenever more turns out to be needed: a full disk is told before it is full."""

    def __init__(self, folder: Path) -> None:
        self._places = [folder, *_other_disks(folder)]
        self._known = 0

    def check(self, done: int, known: int) -> None:
        if known == self._known:
            return
        self._known = known
        for place in self._places:
            free = shutil.disk_usage(place).free
            if free < known - done:
                raise OSError(
                    errno.ENOSPC, f"the package needs {known - done} more bytes, {free} are free", str(place)
                )


def _other_disks(folder: Path) -> list[Path]:
    """The update store's folder, if it is on another disk than `folder`: files are then copied, not moved."""
    location = _local_path(store.storage(), "")
    if location is None:
        return []
    location.mkdir(parents=True, exist_ok=True)
    return [location] if location.stat().st_dev != folder.stat().st_dev else []


def _local_path(storage: Storage, name: str) -> Path | None:
    try:
        return Path(storage.path(name))
    except NotImplementedError:
        return None


@contextmanager
def _opened(stored_as: str, sha256: str, folder: Path) -> Iterator[BinaryIO]:
    """The package as a real file; from an object store it is copied to the scratch folder first."""
    path = _local_path(default_storage, stored_as)
    if path is None:
        path = folder / "package"
        _fetch(stored_as, sha256, path)
    with path.open("rb") as file:
        yield file


def _fetch(stored_as: str, sha256: str, target: Path) -> None:
    digest = hashlib.sha256()
    with default_storage.open(stored_as) as source, target.open("xb") as file:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != sha256:
        raise StoreError(f"{stored_as}: the storage gave other bytes than were uploaded")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def limits() -> cabinet.Limits:
    """The limits for packages, from the settings."""
    given = settings.DUS_LIMITS
    return cabinet.Limits(
        cabinet_bytes=settings.DUS_UPLOAD_MAX_BYTES,
        members=given["members"],
        tree_members=given["tree_members"],
        folders=given["folders"],
        member_bytes=given["member_bytes"],
        tree_bytes=given["tree_bytes"],
        ratio=given["ratio"],
        depth=given["depth"],
        nested_cabinets=given["nested"],
        cpu_seconds=given["cpu_seconds"],
        wall_seconds=given["wall_seconds"],
    )


def _finding(extracted: tuple[cabinet.Extracted, ...]) -> Finding:
    methods = ", ".join(sorted({file.method for file in extracted})) or "none"
    nested = {file.cabinet for file in extracted if file.cabinet}
    message = _(
        "files: %(count)d; bytes: %(size)d; methods: %(methods)s",
        count=len(extracted),
        size=sum(file.size for file in extracted),
        methods=methods,
    )
    if nested:
        message = _("%(contents)s; nested cabinets: %(count)d", contents=message, count=len(nested))
    return Finding(Level.PASS, "cabinet", "", message)
