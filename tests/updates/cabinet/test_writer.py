"""The honest writer: other programs read it, and it refuses what the format cannot hold."""

import io
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cabs import cab
from updates.cabinet import inspect, writer
from updates.cabinet.checksum import checksum
from updates.cabinet.writer import WritableMethod, write_cabinet


def test_equal_input_gives_equal_bytes() -> None:
    assert cab([("a", b"1")]) == cab([("a", b"1")])


def test_the_date_is_written_for_every_member() -> None:
    target = io.BytesIO()
    when = datetime(2010, 5, 27, 13, 30, 42, tzinfo=UTC)
    write_cabinet(target, [("a/b", b"1"), ("é", b"2")], modified=when)
    members = inspect(target).members
    assert [(member.name, member.raw_name, member.modified) for member in members] == [
        ("a/b", b"a\\b", when),
        ("é", "é".encode(), when),
    ]


@pytest.mark.parametrize("members", [[], [("", b"")], [("x" * 256, b"")], [("a\0b", b"")]])
def test_what_the_format_cannot_hold_is_refused(members: list[tuple[str, bytes]]) -> None:
    with pytest.raises(ValueError, match="cabinet"):
        write_cabinet(io.BytesIO(), members)


def test_sizes_that_the_format_cannot_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FORMAT_FOLDER_BYTES", 4)
    with pytest.raises(ValueError, match="more than one folder holds"):
        write_cabinet(io.BytesIO(), [("a", b"12345")])
    monkeypatch.setattr(writer, "_LARGEST_CABINET", 50)
    with pytest.raises(ValueError, match="larger than 4 GiB"):
        write_cabinet(io.BytesIO(), [("a", b"1234")])


@pytest.mark.parametrize("method", ["none", "mszip"])
def test_cabextract_reads_what_is_written(method: WritableMethod, tmp_path: Path) -> None:
    program = shutil.which("cabextract")
    if program is None:
        pytest.skip("cabextract is not installed")
    path = tmp_path / "a.cab"
    one, two = b"hello" * 20_000, bytes(range(256)) * 300
    path.write_bytes(cab([("one", one), ("two", two)], method))
    done = subprocess.run([program, "-q", "-p", str(path)], check=True, capture_output=True)
    assert done.stdout == one + two


def test_the_checksum_is_the_words_xored_and_the_rest_read_backwards() -> None:
    words = bytes(range(1, 9)) * 3000
    folded = 0
    for start in range(0, len(words), 4):
        folded ^= int.from_bytes(words[start : start + 4], "little")
    assert checksum(words) == folded
    assert checksum(b"") == 0
    assert checksum(b"\x01") == 0x01
    assert checksum(b"\x01\x02") == 0x0102
    assert checksum(words + b"\x01\x02\x03") == folded ^ 0x010203
