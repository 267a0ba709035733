"""The decoding child: a plan on standard input, a cabinet as an inherited descriptor, unpacked bytes on standard output.

The bytes of all folders follow one another with nothing between; the parent knows the sizes. On a refusal one JSON
object {"folder", "block", "reason", "remedy"} goes to standard error; the last two as wordings write themselves.
"""

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from typing import TypedDict

from devices.wording import NOTHING, Wording
from devices.wording import wording as _
from updates.cabinet.child import mspack, plain, sandbox
from updates.cabinet.child.blocks import FolderPlan, Progress, RefusedError, read_blocks

DONE, REFUSED, SICK = 0, 10, 11
"""Exit codes: all bytes written; the cabinet is refused; the machine failed (reading, writing)."""

_NONE, _MSZIP, _QUANTUM, _LZX = range(4)
_OUT, _ERR = 1, 2
_BATCH = 4


class Plan(TypedDict):
    """What the parent wants: `folders` are [typeCompress, offset, blocks, bytes], `libraries` names or paths."""

    cabinet: int
    reserve: int
    folders: list[tuple[int, int, int, int]]
    libraries: list[str]
    cpu_seconds: int
    data_bytes: int


def write_all(target: int, data: bytes | memoryview) -> None:
    """Write all of `data`; a pipe may take less at once."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(target, rest) :]


class Output:
    """Hands blocks on some at a time: fewer turns between this process and the one that reads."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._blocks: list[bytes] = []

    def write(self, data: bytes | memoryview) -> None:
        """Keep the bytes of `data`, and write when there are enough."""
        self._blocks.append(bytes(data))
        if len(self._blocks) == _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what is kept."""
        write_all(self._target, b"".join(self._blocks))
        self._blocks.clear()


class Decoder:
    """Unpacks the folders of one plan into a descriptor."""

    def __init__(self, plan: Plan, library: mspack.Mspack | None, target: int) -> None:
        self._plan = plan
        self._library = library
        self._output = Output(target)
        self.progress = Progress()

    def run(self) -> None:
        """All folders. Raises RefusedError, OSError or MemoryError."""
        for number, entry in enumerate(self._plan["folders"]):
            self.progress.folder, self.progress.block = number, 0
            self._run_folder(FolderPlan(*entry))

    def _run_folder(self, folder: FolderPlan) -> None:
        method = folder.kind & 0x0F
        left = folder.size

        def sink(data: bytes | memoryview) -> None:
            nonlocal left
            left -= len(data)
            if left < 0:
                raise RefusedError(_("it unpacks to more than was promised"))
            self._output.write(data)

        blocks = read_blocks(self._plan["cabinet"], folder, self._plan["reserve"], self.progress)
        if method == _NONE:
            plain.copy(blocks, sink)
        elif method == _MSZIP:
            plain.inflate(blocks, sink)
        elif self._library is None:
            name = "LZX" if method == _LZX else "Quantum"
            raise RefusedError(
                _("the method %(method)s is not supported here: libmspack is missing", method=name),
                _("Install the system package libmspack0 or the Python package pylibmspack."),
            )
        elif method == _LZX:
            self._library.unpack(folder, blocks, sink)
        else:
            self._unpack_quantum(self._library, folder, sink)
        self._output.flush()
        if left:
            raise RefusedError(_("it unpacks to less than was promised"))

    def _unpack_quantum(self, library: mspack.Mspack, folder: FolderPlan, sink: plain.Sink) -> None:
        """Unpack twice over different history: libmspack lets Quantum data copy from before its own beginning.

        It refuses that for LZX. Data that does it unpacks to something else each time, which is how it is noticed.
        """
        digests = []
        for fill, write in ((0x55, False), (0xAA, True)):
            digest = hashlib.sha256()

            def both(
                data: bytes | memoryview, *, write: bool = write, update: plain.Sink = digest.update
            ) -> None:
                update(data)
                if write:
                    sink(data)

            blocks = read_blocks(self._plan["cabinet"], folder, self._plan["reserve"], self.progress)
            library.unpack(folder, blocks, both, fill=fill)
            digests.append(digest.digest())
        if digests[0] != digests[1]:
            raise RefusedError(_("its packed data refers to bytes before its beginning"))


def _needs_library(folders: Sequence[tuple[int, int, int, int]]) -> bool:
    return any(kind & 0x0F not in {_NONE, _MSZIP} for kind, *_ in folders)


def main() -> int:
    """Run as the child. The exit code is one of DONE, REFUSED, SICK; anything else is a fault of this program."""
    # A traceback would open source files, which the sandbox answers with death.
    sys.tracebacklimit = 0
    plan: Plan = json.loads(sys.stdin.buffer.read())
    sandbox.limit(sandbox.Allowance(plan["cpu_seconds"], plan["data_bytes"]))
    library = mspack.load(plan["libraries"]) if _needs_library(plan["folders"]) else None
    decoder = Decoder(plan, library, _OUT)
    sandbox.close()
    try:
        decoder.run()
    except RefusedError as refusal:
        return _refuse(decoder.progress, refusal.reason, refusal.remedy)
    except MemoryError:
        return _refuse(decoder.progress, _("unpacking needs more memory than is allowed"), NOTHING)
    except OSError as error:
        write_all(_ERR, f"errno {error.errno}".encode())
        return SICK
    return DONE


def _refuse(progress: Progress, reason: Wording, remedy: Wording) -> int:
    answer = {
        "folder": progress.folder,
        "block": progress.block,
        "reason": reason.to_json(),
        "remedy": remedy.to_json(),
    }
    write_all(_ERR, json.dumps(answer).encode())
    return REFUSED
