"""What an administrator's decision does, and what it leaves alone."""

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import FileSystemStorage
from pytest_django import Settings

from devices.identity import DeviceTypeKey
from tests.builders import UpdateShape, make_update, make_user
from updates import store
from updates.authorisation import NotPermittedError
from updates.domain.lifecycle import Action, State
from updates.models import LedgerEntry, ServiceState, Update
from updates.services import decisions, files
from updates.store import SourceFile

pytestmark = pytest.mark.django_db

IP8540 = DeviceTypeKey("UCPhone", "LG-Nortel", "IP8540", "A", "ENU")


@pytest.fixture
def administrator() -> User:
    return make_user(name="mina", groups=("Administrators",))


def states() -> dict[str, str]:
    return dict(Update.objects.values_list("version", "state"))


def actions() -> list[tuple[str, str]]:
    return list(LedgerEntry.objects.order_by("pk").values_list("action", "actor_name"))


def generation() -> int:
    return ServiceState.objects.get(pk=1).generation


def test_an_approved_update_takes_the_place_of_the_one_approved_before(administrator: User) -> None:
    old = make_update("1.0.522.101", State.APPROVED)
    new = make_update("3.5.6907.35")
    before = generation()

    outcome = decisions.approve([new.pk], by=administrator, reason="tested for a week")

    assert [update.pk for update in outcome.done] == [new.pk]
    assert outcome.lost == ()
    assert states() == {"1.0.522.101": "superseded", "3.5.6907.35": "approved"}
    new.refresh_from_db()
    assert new.previous == old
    assert new.approved_at is not None
    assert actions() == [("superseded", "mina"), ("approved", "mina")]
    assert LedgerEntry.objects.filter(reason="tested for a week").count() == 2
    assert generation() == before + 1


def test_updates_of_other_device_types_keep_their_approval(administrator: User) -> None:
    other = make_update(shape=UpdateShape(key=IP8540, version="1.0.199.123", state=State.APPROVED))
    new = make_update("3.5.6907.35")

    decisions.approve([new.pk], by=administrator)

    other.refresh_from_db()
    assert other.state == State.APPROVED


def test_a_rejected_update_is_withdrawn_and_keeps_its_files(administrator: User) -> None:
    update = make_update()

    decisions.reject([update.pk], by=administrator)

    assert states() == {update.version: "rejected"}
    assert update.files.count() == 2
    assert actions() == [("rejected", "mina")]


def test_rolling_back_approves_again_what_was_approved_before(administrator: User) -> None:
    first = make_update("1.0.522.101")
    decisions.approve([first.pk], by=administrator)
    second = make_update("3.5.6907.35")
    decisions.approve([second.pk], by=administrator)

    outcome = decisions.roll_back([second.pk], by=administrator)

    assert [update.pk for update in outcome.restored] == [first.pk]
    assert states() == {"1.0.522.101": "approved", "3.5.6907.35": "rejected"}
    assert actions()[-2:] == [("rolled_back", "mina"), ("restored", "mina")]


def test_rolling_back_repeats_as_far_as_there_were_approvals(administrator: User) -> None:
    for version in ("1.0.0.1", "2.0.0.1", "3.0.0.1"):
        decisions.approve([make_update(version).pk], by=administrator)

    for version in ("3.0.0.1", "2.0.0.1", "1.0.0.1"):
        decisions.roll_back([Update.objects.get(version=version).pk], by=administrator)

    assert set(states().values()) == {"rejected"}


def test_rolling_back_the_first_approval_leaves_nothing_approved(administrator: User) -> None:
    update = make_update(state=State.APPROVED)

    outcome = decisions.roll_back([update.pk], by=administrator)

    assert outcome.restored == ()
    assert states() == {update.version: "rejected"}


def test_a_removed_predecessor_hands_on_its_own(administrator: User) -> None:
    updates = {}
    for version in ("1.0.0.1", "2.0.0.1", "3.0.0.1"):
        updates[version] = make_update(version)
        decisions.approve([updates[version].pk], by=administrator)

    decisions.remove([updates["2.0.0.1"].pk], by=administrator)
    outcome = decisions.roll_back([updates["3.0.0.1"].pk], by=administrator)

    assert [update.version for update in outcome.restored] == ["1.0.0.1"]


@pytest.mark.parametrize(
    "order", [("1.0", "2.0", "1.5", "3.0"), ("1.0", "1.5", "2.0", "3.0")], ids=["not sorted", "sorted"]
)
def test_two_neighbours_that_are_removed_together_hand_on_the_one_before_both(
    administrator: User, order: tuple[str, ...]
) -> None:
    updates = {}
    # The numbers of the rows are not in the order of the approvals.
    for version in ("1.0", "2.0", "1.5", "3.0"):
        updates[version] = make_update(shape=UpdateShape(version=version, state=State.SUPERSEDED))
    for version in order:
        Update.objects.filter(pk=updates[version].pk).update(state=State.PENDING)
        decisions.approve([updates[version].pk], by=administrator)

    decisions.remove([updates["2.0"].pk, updates["1.5"].pk], by=administrator)
    outcome = decisions.roll_back([updates["3.0"].pk], by=administrator)

    assert [update.version for update in outcome.restored] == ["1.0"]


@pytest.mark.parametrize("state", [State.APPROVED, State.SUPERSEDED, State.REJECTED, State.IMPORTING])
def test_only_a_pending_update_can_be_approved_or_rejected(administrator: User, state: State) -> None:
    update = make_update(state=state)

    for decide in (decisions.approve, decisions.reject):
        outcome = decide([update.pk], by=administrator)
        assert outcome.done == ()
        assert [lost.update_id for lost in outcome.lost] == [update.pk]

    assert states() == {update.version: state}
    assert actions() == []


def test_the_second_of_two_administrators_is_told_who_was_first(administrator: User) -> None:
    update = make_update()
    other = make_user(name="taro", groups=("Approvers",))

    decisions.approve([update.pk], by=administrator)
    outcome = decisions.reject([update.pk], by=other)

    assert outcome.done == ()
    assert outcome.lost[0].why == "It is Approved: Approved by mina."
    assert states() == {update.version: "approved"}


def test_a_selection_is_decided_as_far_as_it_can_be_and_says_the_rest(administrator: User) -> None:
    pending = make_update("3.5.6907.35")
    approved = make_update("1.0.522.101", State.APPROVED)

    outcome = decisions.reject([pending.pk, approved.pk, 99_999], by=administrator)

    assert [update.pk for update in outcome.done] == [pending.pk]
    assert {lost.update_id for lost in outcome.lost} == {approved.pk, 99_999}


@pytest.mark.parametrize(
    ("decide", "state"),
    [
        (decisions.approve, State.PENDING),
        (decisions.reject, State.PENDING),
        (decisions.roll_back, State.APPROVED),
        (decisions.remove, State.REJECTED),
    ],
)
def test_without_the_permission_nothing_is_decided(
    decide: Callable[..., decisions.Outcome], state: State
) -> None:
    update = make_update(state=state)
    viewer = make_user(groups=("Viewers",))
    before = generation()

    with pytest.raises(NotPermittedError, match=r"needs the permission updates\."):
        decide([update.pk], by=viewer)

    assert states() == {update.version: state}
    assert actions() == []
    assert generation() == before


@pytest.mark.parametrize("state", [State.PENDING, State.APPROVED])
def test_what_is_pending_or_approved_cannot_be_removed(administrator: User, state: State) -> None:
    update = make_update(state=state)

    outcome = decisions.remove([update.pk], by=administrator)

    assert [lost.update_id for lost in outcome.lost] == [update.pk]
    update.refresh_from_db()
    assert update.files_cleared_at is None


def stored(update: Update) -> list[str]:
    """Puts the update's files into the store as `make_update` describes them; their paths."""
    contents = {"CPE.nbt": b"image", "CPE.cat": b"catalogue"}
    for file in update.files.all():
        source = SourceFile(
            name=file.name,
            size=file.size,
            sha256=file.sha256,
            modified=None,
            open=partial(io.BytesIO, contents[file.name]),
        )
        store.put(file.path, source)
    return [file.path for file in update.files.all()]


class BetweenDeletions(FileSystemStorage):
    """An update store in which something else happens once, before the first deletion."""

    happens: ClassVar[list[Callable[[], object]]] = []

    def delete(self, name: str) -> None:
        while self.happens:
            self.happens.pop()()
        super().delete(name)


@pytest.fixture
def between_deletions(settings: Settings) -> Iterator[list[Callable[[], object]]]:
    backend = f"{__name__}.BetweenDeletions"
    settings.STORAGES = settings.STORAGES | {"updates": settings.STORAGES["updates"] | {"BACKEND": backend}}
    BetweenDeletions.happens.clear()
    yield BetweenDeletions.happens
    BetweenDeletions.happens.clear()


def test_removing_takes_the_files_out_of_the_store(administrator: User) -> None:
    update = make_update(state=State.REJECTED)
    paths = stored(update)

    decisions.remove([update.pk], by=administrator)

    assert not Update.objects.exists()
    assert [store.storage().exists(path) for path in paths] == [False, False]
    assert LedgerEntry.objects.get(action=Action.REMOVED).update_number == update.pk


def test_what_becomes_removable_while_others_are_removed_keeps_its_row_and_files(
    administrator: User, between_deletions: list[Callable[[], object]]
) -> None:
    rejected = make_update("1.0", State.REJECTED)
    late = make_update("2.0")
    paths = stored(late)
    stored(rejected)
    between_deletions.append(lambda: Update.objects.filter(pk=late.pk).update(state=State.REJECTED))

    outcome = decisions.remove([rejected.pk, late.pk], by=administrator)

    assert [update.version for update in outcome.done] == ["1.0"]
    assert [lost.update_id for lost in outcome.lost] == [late.pk]
    assert Update.objects.get() == late
    assert [store.storage().exists(path) for path in paths] == [True, True]


def test_a_removal_that_the_store_stopped_is_finished_by_the_next(
    administrator: User, files_of_its_own: Path
) -> None:
    update = make_update(state=State.REJECTED)
    blocked = files_of_its_own / "store" / stored(update)[0]
    blocked.unlink()
    (blocked / "kept").mkdir(parents=True)

    with pytest.raises(OSError, match="CPE"):
        decisions.remove([update.pk], by=administrator)

    update.refresh_from_db()
    assert update.files_cleared_at is not None
    assert actions() == []
    (blocked / "kept").rmdir()
    decisions.remove([update.pk], by=administrator)
    assert not Update.objects.exists()


def test_clearing_takes_only_the_files_of_rejected_updates(administrator: User) -> None:
    rejected = make_update("3.5.6907.35", State.REJECTED)
    approved = make_update("1.0.522.101", State.APPROVED)
    gone, kept = stored(rejected), stored(approved)

    cleared = files.clear_files(by=administrator)

    assert [update.pk for update in cleared] == [rejected.pk]
    assert [store.storage().exists(path) for path in gone] == [False, False]
    assert [store.storage().exists(path) for path in kept] == [True, True]
    assert actions() == [("files_cleared", "mina")]
    assert files.clear_files(by=administrator) == ()


def test_of_two_clearings_one_says_that_it_cleared(
    administrator: User, between_deletions: list[Callable[[], object]]
) -> None:
    update = make_update(state=State.REJECTED)
    stored(update)
    second: list[tuple[Update, ...]] = []
    between_deletions.append(lambda: second.append(files.clear_files([update.pk], by=administrator)))

    first = files.clear_files([update.pk], by=administrator)

    assert (len(first), second) == (1, [()])
    assert actions() == [("files_cleared", "mina")]


def test_a_clearing_that_the_store_stopped_is_finished_by_the_next(
    administrator: User, files_of_its_own: Path
) -> None:
    update = make_update(state=State.REJECTED)
    blocked = files_of_its_own / "store" / stored(update)[0]
    blocked.unlink()
    (blocked / "kept").mkdir(parents=True)

    with pytest.raises(OSError, match="CPE"):
        files.clear_files([update.pk], by=administrator)

    assert list(files.clearable()) == [update]
    assert actions() == []
    (blocked / "kept").rmdir()
    assert files.clear_files([update.pk], by=administrator) == (update,)
