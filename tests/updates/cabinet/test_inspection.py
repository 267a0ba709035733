"""What is refused without unpacking anything, and the place each refusal names."""

import io
import struct
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.cabs import Cab, File, Folder, cab
from updates.cabinet import CabinetError, Limits, inspect

FILE = File(b"a", b"hello")
FOLDER = Folder([FILE])
GOOD = Cab([FOLDER])
BIG = Folder([File(b"big", b"x" * 70_000)])
SIGNED = struct.pack("<4sII8x", b"\0\0\x10\0", 0, 0)


def refusal(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(CabinetError) as caught:
        inspect(io.BytesIO(data), limits=limits or Limits())
    return str(caught.value)


LIES = [
    (b"", "header: this is not a cabinet"),
    (b"MSCF", "header: the file ends"),
    (b"x" + GOOD.build(), "header: this is not a cabinet"),
    (replace(GOOD, version=(1, 2)).build(), "header: cabinet version 1.2"),
    (replace(GOOD, flags=1).build(), "header: this is one part of a spanned set"),
    (replace(GOOD, flags=2).build(), "header: this is one part of a spanned set"),
    (replace(GOOD, folder_count=0).build(), "header: the cabinet has no folders"),
    (replace(GOOD, file_count=0).build(), "header: the cabinet has no members"),
    (replace(GOOD, after=b"junk").build(), "header: 4 bytes follow"),
    (GOOD.build()[:-1], "header: the cabinet says it has"),
    (replace(GOOD, files_at=20).build(), "header: the place it gives for the member table"),
    (replace(GOOD, file_count=2).build(), "member 1"),
    (Cab([Folder([replace(FILE, folder=1)])]).build(), "member 0 'a': it is in folder 1"),
    (Cab([Folder([replace(FILE, folder=0xFFFD)])]).build(), "member 0: it continues in another cabinet"),
    (Cab([Folder([replace(FILE, folder=0xFFFF)])]).build(), "member 0: it continues in another cabinet"),
    (
        Cab([Folder([FILE, File(b"b", b"x", offset=2)])]).build(),
        "member 1 'b': its place in folder 0 overlaps",
    ),
    (
        Cab([Folder([FILE, File(b"b", b"x", offset=9)])]).build(),
        "member 1 'b': its place in folder 0 leaves a gap",
    ),
    (Cab([Folder([replace(FILE, size=6)])]).build(), "folder 0, block 0: it holds 5 bytes where 6 belong"),
    (Cab([Folder([replace(FILE, size=4)])]).build(), "folder 0, block 0: it holds 5 bytes where 4 belong"),
    (Cab([replace(FOLDER, kind=4)]).build(), "folder 0: compression type 4"),
    (Cab([replace(FOLDER, kind=3)]).build(), "folder 0: a window of 0 bits is not possible with lzx"),
    (
        Cab([replace(FOLDER, kind=0x1602)]).build(),
        "folder 0: a window of 22 bits is not possible with quantum",
    ),
    (Cab([replace(FOLDER, count=2)]).build(), "folder 0: 2 blocks do not hold"),
    (Cab([replace(FOLDER, count=0)]).build(), "folder 0: 0 blocks do not hold"),
    (Cab([FOLDER, Folder([])]).build(), "folder 1: it has no members"),
    (Cab([replace(BIG, block_bytes=20_000)]).build(), "folder 0: 4 blocks do not hold"),
    (Cab([Folder([File(b"a", size=5)], blocks=[(b"", 5)])]).build(), "folder 0, block 0: a packed size of 0"),
    (
        Cab([Folder([File(b"a", size=5)], blocks=[(b"x" * 39_000, 5)])]).build(),
        "folder 0, block 0: a packed size",
    ),
    (
        Cab([Folder([File(b"a", size=5)], method="none", blocks=[(b"x", 5)])]).build(),
        "folder 0, block 0: its 1 bytes are not packed",
    ),
    (Cab([replace(FOLDER, data_at=10)]).build(), "folder 0, block 0"),
    (Cab([replace(FOLDER, data_at=1 << 31)]).build(), "folder 0, block 0: the file ends"),
    (
        Cab([Folder([FILE, File(b"A", b"x")])]).build(),
        "member 1 'A': the cabinet has two members of this name",
    ),
    (
        Cab([Folder([File(b"a\\b", b"x"), FILE])]).build(),
        "member 1 'a': a name stands for a file and for a folder",
    ),
    (
        Cab([Folder([FILE, File(b"a\\b", b"x")])]).build(),
        "member 1 'a/b': a name stands for a file and for a folder",
    ),
    (
        Cab([Folder([replace(FILE, attributes=0x80, name=b"\xff")])]).build(),
        "member 0 '\\xff': its name is marked",
    ),
    (Cab([Folder([replace(FILE, name=b"x" * 256)])]).build(), "member 0: its entry or name does not end"),
]


@pytest.mark.parametrize(("data", "message"), LIES)
def test_a_lie_is_refused_at_its_place(data: bytes, message: str) -> None:
    assert refusal(data).startswith(message)


def test_two_folders_cannot_share_blocks() -> None:
    one = Folder([FILE])
    honest = Cab([one, Folder([File(b"b", b"hello")])]).build()
    inspect(io.BytesIO(honest))
    first = struct.unpack_from("<I", honest, 36)[0]
    shared = Cab([one, Folder([File(b"b", b"hello")], data_at=first)]).build()
    assert refusal(shared).startswith("layout: the blocks of folder 0 and the blocks of folder 1 overlap")


def test_blocks_cannot_lie_in_the_tables() -> None:
    block = struct.pack("<IHH", 0, 5, 5) + b"hello"
    folder = Folder([FILE], method="none", data_at=36 + 4 + 8, blocks=[(b"hello", 5)])
    data = Cab([folder], reserves=(b"", block, b"")).build()
    assert refusal(data).startswith("layout: the tables and the blocks of folder 0 overlap")


LIMITED = [
    (Limits(cabinet_bytes=50), "file: its"),
    (Limits(members=1), "header: 2 members are more"),
    (Limits(folders=1), "header: 2 folders are more"),
    (Limits(member_bytes=4), "member 0 'a': its 5 bytes are more"),
    (Limits(tree_bytes=9), "header: 10 unpacked bytes are more"),
    (Limits(ratio=0, ratio_from_bytes=9), "header: it would unpack to more than 0 times"),
    (Limits(name_bytes=0), "member 0 'a': its name is longer"),
    (Limits(name_levels=0), "member 0 'a': its path has more than 0 levels"),
]


@pytest.mark.parametrize(("limits", "message"), LIMITED)
def test_each_limit_is_kept(limits: Limits, message: str) -> None:
    data = Cab([FOLDER, Folder([File(b"b", b"hello")])]).build()
    inspect(io.BytesIO(data))
    assert refusal(data, limits).startswith(message)


def test_a_folder_larger_than_the_format_allows_is_refused() -> None:
    files = [File(b"%d" % index, size=1 << 30, offset=index << 30) for index in range(2)]
    assert (
        refusal(Cab([Folder(files, blocks=[])]).build())
        == "folder 0: its members are larger than a folder can be"
    )


def test_a_signature_may_follow_and_nothing_else() -> None:
    plain = Cab([FOLDER], reserves=(SIGNED, b"", b""))
    end = len(plain.build())
    signed = replace(
        plain, reserves=(struct.pack("<4sII8x", b"\0\0\x10\0", end, 7), b"", b""), after=b"PKCS#7!"
    )
    assert inspect(io.BytesIO(signed.build())).size == end + 7
    assert refusal(replace(signed, after=b"PKCS#7!x").build()).startswith("header: 8 bytes follow")
    assert refusal(signed.build(), Limits(signature_bytes=6)).startswith(
        "signature: it is longer than the 6 bytes"
    )


def test_members_say_what_the_table_says() -> None:
    files = [
        File(b"caf\xe9\\x", b"1", date=(2010 - 1980) << 9 | 5 << 5 | 27, time=13 << 11 | 30 << 5 | 21),
        File("каталог/файл".encode(), b"22", attributes=0xA0, date=0),
        File(b"empty"),
    ]
    inspection = inspect(io.BytesIO(Cab([Folder(files)]).build()))
    assert [(member.name, member.size, member.modified) for member in inspection.members] == [
        ("café/x", 1, datetime(2010, 5, 27, 13, 30, 42, tzinfo=UTC)),
        ("каталог/файл", 2, None),
        ("empty", 0, datetime(2000, 1, 1, tzinfo=UTC)),
    ]
    assert inspection.members[0].raw_name == b"caf\xe9\\x"
    assert inspection.unpacked == 3


def test_an_error_has_place_reason_and_remedy() -> None:
    with pytest.raises(CabinetError) as caught:
        inspect(io.BytesIO(cab([("a", b"a")])[:-1]))
    error = caught.value
    assert (error.place, error.remedy) == ("header", "The file is incomplete: fetch it again.")
    assert str(error) == f"{error.place}: {error.reason}"
