"""A cabinet writer for sample packages and tests: one folder, stored or MSZIP."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import BinaryIO, Literal

from updates.cabinet.checksum import block_checksum
from updates.cabinet.layout import DATA, FILE, FOLDER, HEADER, LONGEST_NAME, MAGIC, NAME_IS_UTF8, VERSION
from updates.cabinet.limits import BLOCK_BYTES, FORMAT_FOLDER_BYTES

WritableMethod = Literal["none", "mszip"]

_KINDS: dict[WritableMethod, int] = {"none": 0, "mszip": 1}
_ARCHIVE = 0x20
_MOST_MEMBERS = 65_535
_LARGEST_CABINET = (1 << 32) - 1
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def write_cabinet(
    target: BinaryIO,
    members: Sequence[tuple[str, bytes]],
    *,
    method: WritableMethod = "mszip",
    modified: datetime | None = None,
) -> None:
    r"""Write one cabinet of (name, bytes) members to `target`, seekable, from its byte 0 on.

    Names may use `/` or `\` and are stored with `\`; other than ASCII they are stored as UTF-8. `modified` is written
    as it reads, without its zone, for every member; without it 2000-01-01 stands, so equal input gives equal bytes.
    Raises ValueError for what the format cannot hold.
    """
    if not 0 < len(members) <= _MOST_MEMBERS:
        raise ValueError(f"a cabinet has 1 to {_MOST_MEMBERS} members")
    size = sum(len(data) for _, data in members)
    if size > FORMAT_FOLDER_BYTES:
        raise ValueError(f"{size} bytes are more than one folder holds")
    table = file_table(members, modified or _EPOCH)
    files_at = HEADER.size + FOLDER.size
    data_at = files_at + len(table)
    target.seek(data_at)
    blocks = 0
    for block in packed_blocks((data for _, data in members), method):
        target.write(block)
        blocks += 1
    end = target.tell()
    if end > _LARGEST_CABINET:
        raise ValueError("the cabinet would be larger than 4 GiB")
    target.seek(0)
    major, minor = VERSION
    target.write(HEADER.pack(MAGIC, end, files_at, minor, major, 1, len(members), 0, 0, 0))
    target.write(FOLDER.pack(data_at, blocks, _KINDS[method]))
    target.write(table)
    target.seek(end)


def file_table(members: Sequence[tuple[str, bytes]], modified: datetime) -> bytes:
    """The CFFILE entries of members that follow one another in folder 0."""
    date = (modified.year - 1980) << 9 | modified.month << 5 | modified.day
    time = modified.hour << 11 | modified.minute << 5 | modified.second // 2
    table = bytearray()
    offset = 0
    for name, data in members:
        raw = name.replace("/", "\\").encode()
        if not 0 < len(raw) <= LONGEST_NAME or b"\0" in raw:
            raise ValueError(f"{name!r} cannot be a name in a cabinet")
        attributes = _ARCHIVE if name.isascii() else _ARCHIVE | NAME_IS_UTF8
        table += FILE.pack(len(data), offset, 0, date, time, attributes) + raw + b"\0"
        offset += len(data)
    return bytes(table)


def packed_blocks(pieces: Iterator[bytes], method: WritableMethod) -> Iterator[bytes]:
    """CFDATA blocks, header included, of the pieces taken as one stream."""
    history = b""
    for plain in _in_blocks(pieces):
        packed = plain if method == "none" else deflate_block(plain, history)
        history = plain
        sizes = struct.pack("<HH", len(packed), len(plain))
        yield DATA.pack(block_checksum(sizes, b"", packed), len(packed), len(plain)) + packed


def deflate_block(plain: bytes, history: bytes) -> bytes:
    """One MSZIP block (MS-MCI): "CK", then a whole deflate stream that may refer to the block before."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, history)
    return b"CK" + stream.compress(plain) + stream.flush()


def _in_blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    pending = bytearray()
    for piece in pieces:
        for start in range(0, len(piece), BLOCK_BYTES):
            pending += piece[start : start + BLOCK_BYTES]
            if len(pending) >= BLOCK_BYTES:
                yield bytes(pending[:BLOCK_BYTES])
                del pending[:BLOCK_BYTES]
    if pending:
        yield bytes(pending)
