"""Which bytes a Range header asks for, whatever it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from updates.api.ranges import Part, UnsatisfiableError, is_fresh, select

ETAG = '"abc"'
SIZE = 10


def chosen(header: str | None, *, if_range: str | None = None, size: int = SIZE) -> tuple[int, int, bool]:
    selection = select(header=header, if_range=if_range, etag=ETAG, size=size)
    return selection.part.start, selection.part.length, selection.is_range


@pytest.mark.parametrize(
    ("header", "start", "length"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=2-4", 2, 3),
        ("bytes=4-", 4, 6),
        ("bytes=-3", 7, 3),
        ("bytes=-99", 0, 10),
        ("bytes=0-99999999999999999999", 0, 10),
        ("BYTES = 9-9 ", 9, 1),
    ],
)
def test_a_single_range_gives_its_bytes(header: str, start: int, length: int) -> None:
    assert chosen(header) == (start, length, True)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=4-2",
        "bytes=0-1,3-4",
        "items=0-1",
        "bytes=+1-2",
        "bytes=٣-٤",
        "bytes=" + "9" * 31 + "-",
    ],
)
def test_everything_else_gives_the_whole_file(header: str | None) -> None:
    assert chosen(header) == (0, SIZE, False)


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=999999999999-"])
def test_a_range_without_a_byte_of_the_file_is_refused(header: str) -> None:
    with pytest.raises(UnsatisfiableError):
        chosen(header)


def test_an_empty_file_has_no_range() -> None:
    assert chosen(None, size=0) == (0, 0, False)
    with pytest.raises(UnsatisfiableError):
        chosen("bytes=0-", size=0)


@pytest.mark.parametrize("if_range", ['"other"', 'W/"abc"', "Wed, 21 Oct 2015 07:28:00 GMT", "abc", ""])
def test_a_range_of_another_file_gives_the_whole_of_this_one(if_range: str) -> None:
    assert chosen("bytes=2-", if_range=if_range) == (0, SIZE, False)
    assert chosen("bytes=99-", if_range=if_range) == (0, SIZE, False)


def test_a_range_of_this_very_file_is_given() -> None:
    assert chosen("bytes=2-", if_range=ETAG) == (2, 8, True)


@given(header=st.text() | st.from_regex(r"bytes=\d*-\d*(,\d*-\d*)?"), size=st.integers(0, 20))
def test_whatever_is_asked_only_bytes_of_the_file_are_chosen(header: str, size: int) -> None:
    try:
        start, length, is_range = chosen(header, size=size)
    except UnsatisfiableError:
        return
    assert 0 <= start <= start + length <= size
    assert length > 0 or (size == 0 and not is_range)


def test_a_part_says_where_it_lies() -> None:
    assert Part(2, 3, 10).content_range == "bytes 2-4/10"
    assert not Part(2, 3, 10).ends_the_file
    assert Part(9, 1, 10).ends_the_file


@pytest.mark.parametrize("header", ["*", '"abc"', 'W/"abc"', '"x", "abc"'])
def test_a_caller_that_has_the_file_is_told_so(header: str) -> None:
    assert is_fresh(header, ETAG)


@pytest.mark.parametrize("header", [None, "", '"x"', "abc"])
def test_a_caller_that_has_another_file_is_not(header: str | None) -> None:
    assert not is_fresh(header, ETAG)
