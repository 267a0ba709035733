"""Packages through the browser: from choosing a file to a pending update, without reloading."""

import base64
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import CheckAccessibility, Open
from tests.builders import member_path
from tests.cabs import cab, samples_folder

ADD = "/admin/updates/package/add/"
LIST = "/admin/updates/package/"
EXTRACTION_MS = 30_000
pytestmark = pytest.mark.browser

# A drop as the browser makes it: the files are in the event, and the page never sees a file chooser.
DROP = """([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  const target = document.getElementById("drop");
  ["dragenter", "dragover", "drop"].forEach((kind) => target.dispatchEvent(
    new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: transfer})));
}"""


def package(folder: Path, name: str, *, version: str, flat: bool = False) -> Path:
    """A package with an update of `version`, or with files that name no update."""
    names = ["CPE.nbt", "readme.txt"] if flat else [member_path("CPE.nbt", version=version)]
    path = folder / name
    path.write_bytes(cab([(one, f"{one} {version}".encode() * 500) for one in names]))
    return path


def expect_state(page: Page, name: str, state: str) -> None:
    found = page.locator("#uploads > li").filter(has_text=name)
    expect(found).to_have_attribute("data-state", state, timeout=EXTRACTION_MS)


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return wide


def test_chosen_and_dropped_packages_go_from_upload_to_ready_without_reloading(
    open_page: Open, tmp_path: Path, accessibility_problems: CheckAccessibility
) -> None:
    first = package(tmp_path, "first.cab", version="1.1")
    second = package(tmp_path, "second.cab", version="1.2")
    third = package(tmp_path, "third.cab", version="1.3")
    page = open_page(ADD)
    page.evaluate("window.neverReloaded = true")

    page.set_input_files("#files", [str(first), str(second)])
    page.evaluate(DROP, ["third.cab", base64.b64encode(third.read_bytes()).decode()])
    for name in ("first.cab", "second.cab", "third.cab"):
        expect_state(page, name, "ready")

    expect(page.get_by_role("status")).to_contain_text("third.cab: Ready")
    expect(page.locator("#uploads .note").first).to_contain_text("Updates: 1")
    for bar in page.locator("#uploads progress").all():
        assert bar.evaluate("bar => bar.position") == 1
    assert page.evaluate("window.neverReloaded") is True
    assert accessibility_problems(page) == []

    page.get_by_role("link", name="Open the package first.cab").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("first.cab")
    expect(page.locator("#content")).to_contain_text("UCPhone / Polycom / CX700 / A / ENU")
    assert accessibility_problems(page) == []


def test_the_same_bytes_lead_to_the_package_that_exists(open_page: Open, tmp_path: Path) -> None:
    original = package(tmp_path, "original.cab", version="2.1")
    page = open_page(ADD)
    page.set_input_files("#files", str(original))
    expect_state(page, "original.cab", "ready")

    copy = tmp_path / "copy.cab"
    copy.write_bytes(original.read_bytes())
    page.set_input_files("#files", str(copy))
    expect_state(page, "copy.cab", "ready")

    note = page.locator("#uploads > li").filter(has_text="copy.cab").locator(".note")
    expect(note).to_contain_text("uploaded before")
    page.get_by_role("link", name="Open the package copy.cab").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("original.cab")


def test_a_bad_package_fails_with_its_findings_and_can_be_retried(
    open_page: Open, tmp_path: Path, accessibility_problems: CheckAccessibility
) -> None:
    bad = tmp_path / "letter.cab"
    bad.write_text("Dear customer, this is no cabinet.")
    page = open_page(ADD)
    page.set_input_files("#files", str(bad))
    expect_state(page, "letter.cab", "failed")
    page.get_by_role("link", name="Open the package letter.cab").click()

    expect(page.locator("section", has_text="Findings").locator(".badge.failure").first).to_be_visible()
    assert accessibility_problems(page) == []
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("cell", name="Package failed", exact=True)).to_have_count(
        2, timeout=EXTRACTION_MS
    )


def test_what_cannot_be_uploaded_says_why_and_sends_nothing(open_page: Open, tmp_path: Path) -> None:
    empty = tmp_path / "empty.cab"
    empty.touch()
    page = open_page(ADD)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)

    page.set_input_files("#files", str(empty))

    expect(page.locator("#uploads .note")).to_contain_text("The file is empty")
    expect(page.locator("#uploads .cancel")).to_be_hidden()
    assert sent == []


def test_a_cancelled_upload_leaves_nothing_and_can_be_tried_again(open_page: Open, tmp_path: Path) -> None:
    large = tmp_path / "large.cab"
    large.write_bytes(b"\0" * (80 << 20))
    waiting = package(tmp_path, "waiting.cab", version="3.1")
    page = open_page(ADD)
    # As slow as a bad line, so that there is time to change one's mind.
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 1 << 20}
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", slow)
    page.set_input_files("#files", [str(large), str(waiting)])
    expect(page.locator("#uploads .sending").first).not_to_have_attribute("value", "0")

    page.get_by_role("button", name="Cancel waiting.cab").press("Enter")
    page.get_by_role("button", name="Cancel large.cab").press("Enter")

    expect(page.locator("#uploads .badge")).to_have_text([re.compile("Cancelled")] * 2)
    expect(page.get_by_role("button", name="Try again large.cab")).to_be_focused()
    network.send("Network.emulateNetworkConditions", slow | {"uploadThroughput": -1})
    page.get_by_role("button", name="Try again waiting.cab").click()
    expect_state(page, "waiting.cab", "ready")
    page.goto(page.url.replace("add/", ""))
    expect(page.locator("#result_list")).to_contain_text("waiting.cab")
    expect(page.locator("#result_list")).not_to_contain_text("large.cab")


def test_files_that_name_no_update_are_assigned_by_hand(
    open_page: Open, tmp_path: Path, accessibility_problems: CheckAccessibility
) -> None:
    sample = samples_folder() / "uc" / "flat-unmapped-4.0.7577.4066.cab"
    flat = sample if sample.is_file() else package(tmp_path, "flat.cab", version="", flat=True)
    page = open_page(ADD)
    page.set_input_files("#files", str(flat))
    expect_state(page, flat.name, "ready")
    page.get_by_role("link", name="Open the package").click()

    page.get_by_role("checkbox", name="CPE.nbt").check()
    parts = {
        "Device type (family)": "UCPhone",
        "Brand": "Acme",
        "Model": "T1",
        "Revision": "A",
        "Locale": "JPN",
    }
    for label, text in parts.items():
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_label("Version").fill("four point zero")
    page.get_by_role("button", name="Make a pending update").click()

    version = page.get_by_label("Version")
    expect(version).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".field.wrong")).to_contain_text("other characters than letters")
    expect(page.get_by_role("checkbox", name="CPE.nbt")).to_be_checked()
    assert accessibility_problems(page) == []

    version.fill("4.0.7577.4066")
    page.get_by_role("button", name="Make a pending update").click()
    update = page.get_by_role("link", name="UCPhone / Acme / T1 / A / JPN").first
    expect(update).to_be_visible()
    expect(page.locator(".messagelist")).to_contain_text("is a pending update now")
    expect(page.get_by_role("checkbox", name="CPE.nbt")).to_have_count(0)
    assert accessibility_problems(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
def test_pages_fit_a_phone_in_both_languages_and_colour_schemes(
    open_page: Open, accessibility_problems: CheckAccessibility, locale: str, scheme: str
) -> None:
    for path in (ADD, LIST, *(f"/admin/devices/testdevice/{part}" for part in ("", "add/", "import/"))):
        page = open_page(path, width=390, locale=locale, dark=scheme == "dark")
        expect(page.locator("html")).to_have_attribute("lang", locale.partition("-")[0])
        assert sideways(page) <= 0
        assert accessibility_problems(page) == []


def test_a_test_device_is_refused_beside_its_field_and_then_added(
    open_page: Open, accessibility_problems: CheckAccessibility
) -> None:
    page = open_page("/admin/devices/testdevice/add/")
    page.get_by_label("Identifier:").fill("00-15:5D")
    page.get_by_label("Name:").fill("Lab phone")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator(".errorlist")).to_contain_text("neither a MAC address")
    assert accessibility_problems(page) == []
    page.get_by_label("Identifier:").fill("00155d0a0b0c")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator("#result_list")).to_contain_text("00-15-5D-0A-0B-0C")
    assert accessibility_problems(page) == []
