"""Whatever the bytes, the answer is members or a CabinetError; what is written comes back."""

import io
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cabs import Cab, Checksum, File, Folder, cab, need_samples, outcome
from updates.cabinet import CabinetError, Limits, inspect

LIMITS = Limits(tree_bytes=8 << 20, member_bytes=8 << 20, wall_seconds=20, cpu_seconds=10)
HONEST = Cab(
    [
        Folder([File(b"a\\b", b"hello" * 10_000), File(b"c", b"x")]),
        Folder([File(b"d", bytes(range(256)))], method="none"),
    ],
    reserves=(b"hh", b"f", b"ddd"),
).build()
SAMPLES = ["public/libmspack/mszip_lzx_qtm.cab", "public/wix/TestData_test.cab", "public/jsign/sample1.cab"]


def contents(data: bytes) -> list[tuple[str, bytes]] | None:
    """All members, or None for a refusal. Anything else is raised."""
    found = outcome(data, LIMITS)
    if not isinstance(found, CabinetError):
        return found
    assert found.place
    assert found.reason
    assert "\n" not in str(found)
    return None


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    contents(data)


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_after_a_sound_start_are_refused_or_read(data: bytes) -> None:
    contents(HONEST[:36] + data)


def mutated(data: bytes, edits: list[tuple[int, int]], cut: int) -> bytes:
    changed = bytearray(data)
    for position, value in edits:
        changed[position % len(changed)] = value
    return bytes(changed[: len(changed) - cut])


EDITS = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=4)


@given(EDITS, st.sampled_from([0, 0, 0, 1, 100]))
@settings(max_examples=150, deadline=None)
def test_a_damaged_cabinet_is_refused_or_read(edits: list[tuple[int, int]], cut: int) -> None:
    contents(mutated(HONEST, edits, cut))


@pytest.mark.parametrize("sample", SAMPLES)
@given(edits=EDITS)
@settings(max_examples=60, deadline=None)
def test_a_damaged_sample_is_refused_or_read(sample: str, edits: list[tuple[int, int]]) -> None:
    contents(mutated((need_samples() / sample).read_bytes(), edits, 0))


@given(edits=EDITS)
@settings(max_examples=60, deadline=None)
def test_damaged_packed_data_without_checksums_gives_the_promised_sizes(edits: list[tuple[int, int]]) -> None:
    honest = Cab([Folder([File(b"a", b"hello" * 10_000)])], checksum="none").build()
    start = 36 + 8 + 18 + 8
    changed = honest[:start] + mutated(honest[start : start + 40], edits, 0) + honest[start + 40 :]
    found = contents(changed)
    assert found is None or [(name, len(data)) for name, data in found] == [("a", 50_000)]


NAME = st.text(string.ascii_letters + string.digits + "é漢", min_size=1, max_size=20).map(
    lambda name: f"_{name}"
)
MEMBERS = st.lists(
    st.tuples(NAME, st.one_of(st.binary(max_size=100), st.binary(max_size=50).map(lambda part: part * 2000))),
    min_size=1,
    max_size=5,
    unique_by=lambda member: member[0].casefold(),
)


@given(MEMBERS, st.sampled_from(["none", "mszip"]))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_back(members: list[tuple[str, bytes]], method: str) -> None:
    data = cab(members, "none" if method == "none" else "mszip")
    assert inspect(io.BytesIO(data)).unpacked == sum(len(content) for _, content in members)
    assert contents(data) == members


@given(
    st.lists(MEMBERS, min_size=1, max_size=3),
    st.tuples(st.binary(max_size=30), st.binary(max_size=5), st.binary(max_size=9)),
    st.sampled_from(["spec", "without reserve", "none"]),
)
@settings(max_examples=60, deadline=None)
def test_what_is_written_in_several_folders_is_read_back(
    parts: list[list[tuple[str, bytes]]], reserves: tuple[bytes, bytes, bytes], checksum: Checksum
) -> None:
    folders = [
        Folder(
            [File(f"{number}{name}".encode(), data, attributes=0xA0) for name, data in members],
            method="none" if number % 2 else "mszip",
        )
        for number, members in enumerate(parts)
    ]
    expected = [(f"{number}{name}", data) for number, members in enumerate(parts) for name, data in members]
    assert contents(Cab(folders, reserves=reserves, checksum=checksum).build()) == expected
