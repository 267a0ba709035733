"""Decoding: exact bytes, in a child that is gone afterwards."""

import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cabs import Cab, Checksum, File, Folder, cab, folders_of, need_samples, outcome, unpack
from updates.cabinet import CabinetError, Limits, decode, inspect, library, process

DATA = random.Random(1).randbytes(50_000) + b"abc" * 30_000
FILES = [File(b"one", DATA), File(b"none"), File(b"two", b"2"), File(b"three", DATA[::-1])]
PAIRS = [(file.name.decode(), file.data) for file in FILES]
CLOSED = [(b"", b"", b""), (b"h" * 7, b"f" * 3, b"d" * 5)]
LZX = "uc/flat-unmapped-4.0.7577.4066.cab"
ALL_METHODS = "public/libmspack/mszip_lzx_qtm.cab"


@pytest.mark.parametrize("method", ["none", "mszip"])
@pytest.mark.parametrize("reserves", CLOSED)
@pytest.mark.parametrize("checksum", ["spec", "without reserve", "none"])
def test_members_come_out_as_they_went_in(
    method: str, reserves: tuple[bytes, bytes, bytes], checksum: Checksum
) -> None:
    folder = Folder(FILES, method="none" if method == "none" else "mszip")
    assert unpack(Cab([folder], reserves=reserves, checksum=checksum).build()) == PAIRS


def test_folders_come_one_after_the_other_whatever_the_table_says() -> None:
    folders = [Folder([File(b"a", b"1"), File(b"b", DATA)]), Folder([File(b"c", b"3")], method="none")]
    data = Cab(folders, order=[(1, 0), (0, 0), (0, 1)]).build()
    assert unpack(data) == [("a", b"1"), ("b", DATA), ("c", b"3")]


def test_empty_members_need_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_START", "raise SystemExit(3)")
    assert unpack(cab([("a", b""), ("b", b"")])) == [("a", b""), ("b", b"")]
    assert unpack(Cab([Folder([File(b"a")], blocks=[(b"", 0)])]).build()) == [("a", b"")]


@pytest.mark.parametrize("method", ["none", "mszip"])
def test_a_wrong_checksum_is_noticed(method: str) -> None:
    folder = Folder(FILES, method="none" if method == "none" else "mszip")
    with pytest.raises(
        CabinetError, match=r"member 0 'one' \(folder 0, block 0\): its checksum is wrong"
    ) as caught:
        unpack(Cab([folder], checksum="wrong").build())
    assert "damaged" in caught.value.remedy


@pytest.mark.parametrize("path", [LZX, ALL_METHODS])
@pytest.mark.parametrize("checksum", ["spec", "without reserve", "none", "wrong"])
def test_reserved_areas_and_checksums_are_no_matter_of_the_method(path: str, checksum: Checksum) -> None:
    source = need_samples() / path
    folders = folders_of(source)
    data = Cab(folders, reserves=(b"h", b"ff", b"data"), checksum=checksum).build()
    if checksum == "wrong":
        with pytest.raises(CabinetError, match="its checksum is wrong"):
            unpack(data)
    else:
        assert unpack(data) == unpack(source.read_bytes())


def test_one_damaged_bit_of_lzx_without_a_checksum_gives_other_bytes_or_a_refusal() -> None:
    source = need_samples() / LZX
    whole = unpack(source.read_bytes())
    plain = bytearray(Cab(folders_of(source), checksum="none").build())
    plain[len(plain) // 2] ^= 16
    damaged = outcome(bytes(plain))
    if isinstance(damaged, CabinetError):
        assert "folder 0, block" in damaged.place
    else:
        assert [(name, len(data)) for name, data in damaged] == [(name, len(data)) for name, data in whole]


def test_history_that_does_not_exist_is_refused() -> None:
    blocks = Folder([File(b"x", DATA[50_000:90_000])]).packed()
    orphan = Folder([File(b"x", size=blocks[1][1])], blocks=blocks[1:])
    with pytest.raises(CabinetError, match="MSZIP data is malformed"):
        unpack(Cab([orphan]).build())


BAD_BLOCKS = [
    (b"XXabcdef", "does not start with the mark"),
    (b"CK\xff\xff\xff", "is malformed"),
    (Folder([File(b"", b"hell")]).packed()[0][0], "does not have the promised size"),
    (Folder([File(b"", b"hello!")]).packed()[0][0], "does not have the promised size"),
    (Folder([File(b"", b"hello")]).packed()[0][0] + b"!", "does not have the promised size"),
    (Folder([File(b"", b"hello")]).packed()[0][0][:-1], "does not have the promised size"),
]


@pytest.mark.parametrize(("packed", "reason"), BAD_BLOCKS)
def test_a_block_must_unpack_to_exactly_what_it_promises(packed: bytes, reason: str) -> None:
    with pytest.raises(CabinetError, match=reason):
        unpack(Cab([Folder([File(b"a", size=5)], blocks=[(packed, 5)])]).build())


def test_the_error_names_the_member_that_is_hit() -> None:
    blocks = Folder([File(b"x", DATA)]).packed()
    blocks[2] = (b"CKbroken", blocks[2][1])
    files = [File(b"first", size=40_000), File(b"second", size=len(DATA) - 40_000)]
    with pytest.raises(CabinetError) as caught:
        unpack(Cab([Folder([File(b"whole", b"1")]), Folder(files, blocks=blocks)]).build())
    assert caught.value.place == "member 2 'second' (folder 1, block 2)"


def test_without_libmspack_the_refusal_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = (need_samples() / LZX).read_bytes()
    monkeypatch.setattr(library, "candidates", lambda: ["/nowhere/libmspack.so"])
    with pytest.raises(CabinetError, match="LZX is not supported here") as caught:
        unpack(data)
    assert "libmspack0" in caught.value.remedy
    assert "pylibmspack" in caught.value.remedy
    assert unpack(cab(PAIRS)) == PAIRS


@pytest.mark.parametrize("candidate", library.candidates())
def test_every_copy_of_libmspack_that_loads_gives_the_same_bytes(
    candidate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (need_samples() / ALL_METHODS).read_bytes()
    expected = unpack(data)
    monkeypatch.setattr(library, "candidates", lambda: [candidate])
    found = outcome(data)
    # Only the copy inside the required package must be there.
    missing = (
        isinstance(found, CabinetError) and not Path(candidate).is_file() and "not supported" in found.reason
    )
    assert missing or found == expected


def test_the_library_of_the_requirements_is_found() -> None:
    assert any(Path(candidate).is_file() for candidate in library.candidates())


def test_members_may_be_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.cab"
    path.write_bytes(cab(PAIRS))
    with path.open("rb") as source, closing(decode(source, inspect(source))) as members:
        found = {member.name: next(chunks, b"")[:3] for member, chunks in members if member.name != "one"}
    assert found == {"none": b"", "two": b"2", "three": DATA[::-1][:3]}


def _children() -> set[str]:
    listing = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return set(listing.split())


@pytest.mark.parametrize("how", ["closed", "failed", "late"])
def test_no_child_stays_behind(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.cab"
    path.write_bytes(cab(PAIRS))
    limits = Limits(wall_seconds=0.5)
    if how == "late":
        monkeypatch.setattr(process, "_START", "import time; time.sleep(60)")
    before = _children()
    started = time.monotonic()
    with path.open("rb") as source:
        members = decode(source, inspect(source), limits=limits)
        if how == "late":
            with pytest.raises(CabinetError, match=r"longer than the 0\.5 seconds allowed"):
                list(next(members)[1])
        else:
            next(next(members)[1])
        if how == "failed":
            with pytest.raises(OSError, match="disk full"):
                members.throw(OSError("disk full"))
        members.close()
    assert _children() == before
    assert time.monotonic() - started < 10


ENDINGS = [
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", CabinetError, "stopped by SIGSEGV"),
    (
        "import os, signal; os.kill(os.getpid(), signal.SIGXCPU)",
        CabinetError,
        "120 processor seconds allowed",
    ),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", ChildProcessError, "ended with -9"),
    ("raise SystemExit('broken installation')", ChildProcessError, "ended with 1: broken installation"),
    ("raise SystemExit(0)", CabinetError, "fewer bytes than promised"),
    ("print('x' * 1_000_000)", CabinetError, "more bytes than promised"),
    ("import sys; sys.stdin.close(); raise SystemExit(11)", ChildProcessError, "ended with 11"),
]


@pytest.mark.parametrize(("program", "error", "message"), ENDINGS)
def test_how_a_child_ends_decides_between_a_verdict_and_a_retry(
    program: str, error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_START", program)
    with pytest.raises(error, match=message):
        unpack(cab(PAIRS))


def test_the_processor_time_of_a_child_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_START", "import resource; resource.setrlimit(0, (1, 2))\nwhile True: pass")
    with pytest.raises(CabinetError, match="processor seconds allowed"):
        unpack(cab(PAIRS))


def test_a_child_with_too_little_memory_is_a_refusal() -> None:
    data = (need_samples() / LZX).read_bytes()
    expected = unpack(data)
    found = [outcome(data, Limits(child_bytes=mib << 20)) for mib in range(6, 20)]
    # Where the line lies depends on the interpreter; on either side of it there is an answer.
    assert expected in found
    assert any("more memory than is allowed" in str(one) for one in found if isinstance(one, CabinetError))
    assert all(one == expected or isinstance(one, CabinetError) for one in found)


def test_a_plan_of_any_length_reaches_a_child_that_does_not_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_START", "import os; os.close(0); raise SystemExit(7)")
    folders = [Folder([File(b"%d" % index, b"x")]) for index in range(3000)]
    with pytest.raises(ChildProcessError, match="ended with 7"):
        unpack(Cab(folders).build(), Limits(folders=4000))


def test_memory_stays_small_on_a_big_cabinet(tmp_path: Path) -> None:
    piece = random.Random(2).randbytes(1 << 20)
    path = tmp_path / "big.cab"
    with path.open("wb") as target:
        target.write(cab([(f"{index}", piece) for index in range(160)], "none"))
    root = Path(__file__).resolve().parents[3]
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], check=True, cwd=root, capture_output=True, text=True
    )
    parent, child = map(int, measured.stdout.split())
    assert max(parent, child) < 64 * 1024


MEASURE = """
import resource, sys
from updates.cabinet import decode, inspect
with open(sys.argv[1], "rb") as source:
    total = sum(len(chunk) for _, chunks in decode(source, inspect(source)) for chunk in chunks)
assert total == 160 << 20
status = open("/proc/self/status").read()
# ru_maxrss of this process would be that of the one that started it, if that was larger.
print(status.split("VmHWM:")[1].split()[0], resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_the_hash_of_a_thousand_members_takes_one_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    plan = process._plan

    def counted(*arguments: Any) -> object:
        started.append(1)
        return plan(*arguments)

    monkeypatch.setattr(process, "_plan", counted)
    members = [(f"{index}", b"%d" % index) for index in range(1000)]
    with tempfile.TemporaryFile() as source:
        source.write(cab(members))
        source.flush()
        digests = [hashlib.sha256(b"".join(chunks)).digest() for _, chunks in decode(source, inspect(source))]
    assert digests == [hashlib.sha256(data).digest() for _, data in members]
    assert len(started) == 1
