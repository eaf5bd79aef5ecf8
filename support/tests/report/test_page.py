"""The page of a verdict: what it says, in a real browser; it asks for nothing, and shows hostile text as text."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.report.judge import Judgement, judge
from support.report.page import write_page
from support.report.pictures import DASHBOARD, TIMELINE, draw_pictures
from support.rules.canary_words import canary_word
from support.tests.report.folders import ENDED, FINISHED, SELECTED, write
from support.tests.rules.talk import Talk, asked

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
NO_BROWSER = "no Chromium on this machine: apt-get install chromium"
HOSTILE = '<img src=x onerror="document.title=\'taken\'"><script>document.title="taken"</script>\u202e$x^2$'


class Seen(NamedTuple):
    """A page as the browser shows it."""

    text: str
    title: str
    requests: list[str]
    complaints: list[str]
    overflow: int
    html: Any


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


def look(browser: Any, path: Path, width: int = 1200, scheme: str = "light") -> Seen:
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


def paged(folder: Path, talk: Talk | None = None, **session: Any) -> tuple[Judgement, Path]:
    talk = talk or asked().answer().close()
    found = len(talk.findings())
    entry = {**FINISHED, "findings": found, "outcome": "failed" if found else "passed"}
    judgement = judge(write(folder, SELECTED, entry, ENDED, talk=talk, session=session))
    return judgement, write_page(judgement, folder, draw_pictures(judgement, folder))


@pytest.mark.skipif(not CHROMIUM, reason=NO_BROWSER)
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (360, "light"), (360, "dark")])
def test_an_approval_in_a_browser(browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    judgement, path = paged(tmp_path)

    seen = look(browser, path, width, scheme)

    assert (seen.requests, seen.complaints, seen.overflow) == ([], [], 0)
    assert seen.title == "APPROVED: by-hand, validation_session_1767225600"
    assert "This may be released." in seen.text
    assert judgement.decision.reason in seen.text
    for criterion in judgement.decision.criteria:
        assert criterion.id in seen.text
        assert criterion.measured in seen.text
    assert "No rule objected." in seen.text
    assert "It is not slower than the releases before (not examined)" in seen.text
    assert seen.html.evaluate("[...document.querySelectorAll('svg')].map(svg => svg.clientWidth > 300)") == [True, True]


@pytest.mark.skipif(not CHROMIUM, reason=NO_BROWSER)
def test_hostile_text_is_text(browser: Any, tmp_path: Path) -> None:
    talk = asked().started().thinking().completed(result=HOSTILE).close()
    _, path = paged(tmp_path, talk, environment=HOSTILE, versions={"greenlight": HOSTILE})

    seen = look(browser, path)

    assert (seen.requests, seen.complaints) == ([], [])
    assert seen.title.startswith("BLOCKED: <img src=x")
    assert seen.html.evaluate("document.querySelectorAll('script, img[src=x]').length") == 0
    assert "\u202e" not in seen.html.content()


@pytest.mark.skipif(not CHROMIUM, reason=NO_BROWSER)
def test_from_the_page_to_the_frame_in_two_clicks(browser: Any, tmp_path: Path) -> None:
    talk = asked().started().thinking().completed(result="It is dry.").close()
    _, path = paged(tmp_path, talk)
    page = look(browser, path).html

    page.get_by_text("expected an answer with 'rain', got 'It is dry.'").click()
    page.locator("tr.proof summary").last.click()

    assert '"result": "It is dry."' in page.locator("tr.proof pre").last.inner_text()
    assert page.locator("details[open] a[href='evidence/traces/1.jsonl']").first.is_visible()


@pytest.mark.skipif(not CHROMIUM, reason=NO_BROWSER)
def test_it_can_be_used_with_the_keyboard_alone(browser: Any, tmp_path: Path) -> None:
    _, path = paged(tmp_path, asked().started().close("server", 1011))
    page = look(browser, path).html

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the criteria"
    page.locator("section[aria-labelledby=findings] summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("tr.proof").first.is_visible()
    assert page.evaluate("[...document.querySelectorAll('[role=img]')].every(part => part.ariaLabel.length > 20)")


def test_without_a_browser_it_still_names_nothing_outside(tmp_path: Path) -> None:
    _, path = paged(tmp_path, asked().started().thinking().completed(result=HOSTILE).close())
    html = path.read_text(encoding="utf-8")

    without_namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"', "", html)
    assert re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", without_namespaces) == []
    assert "<script" not in html
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_a_canary_is_shown_by_its_owners_name(tmp_path: Path) -> None:
    word = canary_word("Bashir", "abcdefgh")
    _, path = paged(tmp_path, asked().started().thinking().completed(result=f"There is rain, {word}.").close())
    html = path.read_text(encoding="utf-8")

    assert word not in html
    assert "canary of Bashir" in html


def test_pictures_are_files_too_and_all_others_of_the_folder_are_shown(tmp_path: Path) -> None:
    judgement, _ = paged(tmp_path)
    folder = tmp_path / "monitoring/visualizations"
    (folder / "cut_matrix.png").write_bytes((folder / TIMELINE).read_bytes())

    pictures = draw_pictures(judgement, tmp_path)

    names = [picture.name for picture in pictures]
    assert names == ["What people saw, and when", "Performance", "What became of answers whose line was cut"]
    for file in (TIMELINE, DASHBOARD):
        assert (folder / file).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_session_in_which_nothing_ran_has_a_page(tmp_path: Path) -> None:
    folder = write(tmp_path, SELECTED)
    (folder / "evidence/traces/1.jsonl").unlink()
    judgement = judge(folder)

    html = write_page(judgement, folder, draw_pictures(judgement, folder)).read_text(encoding="utf-8")

    assert "<h1>INCONCLUSIVE</h1>" in html
    assert "nothing was seen" in html
