"""The page of a verdict: what it says, in a real browser; it asks for nothing, and shows hostile text as text."""

import re
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.evidence.judge import Judgement, judge
from greenlight_gate.report.html_page import write_page
from greenlight_gate.report.monitoring_files import DASHBOARD, TIMELINE
from greenlight_gate.report.pictures import draw_pictures
from greenlight_gate.report.run_report import as_document
from greenlight_gate.rules.engine.canary import canary_word

from support.tests.evidence.folders import ENDED, FINISHED, SELECTED, write
from support.tests.report.browser import look, needs_browser
from support.tests.rules.talk import Talk, asked

HOSTILE = '<img src=x onerror="document.title=\'taken\'"><script>document.title="taken"</script>\u202e$x^2$'


def paged(folder: Path, talk: Talk | None = None, **session: Any) -> tuple[Judgement, Path]:
    talk = talk or asked().answer().close()
    found = len(talk.findings())
    entry = {**FINISHED, "findings": found, "outcome": "failed" if found else "passed"}
    judgement = judge(write(folder, SELECTED, entry, ENDED, talk=talk, session=session))
    return judgement, write_page(judgement, folder, draw_pictures(judgement, folder))


@needs_browser
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (360, "light"), (360, "dark")])
def test_an_approval_in_a_browser(browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    judgement, path = paged(tmp_path)

    seen = look(browser, path, width, scheme)

    assert (seen.requests, seen.complaints, seen.overflow) == ([], [], 0)
    assert seen.title == "APPROVED: by-hand, validation_session_1767225600"
    assert "A part of the suite passed. This is not a release decision." in seen.text
    assert judgement.decision.reason in seen.text
    for criterion in judgement.decision.criteria:
        assert criterion.id in seen.text
        assert criterion.measured in seen.text
    assert "There are no findings." in seen.text
    assert "It is not slower than in earlier approved sessions (not examined)" in seen.text
    widths = "[...document.querySelectorAll('.sheet svg')].map(svg => svg.clientWidth > 300)"
    assert seen.html.evaluate(widths) == [True, True]


@needs_browser
def test_hostile_text_is_text(browser: Any, tmp_path: Path) -> None:
    talk = asked().started().thinking().completed(result=HOSTILE).close()
    _, path = paged(tmp_path, talk, environment=HOSTILE, versions={"greenlight": HOSTILE})

    seen = look(browser, path)

    assert (seen.requests, seen.complaints) == ([], [])
    assert seen.title.startswith("BLOCKED: <img src=x")
    assert seen.html.evaluate("document.querySelectorAll('img[src=x]').length") == 0
    # The conversations and the viewer of them.
    assert seen.html.evaluate("[...document.scripts].map(script => script.className)") == ["packed", ""]
    assert "\u202e" not in seen.html.content()


@needs_browser
def test_from_the_page_to_the_frame_in_two_clicks(browser: Any, tmp_path: Path) -> None:
    talk = asked().started().thinking().completed(result="It is dry.").close()
    _, path = paged(tmp_path, talk)
    page = look(browser, path).html

    page.locator("summary", has_text="expected an answer with 'rain', got 'It is dry.'").click()
    page.locator("tr.proof summary").last.click()

    assert '"result": "It is dry."' in page.locator("tr.proof pre").last.inner_text()
    assert page.locator("details[open] a[href='evidence/traces/1.jsonl']").first.is_visible()


@needs_browser
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
    assert re.findall(r"<script[^>]*>", html) == ['<script class="packed" type="text/plain">', "<script>"]
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_a_canary_is_shown_by_its_owners_name(tmp_path: Path) -> None:
    word = canary_word("Bashir", "abcdefgh")
    _, path = paged(tmp_path, asked().started().thinking().completed(result=f"There is rain, {word}.").close())
    html = path.read_text(encoding="utf-8")

    assert word not in html
    assert "canary of Bashir" in html


def test_it_begins_with_what_was_judged_and_what_happened_to_whom(tmp_path: Path) -> None:
    word = canary_word("Emeka", "abcdefgh")
    talk = asked().started().thinking().thinking(reasoning=word).completed(result=f"There is rain, {word}.").close()
    found = len(talk.findings())
    session = {"target_version": "2.1.0"}
    ledger = SELECTED, {**FINISHED, "findings": found, "outcome": "failed"}, ENDED
    folder = write(tmp_path, *ledger, talk=talk, session=session)
    judgement = judge(folder)

    html = write_page(judgement, folder, ()).read_text(encoding="utf-8")
    top = html[html.index("<h1>BLOCKED") : html.index("<nav")]
    report = as_document(judgement)

    assert "by-hand at ws://127.0.0.1:1/ws, version 2.1.0, 2026-01-01 00:00 UTC, took 9 s" in top
    (first, *others) = re.findall(
        r"<li>(.*?) <a href=\"#([A-Z]+-\d)\" data-frame=\"[^\"]+\">conversation</a></li>", top
    )
    assert first == ("Ada received Emeka&#39;s secret (plain, in agent_thinking), once (ISOLATION-1)", "ISOLATION-1")
    assert len({rule for _, rule in others}) == len(others) == len(report["causes"]) - 1
    assert all(f'<h3 id="{rule}">' in html for _, rule in (first, *others))
    assert report["validation_session"]["target_version"] == "2.1.0"
    assert [cause["times"] for cause in report["causes"] if cause["rule"] == "ISOLATION-1"] == [1]


def test_pictures_are_files_too_and_all_others_of_the_folder_are_shown(tmp_path: Path) -> None:
    judgement = judge(write(tmp_path))
    folder = tmp_path / "monitoring/visualizations"
    folder.mkdir(parents=True)
    (folder / "cut_matrix.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    pictures = draw_pictures(judgement, tmp_path)

    names = [picture.name for picture in pictures]
    assert names == ["Events over time", "Performance", "Answers after a lost connection"]
    for file in (TIMELINE, DASHBOARD):
        assert (folder / file).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_session_in_which_nothing_ran_has_a_page(tmp_path: Path) -> None:
    folder = write(tmp_path, SELECTED)
    (folder / "evidence/traces/1.jsonl").unlink()
    judgement = judge(folder)

    html = write_page(judgement, folder, draw_pictures(judgement, folder)).read_text(encoding="utf-8")

    assert "<h1>INCONCLUSIVE</h1>" in html
    assert "no event was received" in html


def test_it_says_in_words_what_is_broken_and_folds_what_is_long(tmp_path: Path) -> None:
    talk = asked().started().close("server", 1011)
    lines = "\n".join(f"complaint {n}" for n in range(300))
    ledger: list[dict[str, Any]] = []
    for category in ("functional", "security"):
        for n in range(100):
            key = f"{category}/many.feature:{n + 1}"
            ledger.append({**SELECTED, "key": key, "name": f"{category} {n}", "category": category})
            ledger.append({**FINISHED, "key": key, "outcome": "failed", "reason": lines, "trace": ""})
    spared = {**SELECTED, "key": "functional/b.feature:1", "name": "Two tools"}, {
        **FINISHED, "key": "functional/b.feature:1", "outcome": "not_exercised", "reason": "it has none", "trace": ""
    }  # fmt: skip
    folder = write(tmp_path, *ledger, *spared, talk=talk)
    judgement = judge(folder)

    html = write_page(judgement, folder, ()).read_text(encoding="utf-8")

    top = html[html.index("<h1>BLOCKED") : html.index("<nav")]
    assert "<p>Not met:</p>" in top
    assert "<li>Every scenario of the selected categories ran and passed</li>" in top
    assert "complaint 11\n... and 288 lines more, in the report</pre>" in html
    assert "complaint 12" not in html
    assert re.findall(r"<details( open)?><summary>(\w+): 100</summary>", html) == [
        (" open", "functional"), ("", "security")
    ]  # fmt: skip
    assert "<li>1 scenario, since it has none: Two tools</li>" in html
    assert re.findall(r'<th scope="col" class="n">([\w ]+)</th>', html) == [
        "samples",
        "passed",
        "failed",
        "not exercised",
    ]
