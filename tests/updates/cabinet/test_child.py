"""The child's own parts, each by itself: what it checks again, and what the sandbox keeps it from."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.wording import Wording
from tests.cabs import Cab, File, Folder, folders_of, need_samples
from updates.cabinet import library, process
from updates.cabinet.child import main, mspack, plain, sandbox
from updates.cabinet.child.blocks import Block, FolderPlan, RefusedError
from updates.cabinet.limits import Limits

ROOT = Path(__file__).resolve().parents[3]
QUANTUM = "public/libmspack/mszip_lzx_qtm.cab"


@pytest.fixture
def loaded() -> mspack.Mspack:
    found = mspack.load(library.candidates())
    assert found
    return found


def block(packed: bytes, unpacked: int) -> Iterator[Block]:
    return iter([Block(memoryview(packed), unpacked)])


def decoder(data: bytes, folders: list[tuple[int, int, int, int]], found: mspack.Mspack | None) -> bytes:
    """What a child would write for a plan, run in this process."""
    with tempfile.TemporaryFile() as cabinet, tempfile.TemporaryFile() as target:
        cabinet.write(data)
        cabinet.flush()
        plan: main.Plan = {
            "cabinet": cabinet.fileno(),
            "reserve": 0,
            "folders": folders,
            "libraries": [],
            "cpu_seconds": 1,
            "data_bytes": 1,
        }
        main.Decoder(plan, found, target.fileno()).run()
        target.seek(0)
        return target.read()


PLAIN = Cab([Folder([File(b"a", b"hello" * 9000)], method="none")]).build()
AT = 36 + 8 + 18


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ((0, len(PLAIN), 1, 45_000), "the file ends"),
        ((0, len(PLAIN) - 9, 1, 45_000), "the file changed or ends"),
        ((0, AT, 2, 44_999), "the file changed"),
        ((0, AT, 1, 45_000), "unpacks to less than was promised"),
        ((1, AT, 2, 45_000), "mark of an MSZIP block"),
        ((3, AT, 2, 45_000), "LZX is not supported here"),
        ((2, AT, 2, 45_000), "Quantum is not supported here"),
    ],
)
def test_the_child_checks_again_what_it_relies_on(plan: tuple[int, int, int, int], reason: str) -> None:
    assert decoder(PLAIN, [(0, AT, 2, 45_000)], None) == b"hello" * 9000
    with pytest.raises(RefusedError, match=reason):
        decoder(PLAIN, [plan], None)


def test_a_stored_block_must_have_its_size() -> None:
    with pytest.raises(RefusedError, match="3 bytes where 4 belong"):
        plain.copy(block(b"abc", 4), lambda _data: None)


def test_an_empty_block_changes_nothing() -> None:
    plain.inflate(block(b"", 0), lambda _data: pytest.fail("no bytes are due"))


def test_more_bytes_than_promised_stop_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "copy", lambda _blocks, sink: sink(b"hello!"))
    with pytest.raises(RefusedError, match="more than was promised"):
        decoder(PLAIN, [(0, AT, 1, 5)], None)


def test_libmspack_sees_one_file_and_may_not_go_back(loaded: mspack.Mspack) -> None:
    assert loaded._open(0, b"cab", 0) == 1
    assert loaded._open(0, b"out", 1) == 2
    assert loaded._open(0, b"/etc/passwd", 0) is None
    assert loaded._seek(1, 0, 0) == -1
    assert loaded._tell(1) == 0
    feed = mspack._Feed(FolderPlan(3, 0, 1, 3), block(b"abc", 3))
    feed.position = 512
    assert feed.read(8) == b"\0\0\0\0\3\0\3\0"
    feed.position = 512
    with pytest.raises(OSError, match="moved back"):
        feed.read(8)


def test_trouble_in_what_libmspack_calls_comes_out_as_itself(loaded: mspack.Mspack) -> None:
    folder = folders_of(need_samples() / QUANTUM)[1]
    packed = folder.packed()[0]
    plan = FolderPlan(folder.kind or 0, 0, 1, packed[1])

    def failing(_data: object) -> None:
        raise OSError(32, "Broken pipe")

    def torn() -> Iterator[Block]:
        yield from ()
        raise RefusedError(Wording("torn"))

    with pytest.raises(OSError, match="Broken pipe"):
        loaded.unpack(plan, block(*packed), failing)
    with pytest.raises(RefusedError, match="torn"):
        loaded.unpack(plan, torn(), lambda _data: None)
    with pytest.raises(RefusedError, match="malformed"):
        loaded.unpack(plan, block(b"\0" * 10, packed[1]), lambda _data: None)
    got: list[bytes] = []
    loaded.unpack(plan, block(*packed), lambda data: got.append(bytes(data)))
    assert len(b"".join(got)) == packed[1]


def test_no_memory_is_not_a_verdict_on_the_data(
    loaded: mspack.Mspack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded, "_libc", _NoMemory())
    with pytest.raises(MemoryError):
        loaded.unpack(FolderPlan(0x1503, 0, 1, 3), block(b"abc", 3), lambda _data: None)


class _NoMemory:
    def calloc(self, _count: int, _size: int) -> None:
        return None


def test_a_library_that_does_not_fit_is_passed_over() -> None:
    assert mspack.load([]) is None
    assert mspack.load(["libc.so.6", "/nowhere/libmspack.so"]) is None
    assert mspack.load(["libc.so.6", *library.candidates()]) is not None
    assert mspack.load(["x"], opened=_other_offsets) is None


def _other_offsets(_name: str) -> ctypes.CDLL:
    class Other(ctypes.CDLL):
        @staticmethod
        def mspack_sys_selftest_internal(_size: int) -> int:
            return 1

    return Other("libc.so.6")


def test_quantum_that_copies_from_before_its_beginning_is_refused(loaded: mspack.Mspack) -> None:
    class Leaky(mspack.Mspack):
        def __init__(self) -> None:
            """Needs no library."""

        def unpack(
            self, folder: FolderPlan, blocks: Iterator[Block], sink: plain.Sink, *, fill: int = 0
        ) -> None:
            assert list(blocks)
            sink(bytes([fill]) * folder.size)

    entry = folders_of(need_samples() / QUANTUM)[2]
    data = Cab([entry]).build()
    plan = (entry.kind or 0, len(data) - 8 - len(entry.packed()[0][0]), 1, entry.packed()[0][1])
    assert decoder(data, [plan], loaded).startswith(b"If you can read this")
    with pytest.raises(RefusedError, match="refers to bytes before its beginning"):
        decoder(data, [plan], Leaky())


def confined(code: str) -> "subprocess.CompletedProcess[bytes]":
    program = (
        "import sys, os, mmap; sys.path.append(sys.argv[1])\n"
        "from updates.cabinet.child import sandbox\n"
        "sys.tracebacklimit = 0\n"
        "sandbox.limit(sandbox.Allowance(1, 64 << 20))\n"
        f"sandbox.close()\n{code}"
    )
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(ROOT)], check=False, capture_output=True, timeout=30
    )


FORBIDDEN = [
    "os.open('/etc/hostname', 0)",
    "os.fork()",
    "os.kill(1, 0)",
    "os.unlink('/nowhere')",
    "os.execv('/bin/true', ['true'])",
    "mmap.mmap(-1, 4096, prot=7)",
    "os.pipe()",
]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the filter of system calls is written for x86_64")
@pytest.mark.parametrize("code", FORBIDDEN)
def test_a_forbidden_system_call_ends_the_child(code: str) -> None:
    assert confined(code).returncode == -signal.SIGSYS


def test_reading_computing_and_writing_stay_possible() -> None:
    done = confined("os.write(1, str(sum(range(1000))).encode())")
    assert (done.returncode, done.stdout) == (0, b"499500")


def test_memory_and_time_are_limited() -> None:
    assert b"MemoryError" in confined("b'x' * (100 << 20)").stderr
    assert confined("while True: pass").returncode == -signal.SIGXCPU


def test_the_filter_is_a_whole_number_of_instructions_and_ends_in_refusal() -> None:
    program = sandbox.call_filter()
    assert len(program) % 8 == 0
    assert program[-8:] == b"\x06\0\0\0\0\0\0\x80"


def test_a_child_that_closes_its_pipes_and_goes_on_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_LAST_SECONDS", 0.1)
    code = "import os, time; os.close(1); os.close(2); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as started:
        child = process.Child(started, process.Patience(30), Limits())
        assert child.read(10) == b""
        with pytest.raises(ChildProcessError, match="ended with -9"):
            child.verdict(lambda _folder, _block: Wording("nowhere"))
        assert started.returncode == -signal.SIGKILL
