"""The page of an update: everything about it in one place, and nothing to edit."""

from http import HTTPStatus

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from tests.builders import make_device, make_update, make_user
from updates.domain.lifecycle import State
from updates.models import Delivery, Update
from updates.services import decisions

pytestmark = pytest.mark.django_db


def url(update: Update) -> str:
    return f"/admin/updates/update/{update.pk}/change/"


def deliver(update: Update, *, fetched: bool = False, installed: bool = False) -> Delivery:
    now = timezone.now()
    return Delivery.objects.create(
        device=make_device(),
        update=update,
        from_version="1.0.199.123",
        offered_at=now,
        last_offered_at=now,
        fetched_at=now if fetched else None,
        installed_at=now if installed else None,
    )


def test_it_shows_the_facts_the_files_the_history_and_the_deliveries(client: Client) -> None:
    update = make_update()
    decisions.approve([update.pk], by=make_user(groups=("Approvers",), name="hana"), reason="Ran for a week")
    deliver(update)
    deliver(update, fetched=True)
    last = deliver(update, fetched=True, installed=True)
    client.force_login(make_user(groups=("Viewers",)))
    page = client.get(url(update)).content.decode()
    for expected in (
        update.version,
        update.package.file_name,
        *(file.sha256 for file in update.files.all()),
        "hana",
        "Ran for a week",
        "offered to 3, fetched by 2, installed on 1",
        last.device.mac,
    ):
        assert expected in page


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        (State.PENDING, ["approve", "reject"]),
        (State.APPROVED, ["roll_back"]),
        (State.SUPERSEDED, ["remove"]),
        (State.REJECTED, ["remove"]),
    ],
)
def test_its_buttons_fit_its_state(client: Client, state: State, offered: list[str]) -> None:
    update = make_update("1.0", state)
    client.force_login(make_user(groups=("Administrators",)))
    page = client.get(url(update)).content.decode()
    assert [
        name for name in ("approve", "reject", "roll_back", "remove") if f"/decide/{name}/" in page
    ] == offered


def test_a_viewer_has_no_buttons(client: Client) -> None:
    update = make_update()
    client.force_login(make_user(groups=("Viewers",)))
    assert "/decide/" not in client.get(url(update)).content.decode()


def test_deliveries_come_in_pages(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("updates.admin.updates.DELIVERY_ROWS", 2)
    update = make_update()
    macs = [deliver(update).device.mac for _number in range(3)]
    client.force_login(make_user(groups=("Viewers",)))
    page = client.get(url(update) + "?page=2").content.decode()
    assert [mac for mac in macs if mac in page] == macs[:1]


def test_its_cost_does_not_grow_with_the_deliveries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    update = make_update()
    deliver(update)
    client.force_login(make_user(groups=("Viewers",)))
    queries = 11
    with django_assert_num_queries(queries):
        client.get(url(update))
    for _number in range(5):
        deliver(update)
    with django_assert_num_queries(queries):
        client.get(url(update))


def test_nothing_is_saved_by_posting_to_it(client: Client) -> None:
    update = make_update()
    client.force_login(make_user(groups=("Administrators",)))
    response = client.post(url(update), {"version": "9.9", "state": "approved"})
    assert response.status_code == HTTPStatus.METHOD_NOT_ALLOWED
    update.refresh_from_db()
    assert (update.version, update.state) == ("1.0.522.101", State.PENDING)


def test_without_the_permission_to_see_updates_there_is_no_page(client: Client) -> None:
    client.force_login(make_user("updates.view_package"))
    assert client.get(url(make_update())).status_code == HTTPStatus.FORBIDDEN


def test_a_removed_updates_address_leads_to_the_list_and_says_so(client: Client) -> None:
    client.force_login(make_user(groups=("Viewers",)))
    response = client.get("/admin/updates/update/4711/change/", follow=True)
    assert response.redirect_chain[-1][0] == "/admin/updates/update/"
    assert "There is no such update" in response.content.decode()
