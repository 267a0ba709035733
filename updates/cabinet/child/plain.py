"""Folders packed with MSZIP or not at all."""

import zlib
from collections.abc import Callable, Iterator

from devices.wording import wording as _
from updates.cabinet.child.blocks import Block, RefusedError

_SIGNATURE = b"CK"

Sink = Callable[[bytes | memoryview], None]


def copy(blocks: Iterator[Block], sink: Sink) -> None:
    """Hand on blocks that are not packed."""
    for block in blocks:
        if len(block.packed) != block.unpacked:
            raise RefusedError(
                _("it holds %(size)d bytes where %(due)d belong", size=len(block.packed), due=block.unpacked)
            )
        sink(block.packed)


def inflate(blocks: Iterator[Block], sink: Sink) -> None:
    """Unpack MSZIP (MS-MCI): per block "CK" and one deflate stream that may refer to the block before.

    Each stream must end, end with its block, and give exactly the promised bytes. zlib itself refuses references to
    history that does not exist.
    """
    history = b""
    for block in blocks:
        if not block.unpacked:
            continue
        if block.packed[:2] != _SIGNATURE:
            raise RefusedError(_("it does not start with the mark of an MSZIP block"))
        # A window of 2**15 bytes, raw deflate. An empty dictionary is refused by none, but is not wanted either.
        stream = zlib.decompressobj(-15, history) if history else zlib.decompressobj(-15)
        try:
            # One byte more than promised: with that much room a sound stream reaches its end mark.
            history = stream.decompress(block.packed[2:], block.unpacked + 1)
        except zlib.error as error:
            raise RefusedError(_("its MSZIP data is malformed")) from error
        if len(history) != block.unpacked or not stream.eof or stream.unused_data:
            raise RefusedError(_("its MSZIP data does not have the promised size"))
        sink(history)
