"""Deciding in the console: the page says what will happen, the POST does it, and who loses is told."""

from http import HTTPStatus
from urllib.parse import urlencode

import pytest
from django.test import Client

from devices.identity import DeviceTypeKey
from tests.builders import UpdateShape, make_device, make_update, make_user
from updates.domain.lifecycle import State
from updates.models import LedgerEntry, Update

CX600 = DeviceTypeKey("UCPhone", "Polycom", "CX600", "A", "ENU")
BACK = "/admin/updates/pendingupdate/?q=x"
NAMES = ("approve", "reject", "roll_back", "remove")

pytestmark = pytest.mark.django_db


def ask(client: Client, name: str, *updates: Update) -> str:
    query = urlencode({"ids": ",".join(str(update.pk) for update in updates), "back": BACK})
    response = client.get(f"/admin/updates/update/decide/{name}/?{query}")
    assert response.status_code == HTTPStatus.OK
    return " ".join(response.content.decode().split())


def act(
    client: Client, name: str, *updates: Update, back: str = BACK, reason: str = "because"
) -> tuple[int, str]:
    """Decides, and gives the answer's status and where it leads."""
    data = {"ids": ",".join(str(update.pk) for update in updates), "back": back, "reason": reason}
    response = client.post(f"/admin/updates/update/decide/{name}/", data)
    return response.status_code, response.headers.get("Location", "")


def told(client: Client) -> str:
    return " ".join(client.get("/admin/").content.decode().split())


def state_of(update: Update) -> str:
    return Update.objects.get(pk=update.pk).state


@pytest.fixture
def administrator(client: Client) -> Client:
    client.force_login(make_user(groups=("Administrators",), name="hana"))
    return client


def test_before_approving_the_page_says_what_it_means_for_how_many_devices(administrator: Client) -> None:
    make_update("3.5.0.0", State.APPROVED)
    pending = make_update("2.0.0.0")
    for version in ("1.0.0.0", "3.5.0.0", "4.0.0.0", "2.0.0.0", ""):
        make_device(version=version)
    page = ask(administrator, "approve", pending)
    assert "is offered 2.0.0.0 instead of 3.5.0.0" in page
    assert '<li class="badge upgrade"> 1 upgrade </li>' in page
    assert '<li class="badge downgrade strong"> 2 DOWNGRADES </li>' in page
    assert "1 stays the same" in page
    assert "1 unknown" in page
    assert state_of(pending) == State.PENDING


def test_before_rejecting_the_page_says_what_test_devices_fall_back_to(administrator: Client) -> None:
    make_update("1.0", State.APPROVED)
    pending = make_update("2.0")
    assert "Test devices are offered the approved version 1.0 again" in ask(administrator, "reject", pending)
    alone = make_update(shape=UpdateShape(key=CX600))
    assert "Nothing is approved, so test devices stay" in ask(administrator, "reject", alone)


def test_before_rolling_back_the_page_says_which_version_comes_back(administrator: Client) -> None:
    former = make_update("1.0", State.SUPERSEDED)
    deployed = make_update("2.0", State.APPROVED, previous=former)
    first = make_update(shape=UpdateShape(version="5.0", key=CX600, state=State.APPROVED))
    page = ask(administrator, "roll_back", deployed, first)
    assert "Version 1.0 is approved again" in page
    assert "No approved update remains." in page


def test_before_removing_the_page_says_that_the_version_may_come_again(administrator: Client) -> None:
    assert "may then be imported again" in ask(administrator, "remove", make_update("1.0", State.REJECTED))


def test_the_page_lists_what_cannot_be_decided_any_more(administrator: Client) -> None:
    page = ask(administrator, "approve", make_update("1.0", State.REJECTED))
    assert "It is Rejected." in page
    assert "None of the chosen updates can be decided" in page
    assert "<textarea" not in page


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("approve", State.PENDING, State.APPROVED),
        ("reject", State.PENDING, State.REJECTED),
        ("roll_back", State.APPROVED, State.REJECTED),
    ],
)
def test_a_decision_is_carried_out_and_recorded_with_its_reason(
    administrator: Client, name: str, before: State, after: State
) -> None:
    update = make_update("1.0", before)
    assert act(administrator, name, update, reason="Ran for a week") == (HTTPStatus.FOUND, BACK)
    assert state_of(update) == after
    entry = LedgerEntry.objects.filter(update_number=update.pk).get()
    assert (entry.actor_name, entry.reason) == ("hana", "Ran for a week")
    assert "1 update was" in told(administrator)


def test_removing_deletes_the_update(administrator: Client) -> None:
    update = make_update("1.0", State.SUPERSEDED)
    act(administrator, "remove", update)
    assert not Update.objects.filter(pk=update.pk).exists()
    assert "1 update was removed." in told(administrator)


def test_after_rolling_back_the_page_says_what_is_approved_now(administrator: Client) -> None:
    former = make_update("1.0", State.SUPERSEDED)
    deployed = make_update("2.0", State.APPROVED, previous=former)
    alone = make_update(shape=UpdateShape(version="5.0", key=CX600, state=State.APPROVED))
    act(administrator, "roll_back", deployed, alone)
    text = told(administrator)
    assert f"Approved again: {former}." in text
    assert f"No approved update remains in place of {alone}." in text


@pytest.mark.parametrize("name", NAMES)
def test_without_its_permission_a_decision_is_neither_shown_nor_taken(client: Client, name: str) -> None:
    state = {"roll_back": State.APPROVED, "remove": State.REJECTED}.get(name, State.PENDING)
    update = make_update("1.0", state)
    client.force_login(make_user(groups=("Viewers", "Operators")))
    assert (
        client.get(f"/admin/updates/update/decide/{name}/?ids={update.pk}").status_code
        == HTTPStatus.FORBIDDEN
    )
    assert act(client, name, update) == (HTTPStatus.FORBIDDEN, "")
    assert state_of(update) == state
    assert not LedgerEntry.objects.exists()


def test_looking_at_the_page_decides_nothing(administrator: Client) -> None:
    update = make_update()
    ask(administrator, "approve", update)
    assert state_of(update) == State.PENDING
    assert not LedgerEntry.objects.exists()


def test_of_two_administrators_at_once_one_wins_and_the_other_is_told() -> None:
    update = make_update()
    hana, ken = Client(), Client()
    hana.force_login(make_user(groups=("Approvers",), name="hana"))
    ken.force_login(make_user(groups=("Approvers",), name="ken"))
    ask(hana, "approve", update)
    ask(ken, "reject", update)
    act(hana, "approve", update)
    act(ken, "reject", update)
    assert state_of(update) == State.APPROVED
    assert "It is Approved: Approved by hana." in told(ken)
    assert "rejected" not in told(ken)


def test_of_a_selection_those_that_lost_are_named_and_the_others_are_decided(administrator: Client) -> None:
    wins, lost = make_update("1.0"), make_update(shape=UpdateShape(key=CX600, state=State.REJECTED))
    act(administrator, "approve", wins, lost)
    text = told(administrator)
    assert state_of(wins) == State.APPROVED
    assert "1 update was approved." in text
    assert f"{lost}: It is Rejected." in text


def test_a_store_that_does_not_delete_is_reported_and_nothing_is_lost(
    administrator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_paths: object) -> None:
        raise OSError("read-only file system")

    monkeypatch.setattr("updates.store.delete", refuse)
    update = make_update("1.0", State.REJECTED)
    act(administrator, "remove", update)
    assert state_of(update) == State.REJECTED
    assert "read-only file system" in told(administrator)


def test_it_leads_back_only_into_the_console(administrator: Client) -> None:
    led = act(administrator, "approve", make_update(), back="https://elsewhere.example/")
    assert led == (HTTPStatus.FOUND, "/admin/updates/update/")


@pytest.mark.parametrize("ids", ["", "x", "1,,2", "-1", "9" * 19, ",".join(["1"] * 201)])
def test_a_selection_that_is_none_is_not_found(administrator: Client, ids: str) -> None:
    response = administrator.get("/admin/updates/update/decide/approve/", {"ids": ids})
    assert response.status_code == HTTPStatus.NOT_FOUND


def test_there_is_no_other_decision(administrator: Client) -> None:
    response = administrator.get("/admin/updates/update/decide/destroy/", {"ids": "1"})
    assert response.status_code == HTTPStatus.NOT_FOUND
