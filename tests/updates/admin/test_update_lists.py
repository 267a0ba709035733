"""Pending Updates, Deployed Updates and all updates: what they list, find, sort and lead to."""

import re
from http import HTTPStatus

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from devices.identity import DeviceTypeKey
from tests.builders import CX700, UpdateShape, make_device, make_update, make_user
from updates.domain.lifecycle import State

PENDING = "/admin/updates/pendingupdate/"
DEPLOYED = "/admin/updates/deployedupdate/"
ALL = "/admin/updates/update/"
APPROVERS = ("Approvers",)
CX600 = DeviceTypeKey("UCPhone", "Polycom", "CX600", "A", "JPN")

pytestmark = pytest.mark.django_db


def console(client: Client, *groups: str) -> Client:
    client.force_login(make_user(groups=groups or ("Viewers",)))
    return client


def text_of(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == HTTPStatus.OK
    return response.content.decode()


def rows_of(page: str) -> list[str]:
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in body.split("<tr>")[1:]]
    return [" | ".join(re.sub(r"<[^>]+>", "", cell).strip() for cell in row) for row in cells]


def test_the_pending_list_shows_the_columns_of_the_originals_rules(client: Client) -> None:
    approved = make_update("1.0.199.123", State.SUPERSEDED)
    make_update("1.0.522.101", State.APPROVED, previous=approved)
    make_update("3.5.6907.35")
    make_device()
    make_device()
    page = text_of(console(client), PENDING)
    assert rows_of(page) == ["UCPhone | Polycom | CX700 | A | ENU | CPE | 3.5.6907.35 | 1.0.522.101 | – | 2"]


def test_the_deployed_list_names_the_version_to_restore(client: Client) -> None:
    approved = make_update("1.0.199.123", State.SUPERSEDED)
    make_update("1.0.522.101", State.APPROVED, previous=approved)
    make_update("3.5.6907.35")
    page = text_of(console(client), DEPLOYED)
    assert rows_of(page) == [
        "UCPhone | Polycom | CX700 | A | ENU | CPE | 1.0.522.101 | 1.0.522.101 | 1.0.199.123 | 0"
    ]


def test_all_updates_are_those_that_are_published(client: Client) -> None:
    for version, state in (("1", State.REJECTED), ("2", State.SUPERSEDED), ("3", State.PENDING)):
        make_update(version, state)
    make_update("9", State.IMPORTING)
    page = text_of(console(client), ALL)
    assert "Rejected" in page
    assert "Superseded" in page
    assert len(rows_of(page)) == 3


@pytest.mark.parametrize(
    "query",
    [
        "q=3.5.6907",
        "q=cx600",
        "device_type__model=CX600",
        "device_type__locale=JPN",
        "update_type=LOADER",
        "device_type__family=UCPhone&device_type__brand=Polycom&device_type__revision=A&q=LOADER",
    ],
)
def test_a_list_is_searched_and_filtered(client: Client, query: str) -> None:
    make_update(shape=UpdateShape(version="3.5.6907.35", key=CX600, update_type="LOADER"))
    make_update("1.0.522.101")
    rows = rows_of(text_of(console(client), f"{PENDING}?{query}"))
    assert len(rows) == 1
    assert "CX600" in rows[0]


def test_all_updates_are_filtered_by_state(client: Client) -> None:
    make_update("1", State.REJECTED)
    make_update("2", State.PENDING)
    rows = rows_of(text_of(console(client), f"{ALL}?state__exact=rejected"))
    assert len(rows) == 1
    assert "Rejected" in rows[0]


def test_versions_are_sorted_by_their_numbers(client: Client) -> None:
    for version in ("1.10.0", "1.9.0", "1.100.0"):
        make_update(version, State.SUPERSEDED)
    column = 6
    rows = rows_of(text_of(console(client), f"{ALL}?o={column}"))
    assert [row.split(" | ")[6] for row in rows] == ["1.9.0", "1.10.0", "1.100.0"]


def test_a_row_leads_to_the_updates_page_which_keeps_its_address(client: Client) -> None:
    update = make_update()
    response = console(client).get(f"{PENDING}{update.pk}/change/")
    assert response["Location"] == f"{ALL}{update.pk}/change/"


@pytest.mark.parametrize(
    ("group", "url", "offered"),
    [
        ("Viewers", PENDING, []),
        ("Operators", PENDING, []),
        ("Approvers", PENDING, ["approve", "reject"]),
        ("Approvers", DEPLOYED, ["roll_back"]),
        ("Approvers", ALL, ["approve", "reject", "roll_back"]),
        ("Administrators", ALL, ["approve", "reject", "roll_back", "remove"]),
    ],
)
def test_decisions_are_offered_to_those_who_may_take_them(
    client: Client, group: str, url: str, offered: list[str]
) -> None:
    make_update("1.0", State.APPROVED)
    make_update("2.0")
    page = text_of(console(client, group), url)
    assert re.findall(r'name="action"\s+value="(\w+)"', page) == offered


def test_a_chosen_decision_leads_to_the_page_that_asks(client: Client) -> None:
    first, second = make_update(), make_update(shape=UpdateShape(key=CX600))
    response = console(client, "Approvers").post(
        PENDING, {"action": "approve", "_selected_action": [first.pk, second.pk]}
    )
    assert response.status_code == HTTPStatus.FOUND
    assert response["Location"].startswith(f"{ALL}decide/approve/?ids=")
    first.refresh_from_db()
    assert first.state == State.PENDING


def test_a_decision_without_the_permission_is_not_even_asked_about(client: Client) -> None:
    update = make_update()
    response = console(client).post(PENDING, {"action": "approve", "_selected_action": [update.pk]})
    assert "decide" not in response.headers.get("Location", "")
    update.refresh_from_db()
    assert update.state == State.PENDING


def test_more_updates_than_fit_one_page_are_not_decided_at_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("updates.admin.decisions.MAX_SELECTED", 1)
    chosen = [make_update().pk, make_update(shape=UpdateShape(key=CX600)).pk]
    response = console(client, "Approvers").post(
        PENDING, {"action": "approve", "_selected_action": chosen}, follow=True
    )
    assert "Select at most 1 updates at a time." in response.content.decode()


@pytest.mark.parametrize("url", [PENDING, DEPLOYED, ALL])
def test_a_list_costs_the_same_whatever_its_length(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries, url: str
) -> None:
    console(client, "Administrators")
    keys = [DeviceTypeKey("UCPhone", "Polycom", f"CX{number}", "A", "ENU") for number in range(6)]
    make_update(shape=UpdateShape(key=CX700))
    make_update("9.0", State.APPROVED)
    queries = 13
    with django_assert_num_queries(queries):
        client.get(url)
    for key in keys:
        make_update(shape=UpdateShape(version="2.0", key=key))
        make_update(shape=UpdateShape(version="1.0", key=key, state=State.APPROVED))
    with django_assert_num_queries(queries):
        client.get(url)


@pytest.mark.parametrize("url", [PENDING, DEPLOYED, ALL])
def test_updates_are_neither_added_nor_deleted_by_hand(client: Client, url: str) -> None:
    update = make_update()
    console(client, "Administrators")
    assert client.post(f"{url}add/", {"version": "1"}).status_code == HTTPStatus.FORBIDDEN
    deleted = client.post(f"{url}{update.pk}/delete/", {"post": "yes"})
    assert deleted.status_code in {HTTPStatus.FORBIDDEN, HTTPStatus.FOUND}
    update.refresh_from_db()
    assert update.state == State.PENDING


@pytest.mark.parametrize("url", [PENDING, DEPLOYED, ALL])
def test_without_the_permission_to_see_updates_there_is_no_list(client: Client, url: str) -> None:
    client.force_login(make_user("updates.view_package"))
    assert client.get(url).status_code == HTTPStatus.FORBIDDEN
