from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from updates.domain.offers import Candidate, Choice, Reason, choose, reported_version

APPROVED = Candidate(1, "CPE", "1.0.522.101")
PENDING = Candidate(2, "CPE", "3.5.6907.35")
OFF = Choice(None, Reason.OFFERS_DISABLED)
NOTHING = Choice(None, Reason.NOTHING_APPROVED)
CURRENT = Choice(None, Reason.UP_TO_DATE)
TEST_CURRENT = Choice(None, Reason.TEST_UP_TO_DATE)
GET_APPROVED = Choice(APPROVED, Reason.APPROVED_DIFFERS)
GET_PENDING = Choice(PENDING, Reason.PENDING_FOR_TEST_DEVICE)

# test device, pending, approved, reported -> choice
TABLE = [
    (False, None, None, "1.0", NOTHING),
    (False, None, None, None, NOTHING),
    (False, PENDING, None, "1.0", NOTHING),
    (False, PENDING, None, PENDING.version, NOTHING),
    (False, None, APPROVED, APPROVED.version, CURRENT),
    (False, None, APPROVED, "1.0", GET_APPROVED),
    (False, None, APPROVED, "9.0", GET_APPROVED),
    (False, None, APPROVED, None, GET_APPROVED),
    (False, None, APPROVED, "  ", GET_APPROVED),
    (False, PENDING, APPROVED, APPROVED.version, CURRENT),
    (False, PENDING, APPROVED, PENDING.version, GET_APPROVED),
    (True, None, None, "1.0", NOTHING),
    (True, PENDING, None, "1.0", GET_PENDING),
    (True, PENDING, None, None, GET_PENDING),
    (True, PENDING, None, PENDING.version, TEST_CURRENT),
    (True, None, APPROVED, APPROVED.version, CURRENT),
    (True, None, APPROVED, PENDING.version, GET_APPROVED),
    (True, PENDING, APPROVED, APPROVED.version, GET_PENDING),
    (True, PENDING, APPROVED, PENDING.version, TEST_CURRENT),
    (True, PENDING, APPROVED, "9.0", GET_PENDING),
]


@pytest.mark.parametrize(("is_test", "pending", "approved", "reported", "choice"), TABLE)
def test_the_update_rule(
    *,
    is_test: bool,
    pending: Candidate | None,
    approved: Candidate | None,
    reported: str | None,
    choice: Choice,
) -> None:
    assert choose(reported=reported, approved=approved, pending=pending, is_test=is_test) == choice


@pytest.mark.parametrize("row", TABLE)
def test_with_offers_turned_off_nobody_is_offered_anything(
    row: tuple[bool, Candidate | None, Candidate | None, str | None, Choice],
) -> None:
    is_test, pending, approved, reported, _ = row
    assert (
        choose(reported=reported, approved=approved, pending=pending, is_test=is_test, offers_enabled=False)
        == OFF
    )


def test_the_table_has_every_combination_of_test_device_pending_and_approved() -> None:
    seen = {(is_test, pending is None, approved is None) for is_test, pending, approved, _, _ in TABLE}
    assert seen == set(product([True, False], repeat=3))


@given(reported=st.text(max_size=20), is_test=st.booleans(), has_pending=st.booleans())
def test_what_is_offered_never_has_the_version_that_runs(
    *, reported: str, is_test: bool, has_pending: bool
) -> None:
    choice = choose(
        reported=reported, approved=APPROVED, pending=PENDING if has_pending else None, is_test=is_test
    )
    assert choice.candidate is None or choice.candidate.version != reported.strip()
    assert is_test or choice.candidate is not PENDING


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_can_be_said_in_words(reason: Reason) -> None:
    assert " " in reason.label


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        ([], "9.9"),
        ([("CPE.nbt", "1.0")], "1.0"),
        ([("cpe", "1.0")], "1.0"),
        ([("\\Flash\\Cpe.NBT", "1.0")], "1.0"),
        ([("other.nbt", "1.0")], "9.9"),
        ([("CPE.nbt.bak", "1.0")], "9.9"),
        ([("CPE.nbt", " ")], "9.9"),
        ([("other.nbt", "2.0"), ("CPE.cat", ""), ("CPE.nbt", " 1.0 ")], "1.0"),
    ],
)
def test_a_module_named_as_the_update_type_tells_its_version_before_the_device(
    modules: list[tuple[str, str]], expected: str
) -> None:
    assert reported_version("CPE", device_version="9.9", modules=modules) == expected


def test_a_device_that_says_no_version_runs_none() -> None:
    assert reported_version("CPE", device_version=None, modules=[]) is None
    assert reported_version("CPE", device_version=" ", modules=[("CPE", "")]) is None
