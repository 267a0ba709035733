"""The tables at the start of a cabinet, read as they stand (MS-CAB 2.1 to 2.5: CFHEADER, CFFOLDER, CFFILE)."""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from devices.wording import Wording
from devices.wording import wording as _
from updates.cabinet.errors import CabinetError
from updates.cabinet.limits import Limits

MAGIC = b"MSCF"
HEADER = struct.Struct("<4s4xI4xI4xBBHHHHH")
RESERVES = struct.Struct("<HBB")
FOLDER = struct.Struct("<IHH")
FILE = struct.Struct("<IIHHHH")
DATA = struct.Struct("<IHH")
SIGNATURE = struct.Struct("<4xII8x")

VERSION = (1, 3)
HAS_PREVIOUS, HAS_NEXT, HAS_RESERVES = 1, 2, 4
NAME_IS_UTF8 = 0x80
FIRST_SPANNING_FOLDER = 0xFFFD
LONGEST_NAME = 255

SPANNED_REMEDY = _(
    "Join the set into one cabinet, or ask whoever made it for a single cabinet, and upload that."
)


@dataclass(frozen=True, slots=True)
class Header:
    """CFHEADER, the parts that are used. Offsets and sizes in bytes from the start of the file."""

    cabinet_bytes: int
    files_at: int
    folders: int
    files: int
    folder_reserve: int
    data_reserve: int
    folders_at: int
    signature_at: int
    signature_bytes: int


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """CFFOLDER: where a folder's first block is, how many there are, and the packed type word."""

    data_at: int
    blocks: int
    kind: int


@dataclass(frozen=True, slots=True)
class FileEntry:
    """CFFILE: size and offset are of the unpacked folder, the DOS date and time as stored."""

    size: int
    offset: int
    folder: int
    date: int
    time: int
    attributes: int
    name: bytes


def take(source: BinaryIO, offset: int, size: int, place: Wording) -> bytes:
    """Exactly `size` bytes at `offset`; CabinetError naming `place` if the file ends before."""
    source.seek(offset)
    data = source.read(size)
    if len(data) != size:
        raise CabinetError(
            place, _("the file ends in the middle of it"), _("The file is incomplete: fetch it again.")
        )
    return data


def read_header(source: BinaryIO) -> Header:
    """The header; refuses other files, other versions, and parts of a spanned set."""
    source.seek(0)
    if source.read(len(MAGIC)) != MAGIC:
        raise CabinetError(
            _("header"),
            _("this is not a cabinet: it does not start with MSCF"),
            _("Upload a .cab file."),
        )
    fields = HEADER.unpack(take(source, 0, HEADER.size, _("header")))
    _magic, size, files_at, minor, major, folders, files, flags, _set_id, _number = fields
    if (major, minor) != VERSION:
        raise CabinetError(
            _("header"), _("cabinet version %(version)s is not 1.3", version=f"{major}.{minor}")
        )
    if flags & (HAS_PREVIOUS | HAS_NEXT):
        raise CabinetError(_("header"), _("this is one part of a spanned set of cabinets"), SPANNED_REMEDY)
    if not folders or not files:
        raise CabinetError(
            _("header"),
            _("the cabinet has no folders") if not folders else _("the cabinet has no members"),
        )
    reserve = (0, 0, 0)
    end = HEADER.size
    area = b""
    if flags & HAS_RESERVES:
        reserve = RESERVES.unpack(take(source, end, RESERVES.size, _("header")))
        end += RESERVES.size
        area = take(source, end, reserve[0], _("header's reserved area"))
        end += reserve[0]
    signature_at, signature_bytes = _signature(area)
    return Header(size, files_at, folders, files, reserve[1], reserve[2], end, signature_at, signature_bytes)


def _signature(area: bytes) -> tuple[int, int]:
    """Offset and bytes of the Authenticode signature that the header's reserved area announces, else zeros."""
    if len(area) != SIGNATURE.size:
        return 0, 0
    offset, size = SIGNATURE.unpack(area)
    return int(offset), int(size)


def read_folders(source: BinaryIO, header: Header) -> tuple[FolderEntry, ...]:
    """The folder table."""
    step = FOLDER.size + header.folder_reserve
    table = take(source, header.folders_at, step * header.folders, _("folder table"))
    return tuple(FolderEntry(*FOLDER.unpack_from(table, step * index)) for index in range(header.folders))


def read_files(
    source: BinaryIO, header: Header, size: int, limits: Limits
) -> tuple[tuple[FileEntry, ...], int]:
    """The member table in its own order, and the offset of the byte after it. `size` is the file's, in bytes.

    The table is the one right behind the folders, where every known packer puts it and where libmspack, cabextract
    and gcab look. Some readers follow CFHEADER.coffFiles instead; where the two differ, this is what the hidden table
    of libmspack's own test file is about, and only one of them can count.
    """
    if header.files > limits.members:
        raise CabinetError(
            _("header"),
            _(
                "%(count)d members are more than the %(most)d allowed",
                count=header.files,
                most=limits.members,
            ),
        )
    most = header.files * (FILE.size + LONGEST_NAME + 1)
    start = header.folders_at + header.folders * (FOLDER.size + header.folder_reserve)
    if not start <= header.files_at < size:
        raise CabinetError(
            _("header"), _("the place it gives for the member table is not behind the folders")
        )
    table = take(source, start, min(most, size - start), _("member table"))
    entries: list[FileEntry] = []
    position = 0
    for index in range(header.files):
        name_at = position + FILE.size
        end = table.find(b"\0", name_at, name_at + LONGEST_NAME + 1)
        if name_at > len(table) or end < 0:
            raise CabinetError(
                _("member %(number)d", number=index), _("its entry or name does not end within the table")
            )
        unpacked, offset, folder, date, time, attributes = FILE.unpack_from(table, position)
        if folder >= FIRST_SPANNING_FOLDER:
            raise CabinetError(
                _("member %(number)d", number=index),
                _("it continues in another cabinet of a spanned set"),
                SPANNED_REMEDY,
            )
        entries.append(FileEntry(unpacked, offset, folder, date, time, attributes, table[name_at:end]))
        position = end + 1
    return tuple(entries), start + position
