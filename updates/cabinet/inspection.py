"""The strict look at a cabinet before any of it is unpacked: only numbers and names, no decompression.

What passes here is consistent in itself: every member lies in one folder without gap or overlap, every block is
inside the file and overlaps nothing, and the sizes add up. So decoding has a fixed, known amount of work.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import BinaryIO, Literal

from devices.wording import Wording
from devices.wording import wording as _
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
        raise CabinetError(_("file"), _too_many_bytes(size, limits.cabinet_bytes))
    header = read_header(source)
    _check_extent(header, size, limits)
    if header.folders > limits.folders:
        raise CabinetError(
            _("header"),
            _(
                "%(count)d folders are more than the %(most)d allowed",
                count=header.folders,
                most=limits.folders,
            ),
        )
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
            _("header"),
            _(
                "the cabinet says it has %(said)d bytes, the file has %(size)d",
                said=header.cabinet_bytes,
                size=size,
            ),
            _("The file is incomplete: fetch it again."),
        )
    if header.signature_at != header.cabinet_bytes or header.signature_at + header.signature_bytes != size:
        raise CabinetError(
            _("header"),
            _("%(count)d bytes follow the end of the cabinet", count=size - header.cabinet_bytes),
        )
    if header.signature_bytes > limits.signature_bytes:
        raise CabinetError(
            _("signature"),
            _("it is longer than the %(most)d bytes allowed", most=limits.signature_bytes),
        )


def _too_many_bytes(size: int, most: int) -> Wording:
    return _("its %(size)d bytes are more than the %(most)d allowed", size=size, most=most)


def _contents(files: tuple[FileEntry, ...], folders: int) -> list[list[int]]:
    """Indexes of the members of each folder, which must follow one another without gap or overlap."""
    contents: list[list[int]] = [[] for _ in range(folders)]
    ends = [0] * folders
    for index, entry in enumerate(files):
        if entry.folder >= folders:
            raise CabinetError(
                place_of(index, entry.name),
                _("it is in folder %(folder)d, which does not exist", folder=entry.folder),
            )
        if entry.offset != ends[entry.folder]:
            fault = (
                _("its place in folder %(folder)d overlaps the one before", folder=entry.folder)
                if entry.offset < ends[entry.folder]
                else _("its place in folder %(folder)d leaves a gap before it", folder=entry.folder)
            )
            raise CabinetError(place_of(index, entry.name), fault)
        ends[entry.folder] += entry.size
        contents[entry.folder].append(index)
    return contents


def _folder(number: int, entry: FolderEntry, files: tuple[FileEntry, ...], indexes: list[int]) -> Folder:
    place = _("folder %(folder)d", folder=number)
    code = entry.kind & 0x0F
    if code >= len(METHODS):
        raise CabinetError(place, _("compression type %(code)d does not exist", code=code))
    method = METHODS[code]
    window = entry.kind >> 8 & 0x1F
    if method in WINDOW_BITS and window not in WINDOW_BITS[method]:
        raise CabinetError(
            place,
            _("a window of %(bits)d bits is not possible with %(method)s", bits=window, method=method),
        )
    size = sum(files[index].size for index in indexes)
    if size > FORMAT_FOLDER_BYTES:
        raise CabinetError(place, _("its members are larger than a folder can be"))
    if not indexes:
        raise CabinetError(place, _("it has no members"))
    # An empty folder may have one empty block: some packers write it.
    if entry.blocks != -(-size // BLOCK_BYTES) and (size, entry.blocks) != (0, 1):
        raise CabinetError(
            place,
            _(
                "%(blocks)d blocks do not hold the %(size)d bytes of its members",
                blocks=entry.blocks,
                size=size,
            ),
        )
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
                _too_many_bytes(member.size, limits.member_bytes),
            )
    unpacked = sum(member.size for member in members)
    if unpacked > limits.tree_bytes:
        raise CabinetError(
            _("header"),
            _(
                "%(count)d unpacked bytes are more than the %(most)d allowed",
                count=unpacked,
                most=limits.tree_bytes,
            ),
        )
    if unpacked > max(limits.ratio_from_bytes, limits.ratio * size):
        raise CabinetError(
            _("header"), _("it would unpack to more than %(ratio)d times its size", ratio=limits.ratio)
        )
    return unpacked


def _check_blocks(source: BinaryIO, header: Header, folders: tuple[Folder, ...], files_end: int) -> None:
    """Every block inside the cabinet, of the size its place demands, and no two areas of the file overlapping."""
    areas = [(0, files_end, _("the tables"))]
    for number, folder in enumerate(folders):
        end = _check_folder_blocks(source, header, number, folder)
        if folder.blocks:
            areas.append((folder.data_at, end, _("the blocks of folder %(folder)d", folder=number)))
    areas.sort()
    for (_start, end, one), (start, _end, other) in pairwise(areas):
        if start < end:
            raise CabinetError(_("layout"), _("%(one)s and %(other)s overlap", one=one, other=other))
    if areas[-1][1] > header.cabinet_bytes:
        raise CabinetError(
            _("layout"), _("%(area)s reaches beyond the end of the cabinet", area=areas[-1][2])
        )


def _check_folder_blocks(source: BinaryIO, header: Header, number: int, folder: Folder) -> int:
    """The offset after the folder's last block. The block counts were checked: this walk is no longer than the data."""
    position = folder.data_at
    left = folder.size
    for block in range(folder.blocks):
        place = _("folder %(folder)d, block %(block)d", folder=number, block=block)
        _sum, packed, unpacked = DATA.unpack(take(source, position, DATA.size, place))
        position += DATA.size + header.data_reserve + packed
        if unpacked != min(left, BLOCK_BYTES):
            raise CabinetError(
                place,
                _(
                    "it holds %(size)d bytes where %(due)d belong",
                    size=unpacked,
                    due=min(left, BLOCK_BYTES),
                ),
            )
        if packed > LONGEST_PACKED_BLOCK or (unpacked and not packed):
            raise CabinetError(place, _("a packed size of %(size)d bytes is not possible", size=packed))
        if folder.method == "none" and packed != unpacked:
            raise CabinetError(
                place,
                _(
                    "its %(packed)d bytes are not packed, yet it should hold %(size)d",
                    packed=packed,
                    size=unpacked,
                ),
            )
        if position > header.cabinet_bytes:
            raise CabinetError(place, _("it reaches beyond the end of the cabinet"))
        left -= unpacked
    return position
