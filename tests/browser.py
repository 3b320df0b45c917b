"""A real browser, Chromium without a window, that logs in and looks at our pages."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

from playwright.sync_api import Page, sync_playwright

from tests.real.needs import needs

# Without these a Chromium of a test looks for its maker's servers at each start.
SILENT = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
VIEW = {"width": 1200, "height": 760}
PATIENCE = 20_000.0


@dataclass
class Person:
    """Somebody at a browser; what went wrong in their pages is remembered."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.page.goto(self.url.rstrip("/") + path)
        return self.page

    def log_in(self, name: str, password: str) -> Page:
        page = self.go("/login")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(password)
        with page.expect_navigation():
            page.get_by_role("button", name="Log in").click()
        return page


@contextlib.contextmanager
def person_at(url: str) -> Iterator[Person]:
    """A browser with an empty profile. Skips the test where there is no Chromium; in CI it fails instead."""
    needs("chromium")
    arguments = [*SILENT, "--disable-gpu", "--disable-quic"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        try:
            page = browser.new_page(viewport=VIEW)
            page.set_default_timeout(PATIENCE)
            person = Person(page, url)
            page.on("pageerror", lambda error: person.complaints.append(f"{page.url}: {error}"))
            page.on("response", lambda a: person.complaints.append(f"{a.url}: {a.status}") if a.status > 399 else None)
            yield person
        finally:
            browser.close()
