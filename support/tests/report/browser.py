"""A page as a real browser shows it, where there is one."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.tests.needs import no_program

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
needs_browser = pytest.mark.skipif(not CHROMIUM, reason=no_program("Chromium", "apt-get install chromium"))


class Seen(NamedTuple):
    """A page as the browser shows it."""

    text: str
    title: str
    requests: list[str]
    complaints: list[str]
    overflow: int
    html: Any


def look(browser: Any, path: Path, width: int = 1200, scheme: str = "light") -> Seen:
    """Opens a file."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    asked_for = [url for url in requests if not url.startswith(("data:", path.as_uri()))]
    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return Seen(page.inner_text("body"), page.title(), asked_for, complaints, overflow, page)
