"""The update store: the files that devices download, at paths whose bytes never change."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from django.core.files.base import File
from django.core.files.storage import Storage, storages

_CHUNK = 1 << 20


class StoreError(Exception):
    """The update store did not take or give a file; the text names the path and the cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file on its way into the store: what it must be, and how to open its bytes.

    `movable` is the scratch file that holds the bytes when it may be moved instead of copied; `signature` is the
    name of the file that signs this one, "" when none was named.
    """

    name: str
    size: int
    sha256: str
    modified: datetime | None
    open: Callable[[], IO[bytes]]
    movable: Path | None = None
    signature: str = ""


class _MovableFile(File[bytes]):
    """A file that Django's file storage moves into place instead of copying it."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        super().__init__(file, name=path.name)
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)


def storage() -> Storage:
    """The configured update store."""
    return storages["updates"]


def put(path: str, source: SourceFile, *, into: Storage | None = None) -> None:
    """Stores `source` at exactly `path`, in the update store or `into` another; does nothing when it stands there.

    Only the owner of an update's reservation writes to its paths, and other stores name files by their hash:
    other bytes at `path` can only be what a killed attempt left unfinished. They are replaced.

    Raises StoreError or OSError when the store fails.
    """
    store = into or storage()
    if store.exists(path):
        if _digest(store, path) == (source.size, source.sha256):
            return
        store.delete(path)
    with source.open() as file:
        content = _MovableFile(source.movable, file) if source.movable else File(file, name=source.name)
        stored = store.save(path, content)
    if stored != path:
        store.delete(stored)
        if store.exists(path) and _digest(store, path) == (source.size, source.sha256):
            # Another process put the same bytes there at the same moment.
            return
        raise StoreError(f"{path}: the store kept the file under another name; another process writes there")


def delete(paths: Iterable[str]) -> None:
    """Deletes the files at `paths`; those that do not exist are no error."""
    store = storage()
    for path in paths:
        store.delete(path)


def _digest(store: Storage, path: str) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with store.open(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()
