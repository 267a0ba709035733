"""Folders packed with LZX or Quantum, unpacked by libmspack's cabinet reader through ctypes.

libmspack (its mspack.h is the source of every shape here) never sees the uploaded file. For each folder it is shown
a made-up cabinet: one folder, one member as long as the folder, blocks without checksums and reserved areas. So its
own parsing of headers, names, offsets and checksums has nothing hostile to meet; what remains is the decompression.
"""

import ctypes
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from devices.wording import wording as _
from updates.cabinet.child.blocks import Block, FolderPlan, RefusedError
from updates.cabinet.child.plain import Sink

_ONLY_NAME: Final = b"cab"
_OUTPUT_NAME: Final = b"out"
_INPUT, _OUTPUT = 1, 2
_SEEK_START, _SEEK_CURRENT = 0, 1
_NO_MEMORY = 6
_DECOMPBUF = 2
_BUFFER_BYTES = 32_768
# Room for the tables of the made-up cabinet; more than one string read of libmspack, which must not reach the blocks.
_TABLES_BYTES = 512
_FILES_AT, _NAME = 44, b"m\0"

_Pointer = ctypes.c_void_p
_Open = ctypes.CFUNCTYPE(_Pointer, _Pointer, ctypes.c_char_p, ctypes.c_int)
_Close = ctypes.CFUNCTYPE(None, _Pointer)
_Transfer = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, ctypes.c_int)
_Seek = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int64, ctypes.c_int)
_Tell = ctypes.CFUNCTYPE(ctypes.c_int64, _Pointer)
_Message = ctypes.CFUNCTYPE(None, _Pointer, ctypes.c_char_p)
_Allocate = ctypes.CFUNCTYPE(_Pointer, _Pointer, ctypes.c_size_t)
_Copy = ctypes.CFUNCTYPE(None, _Pointer, _Pointer, ctypes.c_size_t)


class _System(ctypes.Structure):
    """struct mspack_system."""

    _fields_ = (
        ("open", _Open),
        ("close", _Close),
        ("read", _Transfer),
        ("write", _Transfer),
        ("seek", _Seek),
        ("tell", _Tell),
        ("message", _Message),
        ("alloc", _Allocate),
        ("free", _Close),
        ("copy", _Copy),
        ("null_ptr", _Pointer),
    )


_OpenCabinet = ctypes.CFUNCTYPE(_Pointer, _Pointer, ctypes.c_char_p)
_CloseCabinet = ctypes.CFUNCTYPE(None, _Pointer, _Pointer)
_Extract = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, ctypes.c_char_p)
_SetParameter = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int, ctypes.c_int)


class _Reader(ctypes.Structure):
    """struct mscab_decompressor; the methods between are not used."""

    _fields_ = (
        ("open", _OpenCabinet),
        ("close", _CloseCabinet),
        ("search", _Pointer),
        ("append", _Pointer),
        ("prepend", _Pointer),
        ("extract", _Extract),
        ("set_param", _SetParameter),
        ("last_error", _Pointer),
    )


class _Cabinet(ctypes.Structure):
    """struct mscabd_cabinet, up to its list of members."""

    _fields_ = (
        ("next", _Pointer),
        ("filename", ctypes.c_char_p),
        ("base_offset", ctypes.c_int64),
        ("length", ctypes.c_uint),
        ("prevcab", _Pointer),
        ("nextcab", _Pointer),
        ("prevname", ctypes.c_char_p),
        ("nextname", ctypes.c_char_p),
        ("previnfo", ctypes.c_char_p),
        ("nextinfo", ctypes.c_char_p),
        ("files", _Pointer),
    )


class _Feed:
    """The made-up cabinet as a file that can be read once, from front to back; its tables also again."""

    def __init__(self, folder: FolderPlan, blocks: Iterator[Block]) -> None:
        self._tables = _tables(folder)
        self._pieces = self._block_pieces(blocks)
        self._piece = memoryview(b"")
        self.position = 0
        self._streamed = _TABLES_BYTES

    @staticmethod
    def _block_pieces(blocks: Iterator[Block]) -> Iterator[memoryview]:
        for block in blocks:
            yield memoryview(struct.pack("<IHH", 0, len(block.packed), block.unpacked))
            yield block.packed

    def read(self, size: int) -> bytes:
        if self.position < _TABLES_BYTES:
            data = self._tables[self.position : self.position + size]
        elif self.position == self._streamed:
            data = bytes(self._stream(size))
            self._streamed += len(data)
        else:
            raise OSError("the decoder moved back in its input")
        self.position += len(data)
        return data

    def _stream(self, size: int) -> memoryview:
        if not self._piece:
            self._piece = next(self._pieces, self._piece)
        data, self._piece = self._piece[:size], self._piece[size:]
        return data


def _tables(folder: FolderPlan) -> bytes:
    """CFHEADER, CFFOLDER and CFFILE of the made-up cabinet. Its own size is not known and not looked at: the largest."""
    header = struct.pack("<4s4xI4xI4xBBHHHHH", b"MSCF", 0xFFFF_FFFF, _FILES_AT, 3, 1, 1, 1, 0, 0, 0)
    entry = struct.pack("<IHH", _TABLES_BYTES, folder.blocks, folder.kind)
    member = struct.pack("<IIHHHH", folder.size, 0, 0, 0x21, 0, 0x20)
    return (header + entry + member + _NAME).ljust(_TABLES_BYTES, b"\0")


class Mspack:
    """A loaded libmspack. Making one opens files and maps code: do it before the sandbox closes."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._libc = ctypes.CDLL(None)
        self._libc.calloc.restype = _Pointer
        self._libc.calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
        self._libc.free.argtypes = [_Pointer]
        self._feed: _Feed | None = None
        self._sink: Sink | None = None
        self._fault: RefusedError | OSError | None = None
        self._window_bytes = 0
        self._fill = 0
        self._system = _System(
            _Open(self._open),
            _Close(lambda _file: None),
            _Transfer(self._read),
            _Transfer(self._write),
            _Seek(self._seek),
            _Tell(self._tell),
            _Message(lambda _file, _text: None),
            _Allocate(self._allocate),
            _Close(self._libc.free),
            _Copy(self._copy),
            None,
        )
        library.mspack_create_cab_decompressor.restype = ctypes.POINTER(_Reader)
        library.mspack_create_cab_decompressor.argtypes = [ctypes.POINTER(_System)]
        library.mspack_destroy_cab_decompressor.argtypes = [ctypes.POINTER(_Reader)]
        self._library = library

    def unpack(self, folder: FolderPlan, blocks: Iterator[Block], sink: Sink, *, fill: int = 0) -> None:
        """Unpack the one folder into `sink`. History that the data has not written yet consists of bytes `fill`."""
        self._feed, self._sink, self._fault, self._fill = _Feed(folder, blocks), sink, None, fill
        self._window_bytes = 1 << (folder.kind >> 8 & 0x1F)
        reader = self._library.mspack_create_cab_decompressor(ctypes.byref(self._system))
        if not reader:
            raise MemoryError
        try:
            error = self._extract(reader)
        finally:
            self._library.mspack_destroy_cab_decompressor(reader)
        if self._fault is not None:
            raise self._fault
        if error == _NO_MEMORY:
            raise MemoryError
        if error:
            raise RefusedError(_("its packed data is malformed (libmspack error %(error)d)", error=error))

    def _extract(self, reader: "ctypes._Pointer[_Reader]") -> int:
        methods = reader.contents
        methods.set_param(reader, _DECOMPBUF, _BUFFER_BYTES)
        address = methods.open(reader, _ONLY_NAME)
        if not address:
            raise MemoryError
        try:
            cabinet = _Cabinet.from_address(address)
            return int(methods.extract(reader, cabinet.files, _OUTPUT_NAME))
        finally:
            methods.close(reader, address)

    # What libmspack calls. An exception cannot cross C: it is kept, and the call fails.

    def _open(self, _system: int, name: bytes, _mode: int) -> int | None:
        return {_ONLY_NAME: _INPUT, _OUTPUT_NAME: _OUTPUT}.get(name)

    def _read(self, _file: int, buffer: int, size: int) -> int:
        done = 0
        try:
            while self._feed and done < size and (piece := self._feed.read(size - done)):
                ctypes.memmove(buffer + done, piece, len(piece))
                done += len(piece)
        except (RefusedError, OSError) as error:
            self._fault = error
            return -1
        return done

    def _write(self, _file: int, buffer: int, size: int) -> int:
        try:
            if self._sink:
                self._sink(ctypes.string_at(buffer, size))
        except (RefusedError, OSError) as error:
            self._fault = error
            return -1
        return size

    def _seek(self, _file: int, offset: int, mode: int) -> int:
        if self._feed is None or mode not in {_SEEK_START, _SEEK_CURRENT}:
            return -1
        self._feed.position = offset if mode == _SEEK_START else self._feed.position + offset
        return 0

    def _tell(self, _file: int) -> int:
        return self._feed.position if self._feed else 0

    def _allocate(self, _system: int, size: int) -> int | None:
        # Zeroed: a stream that refers to history it never wrote must not be handed what was in memory before.
        address: int | None = self._libc.calloc(1, size)
        if address and self._fill and size == self._window_bytes:
            ctypes.memset(address, self._fill, size)
        return address

    @staticmethod
    def _copy(source: int, target: int, size: int) -> None:
        ctypes.memmove(target, source, size)


def load(candidates: Sequence[str], *, opened: Callable[[str], ctypes.CDLL] = ctypes.CDLL) -> Mspack | None:
    """The first library of `candidates` (names or paths) that loads and agrees on the size of off_t, else None."""
    for candidate in candidates:
        try:
            library = opened(candidate)
            if library.mspack_sys_selftest_internal(ctypes.sizeof(ctypes.c_int64)) == os.EX_OK:
                return Mspack(library)
        except (OSError, AttributeError):
            continue
    return None
