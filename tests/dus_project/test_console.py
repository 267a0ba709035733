"""The console's frame: tabs, accounts, languages, the switch for offers, and what each account may see."""

import re
from http import HTTPStatus

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.builders import make_device, make_user
from updates.models import LedgerEntry, ServiceState

pytestmark = pytest.mark.django_db


def tabs_of(page: str) -> list[str]:
    return re.findall(r"<a [^>]*>([^<]+)</a>", page.partition('<nav class="tabs"')[2].partition("</nav>")[0])


def text_of(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == HTTPStatus.OK
    return response.content.decode()


def enabled() -> bool:
    return ServiceState.objects.get().offers_enabled


def test_the_tabs_are_those_of_the_service(client: Client) -> None:
    client.force_login(make_user(groups=("Viewers",)))
    assert tabs_of(text_of(client, "/admin/")) == [
        "Dashboard",
        "Pending Updates",
        "Deployed Updates",
        "Test Devices",
        "Packages",
        "Devices",
        "History",
    ]


@pytest.mark.parametrize(
    ("url", "tab"),
    [
        ("/admin/", "Dashboard"),
        ("/admin/updates/pendingupdate/?q=x", "Pending Updates"),
        ("/admin/updates/deployedupdate/", "Deployed Updates"),
        ("/admin/devices/device/", "Devices"),
        ("/admin/updates/ledgerentry/", "History"),
    ],
)
def test_the_current_tab_is_marked(client: Client, url: str, tab: str) -> None:
    client.force_login(make_user(groups=("Viewers",)))
    assert re.findall(r'aria-current="page">([^<]+)<', text_of(client, url)) == [tab]


def test_a_tab_that_an_account_may_not_open_is_not_shown(client: Client) -> None:
    client.force_login(make_user("updates.view_package"))
    assert tabs_of(text_of(client, "/admin/")) == ["Dashboard", "Packages"]


def test_users_and_groups_are_for_those_who_may_see_them(client: Client) -> None:
    client.force_login(make_user(groups=("Approvers",)))
    assert "/admin/auth/user/" not in text_of(client, "/admin/")
    client.force_login(make_user(groups=("Administrators",)))
    assert "/admin/auth/user/" in text_of(client, "/admin/")


@pytest.mark.parametrize("label", ["auth", "devices", "updates"])
def test_an_applications_page_leads_to_the_dashboard(client: Client, label: str) -> None:
    client.force_login(make_user(groups=("Viewers",)))
    assert client.get(f"/admin/{label}/")["Location"] == "/admin/"


def test_the_language_is_switched_on_the_page_where_one_is(client: Client) -> None:
    client.force_login(make_user(groups=("Viewers",)))
    there = "/admin/updates/pendingupdate/"
    response = client.post("/i18n/setlang/", {"language": "ja", "next": there})
    assert response["Location"] == there
    page = text_of(client, there)
    assert '<html lang="ja"' in page
    assert "保留中の更新" in page


def test_nobody_gets_in_without_an_account_of_the_console(client: Client) -> None:
    assert client.get("/admin/")["Location"].startswith("/admin/login/")
    client.force_login(User.objects.create_user("phone"))
    assert client.get("/admin/")["Location"].startswith("/admin/login/")
    assert "tabs" not in text_of(client, "/admin/login/").partition("<body")[2]


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere(client: Client) -> None:
    policy = client.get("/admin/login/")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_turning_offers_off_asks_first(client: Client) -> None:
    make_device()
    make_device()
    client.force_login(make_user(groups=("Administrators",)))
    assert "All 2 known devices will be told" in text_of(client, "/admin/offers/")
    assert enabled()


def test_turned_off_offers_are_recorded_and_shown_on_every_page(client: Client) -> None:
    client.force_login(make_user(groups=("Administrators",), name="hana"))
    client.post("/admin/offers/", {"enabled": "no", "reason": "storm"})
    assert not enabled()
    entry = LedgerEntry.objects.get()
    assert (entry.actor_name, entry.reason) == ("hana", "storm")
    for url in ("/admin/", "/admin/updates/pendingupdate/", "/admin/devices/device/", "/admin/auth/user/"):
        assert "Offers are turned off." in text_of(client, url)
    client.post("/admin/offers/", {"enabled": "yes"})
    assert enabled()
    text_of(client, "/admin/")
    assert "No device is offered any update." not in text_of(client, "/admin/")


def test_switching_what_is_switched_says_so(client: Client) -> None:
    client.force_login(make_user(groups=("Administrators",)))
    response = client.post("/admin/offers/", {"enabled": "yes"}, follow=True)
    assert "Nothing changed" in response.content.decode()
    assert not LedgerEntry.objects.exists()


@pytest.mark.parametrize("group", ["Viewers", "Operators", "Approvers"])
def test_without_the_permission_offers_are_not_switched(client: Client, group: str) -> None:
    client.force_login(make_user(groups=(group,)))
    assert "/admin/offers/" not in text_of(client, "/admin/")
    assert client.get("/admin/offers/").status_code == HTTPStatus.FORBIDDEN
    assert client.post("/admin/offers/", {"enabled": "no"}).status_code == HTTPStatus.FORBIDDEN
    assert enabled()


def test_errors_have_a_page_of_the_console(client: Client) -> None:
    client.force_login(make_user(groups=("Viewers",)))
    missing = client.get("/admin/nowhere/at/all")
    assert missing.status_code == HTTPStatus.NOT_FOUND
    assert "There is no such page" in missing.content.decode()
    assert "You may not do this" in client.get("/admin/offers/").content.decode()
