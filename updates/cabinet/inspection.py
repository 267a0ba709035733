"""The strict look at a cabinet before any of it is unpacked: only numbers and names, no decompression.

What passes here is consistent in itself: every member lies in one folder without gap or overlap, every block is
inside the file and overlaps nothing, and the sizes add up. So decoding has a fixed, known amount of work.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import BinaryIO, Literal

from updates.cabinet.errors import CabinetError
from updates.cabinet.layout import (
    DATA,
    NAME_IS_UTF8,
    FileEntry,
    FolderEntry,
    Header,
    read_files,
    read_folders,
    read_header,
    take,
)
from updates.cabinet.limits import BLOCK_BYTES, DEFAULTS, FORMAT_FOLDER_BYTES, Limits
from updates.cabinet.names import NameSet, check_name, decode_name, place_of

Method = Literal["none", "mszip", "lzx", "quantum"]
METHODS: tuple[Method, ...] = ("none", "mszip", "quantum", "lzx")
"""By the low four bits of CFFOLDER.typeCompress."""

WINDOW_BITS = {"lzx": range(15, 22), "quantum": range(10, 22)}
"""Sizes of the history window, as powers of two (MS-CAB, typeCompress)."""

LONGEST_PACKED_BLOCK = BLOCK_BYTES + 6144
"""Bytes a block may take packed (MS-CAB, CFDATA.cbData)."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a cabinet.

    `index` counts from 0 in the cabinet's own table; `name` is a checked relative path with `/`, `raw_name` the
    bytes it was made of; `size` is in unpacked bytes. `modified` is the DOS date and time: the format has no time
    zone, so the local time of whoever packed it is given as if it were UTC; None where it is no date.
    """

    index: int
    name: str
    raw_name: bytes
    size: int
    method: Method
    modified: datetime | None


@dataclass(frozen=True, slots=True)
class Folder:
    """One compressed stream: `kind` is typeCompress, `data_at` its first block's offset, `size` unpacked bytes.

    `members` are indexes of members in the order of their bytes.
    """

    method: Method
    kind: int
    data_at: int
    blocks: int
    size: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is in a cabinet, sound as far as can be seen without unpacking.

    `members` in the order of the table; `size` is the file's bytes, `unpacked` the bytes all members have together;
    `data_reserve` the bytes between a block's header and its data.
    """

    members: tuple[Member, ...]
    folders: tuple[Folder, ...]
    size: int
    unpacked: int
    data_reserve: int


def inspect(source: BinaryIO, *, limits: Limits = DEFAULTS) -> Inspection:
    """Look at the cabinet that `source`, seekable and from its byte 0 on, consists of.

    Reads the tables and each block's header, never more than some megabytes at once. Raises CabinetError for
    whatever is malformed, spanned over several files, named like no plain relative path, or beyond `limits`.
    """
    size = source.seek(0, os.SEEK_END)
    if size > limits.cabinet_bytes:
        raise CabinetError("file", f"its {size} bytes are more than the {limits.cabinet_bytes} allowed")
    header = read_header(source)
    _check_extent(header, size, limits)
    if header.folders > limits.folders:
        raise CabinetError("header", f"{header.folders} folders are more than the {limits.folders} allowed")
    folder_entries = read_folders(source, header)
    files, files_end = read_files(source, header, size, limits)
    contents = _contents(files, header.folders)
    folders = tuple(
        _folder(number, entry, files, indexes)
        for number, (entry, indexes) in enumerate(zip(folder_entries, contents, strict=True))
    )
    members = _members(files, folders, limits)
    unpacked = _check_sizes(members, size, limits)
    _check_blocks(source, header, folders, files_end)
    return Inspection(members, folders, size, unpacked, header.data_reserve)


def _check_extent(header: Header, size: int, limits: Limits) -> None:
    """The cabinet must be the whole file; only an Authenticode signature may follow it, up to the last byte."""
    if header.cabinet_bytes == size:
        return
    if header.cabinet_bytes > size:
        raise CabinetError(
            "header",
            f"the cabinet says it has {header.cabinet_bytes} bytes, the file has {size}",
            "The file is incomplete: fetch it again.",
        )
    if header.signature_at != header.cabinet_bytes or header.signature_at + header.signature_bytes != size:
        raise CabinetError("header", f"{size - header.cabinet_bytes} bytes follow the end of the cabinet")
    if header.signature_bytes > limits.signature_bytes:
        raise CabinetError("signature", f"it is longer than the {limits.signature_bytes} bytes allowed")


def _contents(files: tuple[FileEntry, ...], folders: int) -> list[list[int]]:
    """Indexes of the members of each folder, which must follow one another without gap or overlap."""
    contents: list[list[int]] = [[] for _ in range(folders)]
    ends = [0] * folders
    for index, entry in enumerate(files):
        if entry.folder >= folders:
            raise CabinetError(
                place_of(index, entry.name), f"it is in folder {entry.folder}, which does not exist"
            )
        if entry.offset != ends[entry.folder]:
            fault = (
                "overlaps the one before" if entry.offset < ends[entry.folder] else "leaves a gap before it"
            )
            raise CabinetError(place_of(index, entry.name), f"its place in folder {entry.folder} {fault}")
        ends[entry.folder] += entry.size
        contents[entry.folder].append(index)
    return contents


def _folder(number: int, entry: FolderEntry, files: tuple[FileEntry, ...], indexes: list[int]) -> Folder:
    place = f"folder {number}"
    code = entry.kind & 0x0F
    if code >= len(METHODS):
        raise CabinetError(place, f"compression type {code} does not exist")
    method = METHODS[code]
    window = entry.kind >> 8 & 0x1F
    if method in WINDOW_BITS and window not in WINDOW_BITS[method]:
        raise CabinetError(place, f"a window of {window} bits is not possible with {method}")
    size = sum(files[index].size for index in indexes)
    if size > FORMAT_FOLDER_BYTES:
        raise CabinetError(place, "its members are larger than a folder can be")
    if not indexes:
        raise CabinetError(place, "it has no members")
    # An empty folder may have one empty block: some packers write it.
    if entry.blocks != -(-size // BLOCK_BYTES) and (size, entry.blocks) != (0, 1):
        raise CabinetError(place, f"{entry.blocks} blocks do not hold the {size} bytes of its members")
    return Folder(method, entry.kind, entry.data_at, entry.blocks, size, tuple(indexes))


def _members(files: tuple[FileEntry, ...], folders: tuple[Folder, ...], limits: Limits) -> tuple[Member, ...]:
    names = NameSet()
    members: list[Member] = []
    for index, entry in enumerate(files):
        name = decode_name(index, entry.name, is_utf8=bool(entry.attributes & NAME_IS_UTF8))
        check_name(index, name, entry.name, limits)
        names.add(index, name)
        method = folders[entry.folder].method
        members.append(Member(index, name, entry.name, entry.size, method, _modified(entry.date, entry.time)))
    return tuple(members)


def _modified(date: int, time: int) -> datetime | None:
    """MS-CAB 2.5: seven bits of years since 1980, four of month, five of day; hours, minutes, pairs of seconds."""
    try:
        return datetime(
            (date >> 9) + 1980,
            date >> 5 & 15,
            date & 31,
            time >> 11,
            time >> 5 & 63,
            (time & 31) * 2,
            tzinfo=UTC,
        )
    except ValueError:
        return None


def _check_sizes(members: tuple[Member, ...], size: int, limits: Limits) -> int:
    for member in members:
        if member.size > limits.member_bytes:
            raise CabinetError(
                place_of(member.index, member.name),
                f"its {member.size} bytes are more than the {limits.member_bytes} allowed",
            )
    unpacked = sum(member.size for member in members)
    if unpacked > limits.tree_bytes:
        raise CabinetError(
            "header", f"{unpacked} unpacked bytes are more than the {limits.tree_bytes} allowed"
        )
    if unpacked > max(limits.ratio_from_bytes, limits.ratio * size):
        raise CabinetError("header", f"it would unpack to more than {limits.ratio} times its size")
    return unpacked


def _check_blocks(source: BinaryIO, header: Header, folders: tuple[Folder, ...], files_end: int) -> None:
    """Every block inside the cabinet, of the size its place demands, and no two areas of the file overlapping."""
    areas = [(0, files_end, "the tables")]
    for number, folder in enumerate(folders):
        end = _check_folder_blocks(source, header, number, folder)
        if folder.blocks:
            areas.append((folder.data_at, end, f"the blocks of folder {number}"))
    areas.sort()
    for (_, end, one), (start, _, other) in pairwise(areas):
        if start < end:
            raise CabinetError("layout", f"{one} and {other} overlap")
    if areas[-1][1] > header.cabinet_bytes:
        raise CabinetError("layout", f"{areas[-1][2]} reaches beyond the end of the cabinet")


def _check_folder_blocks(source: BinaryIO, header: Header, number: int, folder: Folder) -> int:
    """The offset after the folder's last block. The block counts were checked: this walk is no longer than the data."""
    position = folder.data_at
    left = folder.size
    for block in range(folder.blocks):
        place = f"folder {number}, block {block}"
        _, packed, unpacked = DATA.unpack(take(source, position, DATA.size, place))
        position += DATA.size + header.data_reserve + packed
        if unpacked != min(left, BLOCK_BYTES):
            raise CabinetError(place, f"it holds {unpacked} bytes where {min(left, BLOCK_BYTES)} belong")
        if packed > LONGEST_PACKED_BLOCK or (unpacked and not packed):
            raise CabinetError(place, f"a packed size of {packed} bytes is not possible")
        if folder.method == "none" and packed != unpacked:
            raise CabinetError(place, f"its {packed} bytes are not packed, yet it should hold {unpacked}")
        if position > header.cabinet_bytes:
            raise CabinetError(place, "it reaches beyond the end of the cabinet")
        left -= unpacked
    return position
