from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from updates.domain.versions import (
    MAX_LENGTH,
    SORT_KEY_LENGTH,
    Direction,
    VersionError,
    direction,
    parse,
    same,
    sort_key,
)

VERSIONS = st.text(alphabet="0123456789abzABZ._-+", min_size=1, max_size=MAX_LENGTH).filter(
    lambda text: not text.endswith(".")
)


@pytest.mark.parametrize(
    "text", ["1.0.522.101", "4.0.7577.4066", "1", "2021-05-10_rc1+b7", " 1.0 \n", "9" * 20]
)
def test_versions_as_devices_report_them_are_accepted(text: str) -> None:
    assert parse(text) == text.strip()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("1" * 21, "has 21 characters; at most 20"),
        ("1/2", "other characters"),
        ("1 2", "other characters"),
        ("١", "other characters"),
        (".", "ends with a dot"),
        ("..", "ends with a dot"),
        ("1.0.", "ends with a dot"),
    ],
)
def test_other_texts_are_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(VersionError, match=reason):
        parse(text)


def test_versions_are_the_same_only_as_text() -> None:
    assert same("1.0", " 1.0 ")
    assert not same("1.0", "1.00")
    assert not same("1.0a", "1.0A")


def test_versions_sort_as_people_expect() -> None:
    ordered = [
        "",
        "a",
        "1",
        "1-rc1",
        "1.0",
        "1.0.9",
        "1.0.10",
        "1.0.199.123",
        "1.0.522.101",
        "1.2",
        "1.10",
        "1a",
        "2",
        "10",
    ]
    keys = [sort_key(version) for version in ordered]
    assert all(first < second for first, second in pairwise(keys))


def test_what_is_not_a_version_comes_first() -> None:
    assert sort_key("not a version") == ""


@given(VERSIONS)
def test_a_sort_key_fits_its_column_and_is_digits_only(version: str) -> None:
    key = sort_key(version)
    assert 0 < len(key) <= SORT_KEY_LENGTH
    assert set(key) <= set("0123456789")


@given(VERSIONS, st.integers(0, 99), st.integers(0, 99))
def test_numbers_sort_as_numbers_behind_any_beginning(head: str, first: int, second: int) -> None:
    start = head[: MAX_LENGTH - 3]
    keys = sort_key(f"{start}.{first}"), sort_key(f"{start}.{second}")
    assert (keys[0] < keys[1]) == (first < second)


@given(VERSIONS, VERSIONS)
def test_up_is_the_opposite_of_down(first: str, second: str) -> None:
    opposite = {Direction.UPGRADE: Direction.DOWNGRADE, Direction.DOWNGRADE: Direction.UPGRADE}
    there, back = direction(first, second), direction(second, first)
    assert back is opposite.get(there, there)
    assert (there is Direction.SAME) == same(first, second)


@pytest.mark.parametrize(
    ("running", "offered", "expected"),
    [
        ("1.0.522.101", "3.5.6907.35", Direction.UPGRADE),
        ("3.5.6907.187", "3.5.6907.35", Direction.DOWNGRADE),
        ("1.0", "1.0", Direction.SAME),
        (None, "1.0", Direction.UNKNOWN),
        (" ", "1.0", Direction.UNKNOWN),
        ("1.0", "1.00", Direction.UNKNOWN),
        ("not a version", "1.0", Direction.UNKNOWN),
    ],
)
def test_the_direction_of_an_installation(running: str | None, offered: str, expected: Direction) -> None:
    assert direction(running, offered) is expected
