"""A browser for the tests: Debian's chromium, driven without a download of its own; no test reaches a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Visit:
    """A page that was opened, and what it did besides: messages, errors, requests."""

    page: Any
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def quiet(self) -> bool:
        """Nothing was logged and nothing requested beyond the file itself."""
        return not self.messages and not self.requests


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="the tests in a browser need playwright: pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("the tests in a browser need Debian's chromium: apt-get install chromium")
    with sync_api.sync_playwright() as driver:
        # Each launch gets a new profile folder, removed afterwards.
        made = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def visit(browser) -> Iterator[Any]:
    """`visit(path, width=..., dark=..., script=...)` opens a file from disk; any request for anything else fails."""
    contexts = []

    def open_file(
        path: Path, *, width: int = 1280, height: int = 900, dark: bool = False, script: bool = True
    ) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            offline=True,
        )
        contexts.append(context)
        context.set_default_timeout(60_000)  # CI's machine is slow, and many share it
        made = Visit(context.new_page())
        made.page.on("console", lambda message: made.messages.append(message.text))
        made.page.on("pageerror", lambda error: made.messages.append(str(error)))

        def route(route):
            if route.request.url == path.as_uri():
                return route.continue_()
            made.requests.append(route.request.url)
            return route.abort()

        made.page.route("**/*", route)
        made.page.goto(path.as_uri())
        return made

    yield open_file
    for context in contexts:
        context.close()
