"""Pages in a headless Chromium, the system's own, that may fetch nothing and complain of nothing."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

REQUIRED = "BENCH_BROWSER"  # "required": without a browser the tests fail instead of being skipped
OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PHONE, DESKTOP = 400, 1280  # pixels
PAPER = 1032  # pixels between the margins of A4 on its side
Scheme = Literal["light", "dark"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give a browser; skip the test where there is none, unless one is required."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        why = "no Chromium here; on Debian: apt-get install chromium"
        pytest.fail(why) if os.environ.get(REQUIRED) == "required" else pytest.skip(why)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS, headless=True)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, path: Path, width: int = DESKTOP, scheme: Scheme = "light", scripts: bool = True
) -> Iterator[Page]:
    """Give a page of a file; afterwards fail if it asked for anything but that file, or complained."""
    asked: list[str] = []
    complaints: list[str] = []
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=scripts
    )

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if route.request.url.partition("#")[0] == path.as_uri():
            route.continue_()
        else:
            route.abort()

    context.route("**/*", answer)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert asked == [path.as_uri()]
    assert complaints == []
