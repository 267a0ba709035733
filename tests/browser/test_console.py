"""Every page of the console, light and dark, English and Japanese, on a desk and on a phone.

A page is as it should be when axe-core finds nothing, the browser's console stays empty under the strict policy,
and the page does not scroll sideways.
"""

import os
import subprocess
import sys

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import CheckAccessibility, Open
from tests.browser.service import ROOT, Service

PAGES = (
    "/admin/",
    "/admin/offers/",
    "/admin/updates/pendingupdate/",
    "/admin/updates/pendingupdate/?q=nothing",
    "/admin/updates/deployedupdate/",
    "/admin/updates/update/",
    "/admin/updates/update/2/change/",
    "/admin/updates/update/3/change/",
    "/admin/updates/update/decide/approve/?ids=3,6,9,999",
    "/admin/updates/update/decide/reject/?ids=3,6",
    "/admin/updates/update/decide/roll_back/?ids=2,5",
    "/admin/updates/update/decide/remove/?ids=1,13",
    "/admin/updates/package/",
    "/admin/updates/package/1/change/",
    "/admin/updates/package/add/",
    "/admin/updates/ledgerentry/",
    "/admin/updates/ledgerentry/1/change/",
    "/admin/devices/device/",
    "/admin/devices/device/1/change/",
    "/admin/devices/testdevice/",
    "/admin/devices/testdevice/add/",
    "/admin/devices/testdevice/1/change/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/auth/user/1/change/",
    "/admin/auth/group/",
    "/admin/auth/group/1/change/",
    "/admin/password_change/",
)
SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def filled(service: Service) -> Service:
    """The service with something on every page."""
    environment = os.environ | {
        "DUS_STATE_DIR": str(service.state),
        "DUS_ENV_FILE": os.devnull,
        "DJANGO_SETTINGS_MODULE": "dus_project.settings.base",
    }
    environment.pop("DUS_DATABASE_URL", None)
    command = [sys.executable, "-m", "tests.browser.sample"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return service


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_is_accessible_quiet_and_fits(
    filled: Service,
    open_page: Open,
    accessibility_problems: CheckAccessibility,
    dark: bool,  # noqa: FBT001 - pytest names the case by it
    locale: str,
    width: int,
) -> None:
    page = open_page("/admin/", width=width, locale=locale, dark=dark)
    problems: dict[str, list[str]] = {}
    for path in PAGES:
        response = page.goto(filled.url + path)
        assert response is not None
        found = accessibility_problems(page)
        if not response.ok:
            found.append(f"answered {response.status}")
        if page.evaluate(SIDEWAYS):
            found.append("scrolls sideways")
        if found:
            problems[path] = found
    assert problems == {}


def _choose(page: Page, count: int) -> None:
    for box in page.locator("input.action-select").all()[:count]:
        box.check()


def test_updates_are_chosen_and_approved_with_a_reason(filled: Service, open_page: Open) -> None:
    page = open_page("/admin/updates/pendingupdate/")
    _choose(page, 2)
    expect(page.locator(".action-counter")).to_contain_text("2 of 4 selected")
    page.get_by_role("button", name="Approve…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Approve these updates?")
    expect(page.locator(".badge.downgrade")).to_have_count(2)
    page.get_by_label("Reason").fill("The newer one breaks the hook switch")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".messagelist")).to_contain_text("2 updates were approved.")
    page.goto(filled.url + "/admin/updates/ledgerentry/?action__exact=approved&q=hook+switch")
    expect(page.locator("#result_list tbody tr")).to_have_count(2)


def test_the_language_and_the_theme_are_switched_in_the_header(filled: Service, open_page: Open) -> None:
    page = open_page("/admin/updates/deployedupdate/")
    page.get_by_role("button", name="日本語").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("展開済みの更新")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator(".theme-toggle").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_a_filter_opens_over_the_list_and_closes_with_escape(filled: Service, open_page: Open) -> None:
    page = open_page("/admin/updates/pendingupdate/")
    model = page.locator("details.filter", has_text="Model").first
    model.locator("summary").click()
    expect(model.get_by_role("link", name="CX600")).to_be_visible()
    page.keyboard.press("Escape")
    expect(model.get_by_role("link", name="CX600")).to_be_hidden()


def test_the_sha_256_of_a_file_is_copied(filled: Service, open_page: Open) -> None:
    page = open_page("/admin/updates/update/3/change/")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    row = page.locator("tr", has_text="CPE.nbt")
    row.get_by_role("button").click()
    expect(row.get_by_role("button")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == row.locator("code").inner_text()
