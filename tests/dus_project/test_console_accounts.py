"""Accounts in the console: Django's own pages, and no way up for who is no superuser."""

from http import HTTPStatus

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from tests.builders import make_user

LIST = "/admin/auth/user/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(client: Client) -> Client:
    client.force_login(make_user(groups=("Administrators",), name="hana"))
    return client


def fields(user: User, **changes: object) -> dict[str, object]:
    return {"username": user.username, "is_active": "on", "is_staff": "on", **changes}


def test_accounts_are_listed_and_found(administrator: Client) -> None:
    make_user(name="ken")
    make_user(name="mio")
    response = administrator.get(LIST, {"q": "ken"})
    assert response.status_code == HTTPStatus.OK
    assert "ken" in response.content.decode()
    assert "mio" not in response.content.decode()


def test_an_account_is_made_and_put_into_a_group(administrator: Client) -> None:
    added = {"username": "ken", "password1": "a long password", "password2": "a long password"}
    administrator.post(f"{LIST}add/", added | {"usable_password": "true"})
    ken = User.objects.get(username="ken")
    group = Group.objects.get(name="Approvers")
    administrator.post(f"{LIST}{ken.pk}/change/", fields(ken, groups=[group.pk]))
    assert list(ken.groups.all()) == [group]


def test_an_administrator_makes_no_superuser(administrator: Client) -> None:
    ken = make_user(name="ken")
    administrator.post(f"{LIST}{ken.pk}/change/", fields(ken, is_superuser="on", first_name="Ken"))
    ken.refresh_from_db()
    assert ken.first_name == "Ken"
    assert not ken.is_superuser


@pytest.mark.parametrize("path", ["change/", "delete/", "password/"])
def test_an_administrator_touches_no_superuser(administrator: Client, path: str) -> None:
    root = User.objects.create_superuser("root", password="correct horse")
    data = fields(root, post="yes", password1="another one", password2="another one", usable_password="true")
    response = administrator.post(f"{LIST}{root.pk}/{path}", data)
    assert response.status_code == HTTPStatus.FORBIDDEN
    root.refresh_from_db()
    assert root.check_password("correct horse")


def test_a_superuser_may_make_another(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    ken = make_user(name="ken")
    client.post(f"{LIST}{ken.pk}/change/", fields(ken, is_superuser="on"))
    ken.refresh_from_db()
    assert ken.is_superuser


@pytest.mark.parametrize("group", ["Viewers", "Operators", "Approvers"])
def test_others_see_no_accounts(client: Client, group: str) -> None:
    client.force_login(make_user(groups=(group,)))
    assert client.get(LIST).status_code == HTTPStatus.FORBIDDEN


def test_a_group_offers_the_permissions_that_mean_something_here(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    group = Group.objects.get(name="Approvers")
    page = client.get(f"/admin/auth/group/{group.pk}/change/").content.decode()
    assert "Can approve updates" in page
    assert "Can add session" not in page


def test_one_changes_ones_own_password(administrator: Client) -> None:
    data = {
        "old_password": "correct horse",
        "new_password1": "battery staple",
        "new_password2": "battery staple",
    }
    administrator.post("/admin/password_change/", data)
    assert User.objects.get(username="hana").check_password("battery staple")
