"""One decoding child, seen from the parent: started, read within a time, and gone in any case."""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from devices.wording import Wording
from devices.wording import wording as _
from updates.cabinet import library
from updates.cabinet.child.main import DONE, REFUSED, Plan
from updates.cabinet.errors import CabinetError
from updates.cabinet.inspection import Folder, Inspection
from updates.cabinet.limits import Limits

_CHUNK = 1 << 17
# Few turns between parent and child; measured together with the chunk.
_PIPE_BYTES = 1 << 18
_MESSAGE_BYTES = 4096
# How long a child may live on after it closed its pipes, in seconds.
_LAST_SECONDS = 2.0
_ROOT = str(Path(__file__).resolve().parents[2])
# Appended, so that nothing beside the package can stand in for a module of the standard library.
_START = (
    "import sys; sys.path.append(sys.argv[1]); from updates.cabinet.child.main import main; sys.exit(main())"
)
# Ends that data can bring about; any other signal came from outside and says nothing about the cabinet.
_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGSYS}


class Patience:
    """Seconds that may still be spent waiting for children; one instance is shared by a whole tree."""

    def __init__(self, seconds: float) -> None:
        self._allowed = seconds
        self._left = seconds

    def wait(self, descriptor: int) -> None:
        """Return once `descriptor` can be read or is closed; CabinetError when the time is used up."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        started = time.monotonic()
        ready = self._left > 0 and poll.poll(self._left * 1000)
        self._left -= time.monotonic() - started
        if not ready:
            raise CabinetError(
                _("decoding"),
                _(
                    "unpacking takes longer than the %(seconds)s seconds allowed",
                    seconds=f"{self._allowed:g}",
                ),
            )


class Child:
    """A running child that writes the bytes of `folders` one after the other."""

    def __init__(self, process: "subprocess.Popen[bytes]", patience: Patience, limits: Limits) -> None:
        if process.stdout is None or process.stderr is None:
            raise ValueError("a child needs pipes")
        self._process = process
        self._out = process.stdout.fileno()
        _widen(self._out)
        self._err = process.stderr.fileno()
        self._patience = patience
        self._limits = limits

    def read(self, size: int) -> bytes:
        """Between 1 and `size` bytes, or none at the end."""
        self._patience.wait(self._out)
        return os.read(self._out, min(size, _CHUNK))

    def verdict(self, place_of: Callable[[int, int], Wording]) -> None:
        """How the child ended, its output being at an end: quietly if all is well, else CabinetError or OSError.

        `place_of(folder, block)` words the place of an error.
        """
        self._patience.wait(self._err)
        message = os.read(self._err, _MESSAGE_BYTES)
        code = self._ended()
        if code == REFUSED:
            raise _refusal(message, place_of)
        if code == -signal.SIGXCPU:
            raise CabinetError(
                _("decoding"),
                _(
                    "unpacking needs more than the %(seconds)d processor seconds allowed",
                    seconds=self._limits.cpu_seconds,
                ),
            )
        if -code in _CRASHES:
            raise CabinetError(
                _("decoding"),
                _("the decoder was stopped by %(signal)s", signal=signal.Signals(-code).name),
            )
        if code != DONE:
            raise ChildProcessError(
                f"the decoder ended with {code}: {message.decode(errors='replace').strip()}"
            )

    def _ended(self) -> int:
        """The exit code of the child. It has nothing to do after its message: one that goes on is killed."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout=_LAST_SECONDS)
        self._process.kill()
        return self._process.wait()


def _refusal(message: bytes, place_of: Callable[[int, int], Wording]) -> CabinetError:
    answer = json.loads(message)
    return CabinetError(
        place_of(int(answer["folder"]), int(answer["block"])),
        Wording.from_json(answer["reason"]),
        Wording.from_json(answer["remedy"]),
    )


@contextmanager
def running(source: BinaryIO, inspection: Inspection, patience: Patience, limits: Limits) -> Iterator[Child]:
    """A child that decodes all folders of `source` that have bytes. Its process group is killed on leaving."""
    environment = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _START, _ROOT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(source.fileno(),),
        cwd="/",
        env=environment,
        start_new_session=True,
    )
    with process:
        try:
            _send(process, _plan(source, inspection, limits))
            yield Child(process, patience, limits)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)


def _widen(pipe: int) -> None:
    # Only a convenience: other systems have no such call, and a user may have used up what is allowed.
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _plan(source: BinaryIO, inspection: Inspection, limits: Limits) -> Plan:
    return {
        "cabinet": source.fileno(),
        "reserve": inspection.data_reserve,
        "folders": [_folder_plan(folder) for folder in inspection.folders if folder.size],
        "libraries": library.candidates(),
        "cpu_seconds": limits.cpu_seconds,
        "data_bytes": limits.child_bytes,
    }


def _folder_plan(folder: Folder) -> tuple[int, int, int, int]:
    return (folder.kind, folder.data_at, folder.blocks, folder.size)


def _send(process: "subprocess.Popen[bytes]", plan: Plan) -> None:
    # A child that is gone already says why by its exit code.
    with suppress(BrokenPipeError):
        if process.stdin is not None:
            process.stdin.write(json.dumps(plan).encode())
            process.stdin.close()
