"""A tree of nested cabinets, taken apart into its leaves under one shared budget."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from devices.wording import wording as _
from updates.cabinet.decoding import decode_within
from updates.cabinet.errors import CabinetError
from updates.cabinet.inspection import Inspection, Member, Method, inspect
from updates.cabinet.layout import MAGIC
from updates.cabinet.limits import DEFAULTS, Limits
from updates.cabinet.process import Patience


@dataclass(frozen=True, slots=True)
class Extracted:
    """A file that came out of a tree of cabinets.

    `index` is the number its file was created under (unique, rising, with gaps where nested cabinets were);
    `cabinet` is "" in the outermost cabinet, else the names of the cabinets around it joined by "/"; `size` in bytes;
    `sha256` in lower-case hexadecimal. `modified` as in `Member`.
    """

    index: int
    cabinet: str
    name: str
    size: int
    sha256: str
    method: Method
    modified: datetime | None


class Receiver(Protocol):
    """Where the bytes go. Names are not told: files are known by number."""

    def create(self, index: int) -> BinaryIO:
        """A new, empty, seekable, readable and writable real file (with `fileno()`); `extract` closes it."""

    def discard(self, index: int) -> None:
        """The file of this number was a nested cabinet; its bytes are not wanted any more."""


def extract(
    source: BinaryIO,
    receiver: Receiver,
    *,
    limits: Limits = DEFAULTS,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Extracted, ...]:
    """Unpack the cabinet `source` (a real file) and every cabinet inside it into `receiver`.

    A member that starts with MSCF is a nested cabinet: its own files stand in for it, and if it is refused, all is.
    `progress(done, known)` is called after each chunk with bytes unpacked and bytes known of so far, nested cabinets
    included. Raises CabinetError for bad data, then whatever `receiver` holds is worth nothing; OSError, from the
    machine or from `receiver`, passes through.
    """
    tree = _Tree(receiver, limits, progress)
    tree.open(source, path=())
    return tuple(tree.extracted)


class _Tree:
    """The walk over one tree and what it has used up."""

    def __init__(
        self, receiver: Receiver, limits: Limits, progress: Callable[[int, int], None] | None
    ) -> None:
        self.extracted: list[Extracted] = []
        self._receiver = receiver
        self._limits = limits
        self._progress = progress
        self._patience = Patience(limits.wall_seconds)
        self._created = 0
        self._nested = 0
        self._members = 0
        self._known = 0
        self._done = 0
        self._outermost_bytes = 0

    def open(self, source: BinaryIO, *, path: tuple[str, ...]) -> None:
        """Unpack one cabinet and those inside it."""
        inspection = inspect(source, limits=self._limits)
        self._charge(inspection)
        with closing(decode_within(source, inspection, self._limits, self._patience)) as members:
            for member, chunks in members:
                self._store(member, chunks, path)

    def _charge(self, inspection: Inspection) -> None:
        limits = self._limits
        self._outermost_bytes = self._outermost_bytes or inspection.size
        self._members += len(inspection.members)
        self._known += inspection.unpacked
        if self._members > limits.tree_members:
            raise CabinetError(
                _("header"),
                _("all cabinets have more than the %(most)d members allowed", most=limits.tree_members),
            )
        if self._known > limits.tree_bytes:
            raise CabinetError(
                _("header"),
                _("all cabinets unpack to more than the %(most)d bytes allowed", most=limits.tree_bytes),
            )
        if self._known > max(limits.ratio_from_bytes, limits.ratio * self._outermost_bytes):
            raise CabinetError(
                _("header"),
                _(
                    "all cabinets unpack to more than %(ratio)d times the outermost's size",
                    ratio=limits.ratio,
                ),
            )

    def _store(self, member: Member, chunks: Iterator[bytes], path: tuple[str, ...]) -> None:
        index = self._created
        self._created += 1
        with closing(self._receiver.create(index)) as target:
            digest, start = self._write(target, chunks)
            if start != MAGIC:
                self.extracted.append(
                    Extracted(
                        index,
                        "/".join(path),
                        member.name,
                        member.size,
                        digest,
                        member.method,
                        member.modified,
                    )
                )
                return
            target.flush()
            self._open_nested(target, member, path)
        self._receiver.discard(index)

    def _write(self, target: BinaryIO, chunks: Iterator[bytes]) -> tuple[str, bytes]:
        """Hash and first bytes of what was written."""
        digest = hashlib.sha256()
        start = b""
        for chunk in chunks:
            digest.update(chunk)
            target.write(chunk)
            if len(start) < len(MAGIC):
                start += chunk[: len(MAGIC) - len(start)]
            self._done += len(chunk)
            if self._progress:
                self._progress(self._done, self._known)
        return digest.hexdigest(), start

    def _open_nested(self, source: BinaryIO, member: Member, path: tuple[str, ...]) -> None:
        place = _("cabinet %(name)s", name=ascii(member.name))
        self._nested += 1
        if self._nested > self._limits.nested_cabinets:
            raise CabinetError(
                place,
                _(
                    "there are more than the %(most)d nested cabinets allowed",
                    most=self._limits.nested_cabinets,
                ),
            )
        if len(path) >= self._limits.depth:
            raise CabinetError(
                place,
                _("cabinets are nested deeper than the %(most)d levels allowed", most=self._limits.depth),
            )
        try:
            self.open(source, path=(*path, member.name))
        except CabinetError as error:
            inside = _("%(outer)s, %(inner)s", outer=place, inner=error.place)
            raise CabinetError(inside, error.reason, error.remedy) from error
