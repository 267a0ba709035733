"""The blocks of one folder, read from the cabinet's descriptor and checked against their checksums."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from devices.wording import NOTHING, Wording
from devices.wording import wording as _
from updates.cabinet.checksum import block_checksum
from updates.cabinet.limits import BLOCK_BYTES

_HEADER = struct.Struct("<IHH")
_READ = 1 << 18


class RefusedError(Exception):
    """The data is bad; the reason is for the person who uploaded it."""

    def __init__(self, reason: Wording, remedy: Wording = NOTHING) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass(slots=True)
class Progress:
    """Which block is being worked on, for the error that may have to name it."""

    folder: int = 0
    block: int = 0


@dataclass(frozen=True, slots=True)
class FolderPlan:
    """What the child is told about a folder: typeCompress, offset of the first block, blocks, unpacked bytes."""

    kind: int
    data_at: int
    blocks: int
    size: int


class Block(NamedTuple):
    """A block's packed bytes and the number of bytes they stand for."""

    packed: memoryview
    unpacked: int


def read_blocks(cabinet: int, folder: FolderPlan, reserve: int, progress: Progress) -> Iterator[Block]:
    """Each block of `folder` from the descriptor `cabinet`; a view is good until the next one is asked for.

    Checks again what decoding relies on: the descriptor may show other bytes than the inspection saw. A checksum of
    0 means that there is none (MS-CAB, CFDATA.csum). Packers differ in whether the reserved area is part of the sum,
    so either sum is accepted.
    """
    window = memoryview(b"")
    window_at = folder.data_at
    left = folder.size
    for number in range(folder.blocks):
        progress.block = number
        if len(window) < _HEADER.size + reserve:
            window = _read(cabinet, window_at, _READ)
        if len(window) < _HEADER.size + reserve:
            raise RefusedError(_("the file ends in the middle of it"))
        total, packed, unpacked = _HEADER.unpack_from(window)
        end = _HEADER.size + reserve + packed
        if len(window) < end:
            window = _read(cabinet, window_at, max(_READ, end))
        if len(window) < end or unpacked != min(left, BLOCK_BYTES):
            raise RefusedError(_("the file changed or ends in the middle of it"))
        payload = window[_HEADER.size + reserve : end]
        if total:
            _check(total, window[4 : _HEADER.size], window[_HEADER.size : end - packed], payload)
        yield Block(payload, unpacked)
        window = window[end:]
        window_at += end
        left -= unpacked


def _check(total: int, sizes: memoryview, reserve: memoryview, payload: memoryview) -> None:
    if total == block_checksum(sizes, reserve, payload):
        return
    if not reserve or total != block_checksum(sizes, b"", payload):
        raise RefusedError(_("its checksum is wrong"), _("The file is damaged: fetch it again."))


def _read(cabinet: int, offset: int, size: int) -> memoryview:
    return memoryview(os.pread(cabinet, size, offset))
