"""Chromium, logged in to a real service, with an eye on everything its console says."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.browser.service import PASSWORD, USER, Service, running

Open = Callable[..., Page]
CheckAccessibility = Callable[[Page], list[str]]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("state")) as started:
        yield started


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("DUS_TEST_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("no Chromium: install the package chromium, or set DUS_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def logged_in(browser: Browser, service: Service) -> Any:
    """The cookies of somebody who has logged in."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{service.url}/admin/login/")
    page.fill("#id_username", USER)
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")
    page.wait_for_url("**/admin/")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def open_page(browser: Browser, service: Service, logged_in: Any) -> Iterator[Open]:
    """Opens a path of the console; at the end the browser's console must have stayed empty."""
    said: list[str] = []
    contexts: list[BrowserContext] = []

    def listen(message: ConsoleMessage) -> None:
        said.append(f"{message.type}: {message.text}")

    def open_path(path: str, *, width: int = 1280, locale: str = "en-US", dark: bool = False) -> Page:
        context = browser.new_context(
            storage_state=logged_in,
            viewport={"width": width, "height": 800},
            locale=locale,
            color_scheme="dark" if dark else "light",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(service.url + path)
        return page

    yield open_path
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture(scope="session")
def accessibility_problems() -> CheckAccessibility:
    """Asks axe-core what is wrong with a page; each problem as its rule and the first element."""
    path = Path(os.environ.get("DUS_TEST_AXE") or Path(__file__).with_name("axe.min.js"))
    source = path.read_text()

    def check(page: Page) -> list[str]:
        page.evaluate(source)
        # Without preload: it would write style elements, which the page's policy refuses.
        result = page.evaluate("axe.run({preload: false})")
        return [f"{found['id']}: {found['nodes'][0]['target']}" for found in result["violations"]]

    return check
