"""Cabinets for tests: honest ones, liars, and the sample cabinets with their verdicts."""

import ast
import csv
import io
import os
import struct
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import pytest

from updates.cabinet import CabinetError, Limits, decode, inspect
from updates.cabinet.checksum import block_checksum
from updates.cabinet.limits import BLOCK_BYTES
from updates.cabinet.writer import WritableMethod, deflate_block, write_cabinet

Checksum = Literal["spec", "without reserve", "none", "wrong"]


def cab(members: Sequence[tuple[str, bytes]], method: WritableMethod = "mszip") -> bytes:
    """An honest cabinet."""
    target = io.BytesIO()
    write_cabinet(target, members, method=method)
    return target.getvalue()


@dataclass(frozen=True)
class File:
    """A member; `size`, `offset` and `folder` may lie."""

    name: bytes
    data: bytes = b""
    size: int | None = None
    offset: int | None = None
    folder: int | None = None
    attributes: int = 0x20
    date: int = 0x2821
    time: int = 0


@dataclass(frozen=True)
class Folder:
    """Members packed together; `kind`, `count` and `data_at` may lie, `blocks` replaces (packed, unpacked size)."""

    files: Sequence[File]
    method: WritableMethod = "mszip"
    kind: int | None = None
    count: int | None = None
    data_at: int | None = None
    blocks: Sequence[tuple[bytes, int]] | None = None
    block_bytes: int = BLOCK_BYTES

    def packed(self) -> list[tuple[bytes, int]]:
        if self.blocks is not None:
            return list(self.blocks)
        plain = b"".join(file.data for file in self.files)
        pieces = [plain[at : at + self.block_bytes] for at in range(0, len(plain), self.block_bytes)]
        if self.method == "none":
            return [(piece, len(piece)) for piece in pieces]
        before = [b"", *pieces]
        return [(deflate_block(piece, old), len(piece)) for piece, old in zip(pieces, before, strict=False)]


@dataclass(frozen=True)
class Cab:
    """A cabinet of several folders, each field as it will stand in the file; None means the honest value."""

    folders: Sequence[Folder]
    reserves: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    checksum: Checksum = "spec"
    version: tuple[int, int] = (1, 3)
    flags: int = 0
    cabinet_bytes: int | None = None
    files_at: int | None = None
    folder_count: int | None = None
    file_count: int | None = None
    magic: bytes = b"MSCF"
    after: bytes = b""
    order: Sequence[tuple[int, int]] = field(default=())

    def build(self) -> bytes:
        header_reserve, folder_reserve, data_reserve = self.reserves
        reserves = b""
        flags = self.flags
        if any(self.reserves):
            flags |= 4
            reserves = struct.pack("<HBB", *map(len, self.reserves)) + header_reserve
        files = self._files()
        files_at = 36 + len(reserves) + len(self.folders) * (8 + len(folder_reserve))
        areas = [self._blocks(folder, data_reserve) for folder in self.folders]
        position = files_at + len(files)
        table = b""
        for folder, (blocks, count) in zip(self.folders, areas, strict=True):
            kind = (1 if folder.method == "mszip" else 0) if folder.kind is None else folder.kind
            data_at = position if folder.data_at is None else folder.data_at
            table += struct.pack("<IHH", data_at, count if folder.count is None else folder.count, kind)
            table += folder_reserve
            position += len(blocks)
        count = sum(len(folder.files) for folder in self.folders)
        header = struct.pack(
            "<4s4xI4xI4xBBHHHHH",
            self.magic,
            position if self.cabinet_bytes is None else self.cabinet_bytes,
            files_at if self.files_at is None else self.files_at,
            self.version[1],
            self.version[0],
            len(self.folders) if self.folder_count is None else self.folder_count,
            count if self.file_count is None else self.file_count,
            flags,
            0,
            0,
        )
        return header + reserves + table + files + b"".join(blocks for blocks, _ in areas) + self.after

    def _files(self) -> bytes:
        entries: dict[tuple[int, int], bytes] = {}
        for number, folder in enumerate(self.folders):
            offset = 0
            for index, file in enumerate(folder.files):
                size = len(file.data) if file.size is None else file.size
                entries[number, index] = (
                    struct.pack(
                        "<IIHHHH",
                        size,
                        offset if file.offset is None else file.offset,
                        number if file.folder is None else file.folder,
                        file.date,
                        file.time,
                        file.attributes,
                    )
                    + file.name
                    + b"\0"
                )
                offset += size
        return b"".join(entries[key] for key in (self.order or entries))

    def _blocks(self, folder: Folder, reserve: bytes) -> tuple[bytes, int]:
        blocks = folder.packed()
        area = b""
        for packed, unpacked in blocks:
            sizes = struct.pack("<HH", len(packed), unpacked)
            honest = block_checksum(sizes, reserve, packed)
            total = {
                "spec": honest,
                "without reserve": block_checksum(sizes, b"", packed),
                "none": 0,
                "wrong": (honest ^ 0x5A5A5A5A) or 1,
            }[self.checksum]
            area += struct.pack("<I", total) + sizes + reserve + packed
        return area, len(blocks)


def unpack(data: bytes, limits: Limits | None = None) -> list[tuple[str, bytes]]:
    """Members and bytes of a cabinet, in the order of its data."""
    allowed = limits or Limits()
    with tempfile.TemporaryFile() as source:
        source.write(data)
        source.flush()
        with closing(decode(source, inspect(source, limits=allowed), limits=allowed)) as members:
            return [(member.name, b"".join(chunks)) for member, chunks in members]


def outcome(data: bytes, limits: Limits | None = None) -> list[tuple[str, bytes]] | CabinetError:
    """As `unpack`, with a refusal as a value."""
    try:
        return unpack(data, limits)
    except CabinetError as error:
        return error


@dataclass(frozen=True)
class Expected:
    """A member of a sample cabinet; `method` is empty where the list does not say."""

    name: str
    size: int
    sha256: str
    method: str


@dataclass(frozen=True)
class Sample:
    """A sample cabinet, its verdict (OK, REJECT, REJECT_POLICY, EITHER, REJECT_ALONE_OK_AS_SET) and its members."""

    file: str
    verdict: str
    members: tuple[Expected, ...]

    @property
    def path(self) -> Path:
        return samples_folder() / self.file


def samples_folder() -> Path:
    """The folder of sample cabinets: DUS_TEST_CABS, else beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "cabs"
    return Path(os.environ.get("DUS_TEST_CABS") or beside)


def need_samples() -> Path:
    """The folder of sample cabinets; skips the test without it."""
    folder = samples_folder()
    if not (folder / "manifest.tsv").is_file():
        pytest.skip("no sample cabinets: set DUS_TEST_CABS to the folder of manifest.tsv")
    return folder


@cache
def samples() -> tuple[Sample, ...]:
    """Every sample cabinet of the manifest; none where the folder is missing."""
    manifest = samples_folder() / "manifest.tsv"
    if not manifest.is_file():
        return ()
    with manifest.open(newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    files = dict.fromkeys((row["file"], row["verdict"]) for row in rows)
    return tuple(
        Sample(file, verdict, tuple(_expected(row) for row in rows if row["file"] == file and row["name"]))
        for file, verdict in files
    )


def _expected(row: dict[str, str]) -> Expected:
    raw = ast.literal_eval(row["name"])
    name = raw.decode("utf-8" if row["utf8_flag"] == "1" else "cp1252").replace("\\", "/")
    return Expected(name, int(row["size"]), row["sha256"], row["method"] or "")


def folders_of(path: Path) -> list[Folder]:
    """The folders of a sound cabinet as packed blocks, whatever their method, to be put into another one."""
    data = path.read_bytes()
    inspection = inspect(io.BytesIO(data))
    folders: list[Folder] = []
    for folder in inspection.folders:
        position = folder.data_at
        blocks: list[tuple[bytes, int]] = []
        for _ in range(folder.blocks):
            _, packed, unpacked = struct.unpack_from("<IHH", data, position)
            start = position + 8 + inspection.data_reserve
            position = start + packed
            blocks.append((data[start:position], unpacked))
        members = [inspection.members[index] for index in folder.members]
        files = [File(member.raw_name, size=member.size) for member in members]
        folders.append(Folder(files, kind=folder.kind, blocks=blocks))
    return folders
