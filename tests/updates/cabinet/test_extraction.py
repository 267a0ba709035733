"""Trees of cabinets: leaves only, one budget, nothing kept of a nested cabinet."""

import hashlib
import random
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.cabs import Cab, File, Folder, cab, need_samples
from updates.cabinet import CabinetError, Extracted, Limits, extract, process

NOISE = random.Random(3).randbytes(100_000)


class Files:
    """A receiver that keeps files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.discarded: list[int] = []

    def create(self, index: int) -> BinaryIO:
        return (self.folder / f"{index}.part").open("w+b")

    def discard(self, index: int) -> None:
        self.discarded.append(index)
        (self.folder / f"{index}.part").unlink()

    def read(self) -> dict[int, bytes]:
        return {int(path.stem): path.read_bytes() for path in self.folder.glob("*.part")}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    folder = tmp_path / "out"
    folder.mkdir()
    return Files(folder)


def run(data: bytes, files: Files, limits: Limits | None = None) -> tuple[Extracted, ...]:
    path = files.folder.parent / "outer.cab"
    path.write_bytes(data)
    with path.open("rb") as source:
        return extract(source, files, limits=limits or Limits())


def nest(data: bytes, levels: int) -> bytes:
    for _ in range(levels):
        data = cab([("in.cab", data)], "none")
    return data


def test_the_leaves_of_a_tree_come_out_with_the_cabinets_they_were_in(files: Files) -> None:
    inner = cab([("x/y", b"deep"), ("again.cab", cab([("z", NOISE)]))])
    tree = run(cab([("first", b"1"), ("sub/inner.cab", inner), ("last", b"2")]), files)
    assert [(leaf.index, leaf.cabinet, leaf.name, leaf.size) for leaf in tree] == [
        (0, "", "first", 1),
        (2, "sub/inner.cab", "x/y", 4),
        (4, "sub/inner.cab/again.cab", "z", len(NOISE)),
        (5, "", "last", 1),
    ]
    assert files.discarded == [3, 1]
    stored = files.read()
    assert stored == {0: b"1", 2: b"deep", 4: NOISE, 5: b"2"}
    assert [leaf.sha256 for leaf in tree] == [hashlib.sha256(stored[leaf.index]).hexdigest() for leaf in tree]
    assert {leaf.method for leaf in tree} == {"mszip"}


def test_the_nested_sample_gives_its_phones(files: Files) -> None:
    path = need_samples() / "uc" / "UCUpdates-3.5.6907.187-nested.cab"
    tree = run(path.read_bytes(), files)
    assert {leaf.cabinet for leaf in tree} == {"Polycom_CX700.cab", "LG-Nortel_IP8540.cab"}
    assert {leaf.name.rsplit("/", 1)[1] for leaf in tree} == {"CPE.nbt", "CPE.cat"}


def test_a_cabinet_is_known_by_its_bytes_not_its_name(files: Files) -> None:
    tree = run(cab([("a.cab", b"not one"), ("b.bin", cab([("c", b"c")])), ("d", b"MS"), ("e", b"")]), files)
    assert [(leaf.cabinet, leaf.name) for leaf in tree] == [
        ("", "a.cab"),
        ("b.bin", "c"),
        ("", "d"),
        ("", "e"),
    ]


def test_a_refused_nested_cabinet_refuses_all_and_is_named(files: Files) -> None:
    with pytest.raises(CabinetError) as caught:
        run(cab([("a", cab([("b.cab", b"MSCF and no more")]))]), files)
    assert caught.value.place == "cabinet 'a', cabinet 'b.cab', header"


def test_damage_inside_a_nested_cabinet_is_named(files: Files) -> None:
    bad = Cab([Folder([File(b"fw.nbt", b"x" * 50)])], checksum="wrong").build()
    with pytest.raises(
        CabinetError, match=r"^cabinet 'a.cab', member 0 'fw.nbt' \(folder 0, block 0\): its checksum"
    ):
        run(cab([("a.cab", bad)]), files)


def test_depth_is_limited(files: Files) -> None:
    leaf = cab([("leaf", b"x")])
    assert [item.name for item in run(nest(leaf, 3), files)] == ["leaf"]
    with pytest.raises(CabinetError, match="nested deeper than the 3 levels"):
        run(nest(leaf, 4), files)


INNER = cab([("a", b"12345"), ("b", b"12345")])
TREE = cab([("one.cab", INNER), ("two.cab", INNER), ("x", b"12345")], "none")
UNPACKED = 2 * len(INNER) + 5 + 20


@pytest.mark.parametrize(
    ("enough", "too_little", "message"),
    [
        (
            Limits(nested_cabinets=2),
            Limits(nested_cabinets=1),
            "cabinet 'two.cab': there are more than the 1 nested",
        ),
        (
            Limits(tree_members=7),
            Limits(tree_members=6),
            "cabinet 'two.cab', header: all cabinets have more than the 6",
        ),
        (
            Limits(tree_bytes=UNPACKED),
            Limits(tree_bytes=UNPACKED - 1),
            "cabinet 'two.cab', header: all cabinets unpack to more than the",
        ),
        (
            Limits(ratio_from_bytes=UNPACKED, ratio=0),
            Limits(ratio_from_bytes=UNPACKED - 1, ratio=0),
            "cabinet 'two.cab', header: all cabinets unpack to more than 0 times",
        ),
    ],
)
def test_nested_cabinets_share_one_budget(
    enough: Limits, too_little: Limits, message: str, files: Files
) -> None:
    assert len(run(TREE, files, enough)) == 5
    with pytest.raises(CabinetError, match=message):
        run(TREE, files, too_little)


def test_a_bomb_of_two_levels_is_stopped_before_it_unpacks(files: Files) -> None:
    bomb = cab([("zeros", b"\0" * (20 << 20))])
    outer = cab([(f"{index}.cab", bomb) for index in range(20)])
    with pytest.raises(CabinetError, match="more than 200 times the outermost"):
        run(outer, files)
    assert sum(map(len, files.read().values())) <= 200 << 20


def test_waiting_time_is_shared_too(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = process._START.replace("import sys;", "import sys, time; time.sleep(0.6);")
    monkeypatch.setattr(process, "_START", slow)
    assert len(run(INNER, files, Limits(wall_seconds=5))) == 2
    with pytest.raises(
        CabinetError, match=r"cabinet 'in\.cab', decoding: unpacking takes longer than the 1 seconds"
    ):
        run(nest(INNER, 1), files, Limits(wall_seconds=1))


def test_progress_counts_bytes_of_nested_cabinets(tmp_path: Path, files: Files) -> None:
    path = tmp_path / "tree.cab"
    path.write_bytes(TREE)
    seen: list[tuple[int, int]] = []
    with path.open("rb") as source:
        extract(source, files, progress=lambda done, known: seen.append((done, known)))
    assert seen[-1] == (UNPACKED, UNPACKED)
    assert all(done <= known for done, known in seen)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_full_disk_is_not_a_verdict(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_index: int) -> BinaryIO:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "create", full)
    with pytest.raises(OSError, match="No space left"):
        run(INNER, files)
