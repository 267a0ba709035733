"""From an inspected cabinet to the bytes of its members."""

from collections.abc import Generator, Iterator
from typing import BinaryIO

from devices.wording import Wording
from devices.wording import wording as _
from updates.cabinet.errors import CabinetError
from updates.cabinet.inspection import Inspection, Member
from updates.cabinet.limits import BLOCK_BYTES, DEFAULTS, Limits
from updates.cabinet.names import place_of
from updates.cabinet.process import Child, Patience, running


def decode(
    source: BinaryIO, inspection: Inspection, *, limits: Limits = DEFAULTS
) -> Generator[tuple[Member, Iterator[bytes]], None, None]:
    """Each member with its bytes in chunks, folder by folder; `Member.index` is its place in the table.

    `source` must be the real file (`fileno()`) that was inspected. A child process unpacks it; what is not read of a
    member is skipped when the next one is asked for. Close the iterator (`contextlib.closing`) if it is not run to
    its end: the child lives as long as it does. Bytes count for nothing until the iterator has ended without an
    error. Raises CabinetError for bad data, OSError where the machine failed.
    """
    return decode_within(source, inspection, limits, Patience(limits.wall_seconds))


def decode_within(
    source: BinaryIO, inspection: Inspection, limits: Limits, patience: Patience
) -> Generator[tuple[Member, Iterator[bytes]], None, None]:
    """As `decode`, with the waiting time of a larger whole."""
    order = [index for folder in inspection.folders for index in folder.members]
    if not inspection.unpacked:
        for index in order:
            yield inspection.members[index], iter(())
        return
    with running(source, inspection, patience, limits) as child:
        for index in order:
            chunks = _chunks(child, inspection, inspection.members[index].size)
            yield inspection.members[index], chunks
            for _rest in chunks:
                pass
        if child.read(1):
            raise CabinetError(_("decoding"), _("the decoder gave more bytes than promised"))
        _judge(child, inspection)


def _chunks(child: Child, inspection: Inspection, size: int) -> Iterator[bytes]:
    left = size
    while left:
        data = child.read(left)
        if not data:
            _judge(child, inspection)
            raise CabinetError(_("decoding"), _("the decoder gave fewer bytes than promised"))
        left -= len(data)
        yield data


def _judge(child: Child, inspection: Inspection) -> None:
    # The child counts only the folders that have bytes.
    folders = [number for number, folder in enumerate(inspection.folders) if folder.size]

    def place(folder: int, block: int) -> Wording:
        number = folders[folder]
        start = block * BLOCK_BYTES
        for index in inspection.folders[number].members:
            member = inspection.members[index]
            if start < member.size:
                return _(
                    "%(member)s (folder %(folder)d, block %(block)d)",
                    member=place_of(index, member.name),
                    folder=number,
                    block=block,
                )
            start -= member.size
        return _("folder %(folder)d, block %(block)d", folder=number, block=block)

    child.verdict(place)
