"""Names are plain relative paths or the cabinet is refused."""

import io

import pytest

from tests.cabs import Cab, File, Folder
from updates.cabinet import CabinetError, inspect

BAD = [
    b"",
    b"..\\a",
    b"a\\..\\b",
    b".",
    b"a\\.\\b",
    b"\\a",
    b"/etc/passwd",
    b"\\\\server\\share",
    b"C:\\a",
    b"a:stream",
    b"a\\\\b",
    b"a\\",
    b"a\nb",
    b"a\x7f",
    b"a\xe2\x80\xaeb",
    b"a\xe2\x80\x8bb",
    b"a\xc2\x85b",
    b"a\xef\xbb\xbf",
    b"a|b",
    b"a?",
    b"a*",
    b'a"',
    b"<a>",
    b"a.",
    b"a ",
    b"a .\\b",
    b"CON",
    b"nul.txt",
    b"dir\\Com1.x.y",
    b"LPT\xc2\xb2",
    b"conin$",
    b"/".join([b"a"] * 17),
]
GOOD = [
    b"a",
    b"a\\b/c",
    b"...a",
    b".hidden",
    b"console",
    b"com10",
    b"a b",
    b"%2e%2e",
    b"~",
    b"$x",
    b"\xe8\xa1\xa8.bin",
]


def listed(raw: bytes, attributes: int = 0xA0) -> str:
    data = Cab([Folder([File(raw, b"x", attributes=attributes)])]).build()
    return inspect(io.BytesIO(data)).members[0].name


@pytest.mark.parametrize("raw", BAD)
def test_a_name_that_is_no_plain_relative_path_is_refused(raw: bytes) -> None:
    with pytest.raises(CabinetError, match="member 0 "):
        listed(raw)


@pytest.mark.parametrize("raw", GOOD)
def test_a_plain_relative_path_is_taken(raw: bytes) -> None:
    assert listed(raw) == raw.decode().replace("\\", "/")


def test_without_the_utf8_mark_other_bytes_are_windows_1252() -> None:
    assert listed(b"\x80\xe4", attributes=0x20) == "€ä"
    assert listed(b"\x83n\x81b", attributes=0x20) == "ƒn\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize(("one", "other"), [("Straße", "STRASSE"), ("é", "e\u0301"), ("a/B", "A/b")])
def test_names_that_one_file_system_takes_for_one_are_refused(one: str, other: str) -> None:
    files = [File(name.encode(), b"x", attributes=0xA0) for name in (one, other)]
    with pytest.raises(CabinetError, match="two members of this name"):
        inspect(io.BytesIO(Cab([Folder(files)]).build()))
