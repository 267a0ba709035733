"""History in the console: everybody who may see it reads it; nobody adds, changes or deletes anything."""

from http import HTTPStatus

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.builders import make_update, make_user
from updates import ledger
from updates.domain.lifecycle import Action, State
from updates.models import LedgerEntry, Update
from updates.services import decisions

LIST = "/admin/updates/ledgerentry/"
pytestmark = pytest.mark.django_db


def decide(version: str, *, by: User, reason: str = "") -> Update:
    update = make_update(version, State.PENDING)
    decisions.reject([update.pk], by=by, reason=reason)
    return update


@pytest.fixture
def hana() -> User:
    return make_user(groups=("Approvers",), name="hana")


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(make_user(groups=("Viewers",)))
    return client


def page(client: Client, query: str = "") -> str:
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == HTTPStatus.OK
    return response.content.decode()


def test_it_lists_who_did_what_when_and_why(viewer: Client, hana: User) -> None:
    update = decide("1.0", by=hana, reason="Breaks the hook switch")
    text = page(viewer)
    assert "Rejected" in text
    assert "hana" in text
    assert "Breaks the hook switch" in text
    assert f"/admin/updates/update/{update.pk}/change/" in text


def test_an_entry_about_an_update_that_is_gone_keeps_its_words_without_a_link(
    viewer: Client, hana: User
) -> None:
    update = decide("1.0", by=hana)
    decisions.remove([update.pk], by=None)
    text = page(viewer)
    assert str(update) in text
    assert f"/admin/updates/update/{update.pk}/" not in text


def test_it_is_filtered_by_action_who_and_date_and_searched(viewer: Client, hana: User) -> None:
    decide("1.0", by=hana, reason="first")
    ledger.record(ledger.Entry(action=Action.OFFERS_DISABLED, subject="service", reason="second"), by=None)
    for query in ("action__exact=rejected", "actor_name=hana", "q=first"):
        text = page(viewer, query)
        assert "first" in text
        assert "second" not in text
    assert "first" not in page(viewer, "at__year=1999")


def test_an_entry_can_be_read_alone(viewer: Client, hana: User) -> None:
    decide("1.0", by=hana, reason="Breaks the hook switch")
    entry = LedgerEntry.objects.get()
    response = viewer.get(f"{LIST}{entry.pk}/change/")
    assert response.status_code == HTTPStatus.OK
    assert "Breaks the hook switch" in response.content.decode()
    assert 'name="_save"' not in response.content.decode()


@pytest.mark.parametrize("path", ["add/", "{pk}/change/", "{pk}/delete/"])
def test_not_even_a_superuser_adds_changes_or_deletes(client: Client, hana: User, path: str) -> None:
    decide("1.0", by=hana, reason="kept")
    entry = LedgerEntry.objects.get()
    client.force_login(User.objects.create_superuser("root"))
    response = client.post(LIST + path.format(pk=entry.pk), {"post": "yes", "reason": "changed"})
    assert response.status_code == HTTPStatus.FORBIDDEN
    assert LedgerEntry.objects.get().reason == "kept"


def test_entries_cannot_be_selected_for_deletion(client: Client, hana: User) -> None:
    decide("1.0", by=hana)
    client.force_login(User.objects.create_superuser("root"))
    client.post(LIST, {"action": "delete_selected", "_selected_action": [1], "post": "yes"})
    assert LedgerEntry.objects.count() == 1


def test_without_the_permission_it_is_not_shown(client: Client) -> None:
    client.force_login(make_user("updates.view_update"))
    assert client.get(LIST).status_code == HTTPStatus.FORBIDDEN


def test_its_cost_does_not_grow_with_its_length(
    viewer: Client, hana: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    decide("1.0", by=hana)
    queries = 10
    with django_assert_num_queries(queries):
        page(viewer)
    for number in range(2, 6):
        decide(f"{number}.0", by=hana)
    with django_assert_num_queries(queries):
        page(viewer)
