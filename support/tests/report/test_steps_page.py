"""The page of all steps, in a real browser."""

from pathlib import Path
from typing import Any

from greenlight_gate.bdd.step_catalogue import CatalogueStep
from greenlight_gate.bdd.steps_page import render_steps

from support.tests.report.browser import look, needs_browser

STEPS = [
    CatalogueStep("When", "{user:User} asks", "", "Questions", "a.py:1", ("Ada asks",), 1, is_own=False),
    CatalogueStep("Then", "{user:User} is answered", "", "Questions", "a.py:9", ("Ada is answered",), 1, is_own=False),
    CatalogueStep("Then", "it ends", "", "Ends", "b.py:1", ("it ends", "it ends\n  | by |\n  | Ada |"), 2, is_own=True),
]  # fmt: skip


@needs_browser
def test_it_is_searched_by_words(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "steps.html"
    path.write_text(render_steps(STEPS), encoding="utf-8")
    seen = look(browser, path, 360)
    shown = []
    for words in ("", "ADA then", "questions asks", "nothing"):
        seen.html.locator("#find").fill(words)
        found = seen.html.locator(".step:visible")
        shown.append([found.nth(number).locator("code").inner_text() for number in range(found.count())])
        assert seen.html.locator("#shown").inner_text() == str(found.count())

    assert (seen.requests, seen.complaints, seen.overflow) == ([], [], 0)
    every = [step.wording for step in STEPS]
    assert shown == [every, every[1:], every[:1], []]
