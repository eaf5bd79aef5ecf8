"""The viewer of conversations in a real browser: filters, timeline, records, copy, links, two sessions side by side."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from greenlight_gate.evidence.judge import JudgedSession, judge
from greenlight_gate.report.html_page import write_page

from support.tests.evidence.folders import ENDED, FINISHED, SELECTED, write
from support.tests.report.browser import look, needs_browser
from support.tests.report.test_conversation_data import several, thought
from support.tests.report.test_html_page import HOSTILE
from support.tests.rules.talk import Talk, asked

pytestmark = [pytest.mark.slow, needs_browser]
EACH_HAS_A_NAME = """[...document.querySelectorAll('#talk-viewer :is(input, select, button)')]
  .every(each => each.labels?.length || each.ariaLabel || each.textContent.trim())"""
# What is read, by eye or aloud.
SHOWN = """[document.documentElement.textContent, ...[...document.querySelectorAll('[aria-label]')]
  .map(each => each.ariaLabel)].join()"""
# The page's policy forbids the strings that Playwright would evaluate again and again.
SCROLLED = """before => new Promise(done => {
  const look = () => scrollY === before ? requestAnimationFrame(look) : done();
  look();
})"""
TWICE = '{"type":"agent_thinking","number":12345678901234567890,"number":1,"empty":{},"text":"a \\"b\\": {"}'


class Viewer(NamedTuple):
    """A page whose viewer is ready."""

    page: Any
    requests: list[str]
    complaints: list[str]
    overflow: int

    def text(self, name: str) -> str:
        return str(self.page.locator(f"#talk-{name}").inner_text())

    def listed(self) -> list[str]:
        return list(self.page.locator("#talk-list .entry strong").all_inner_texts())

    def numbers(self) -> list[str]:
        return list(self.page.locator(".row[role=option]:visible > span:first-child").all_inner_texts())

    def span(self) -> list[str]:
        """The times that the timeline shows."""
        return list(self.page.locator(".timeline text[text-anchor]").all_text_contents())

    def copied(self) -> str:
        return str(self.page.evaluate("navigator.clipboard.readText()"))


def page_of(folder: Path, other: Path | None = None) -> Path:
    beside = JudgedSession(judge(other), other) if other is not None else None
    return write_page(judge(folder), folder, (), other=beside)


def opened(browser: Any, path: Path, width: int = 1280, scheme: str = "light", frame: str = "") -> Viewer:
    seen = look(browser, path, width, scheme)
    if frame:
        seen.html.goto(f"{path.as_uri()}{frame}")
    seen.html.wait_for_selector("#talk-panes .row", timeout=60_000)
    seen.html.context.grant_permissions(["clipboard-read", "clipboard-write"])
    overflow = seen.html.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return Viewer(seen.html, seen.requests, seen.complaints, overflow)


def said(page: Any, message: str) -> None:
    """Waits until the viewer says this."""
    page.get_by_role("status").get_by_text(message, exact=True).wait_for()


def closed_early() -> Talk:
    return asked().started().close("server", 1011)


def two_users() -> Talk:
    talk = asked().answer()
    return talk.open("Bashir", "c2").ask("q2", None, "c2").close(connection="c2").close()


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """Four conversations: one whole, one of two users, one that breaks a rule, one with odd frames."""
    return several(tmp_path / "after", asked().answer().close(), two_users(), closed_early(), thought("the albatross"))


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")])
def test_it_fits_asks_for_nothing_and_complains_of_nothing(
    browser: Any, tmp_path: Path, session: Path, width: int, scheme: str
) -> None:
    before = several(tmp_path / "before", asked().answer().close(), closed_early())
    for other in (None, before):
        viewer = opened(browser, page_of(session, other), width, scheme)

        assert (viewer.requests[1:], viewer.complaints, viewer.overflow) == ([], [], 0)
        assert viewer.page.locator("#talk-absent").is_hidden()
        assert viewer.page.locator(".timeline").first.bounding_box()["width"] > 250


def test_it_begins_with_what_broke_a_rule_at_the_record_that_proves_it(browser: Any, session: Path) -> None:
    viewer = opened(browser, page_of(session))

    assert viewer.listed() == ["Scenario 3", "Scenario 4", "Scenario 1", "Scenario 2"]
    assert viewer.text("title") == "Scenario 3"
    assert "Ada expected one end, and got 1 event and no end" in viewer.text("findings")
    proofs = viewer.page.locator(".row.proof")
    assert proofs.locator("> span:first-child").all_inner_texts() == ["3", "4", "5"]
    assert viewer.page.locator(".timeline .ring").count() == 3
    assert viewer.page.locator(".row[aria-selected=true] .what").inner_text() == "-> start"
    assert viewer.page.locator(".proves").first.inner_text().startswith("LIFECYCLE-2: Ada")
    # No frame was linked to, so the address is as it was.
    assert "#" not in viewer.page.url


def test_filters_by_category_rule_user_and_text(browser: Any, tmp_path: Path) -> None:
    folder = several(
        tmp_path, asked().answer().close(), two_users(), closed_early(),
        thought("the Albatross").completed(result="It is dry.").close(), security=4,
    )  # fmt: skip
    viewer = opened(browser, page_of(folder))
    page = viewer.page

    page.select_option("#talk-by-rule", "LIFECYCLE-2")
    assert (viewer.listed(), viewer.text("count")) == (["Scenario 3"], "1 of 4 conversations")
    page.select_option("#talk-by-rule", "*")
    assert viewer.listed() == ["Scenario 3", "Scenario 4"]
    page.select_option("#talk-by-rule", "")
    page.select_option("#talk-by-user", "Bashir")
    assert viewer.listed() == ["Scenario 2"]
    page.select_option("#talk-by-user", "")
    page.select_option("#talk-by-category", "security")
    assert viewer.listed() == ["Scenario 4"]
    page.select_option("#talk-by-category", "functional")
    assert viewer.listed() == ["Scenario 3", "Scenario 1", "Scenario 2"]
    page.select_option("#talk-by-category", "")
    page.fill("#talk-by-text", "ALBATROSS")
    assert viewer.listed() == ["Scenario 4"]
    page.locator(".entry").click()
    # What was searched for among the conversations is searched for among its records.
    assert (viewer.text("found"), viewer.numbers()) == ("1 of 7 records", ["5"])
    assert page.locator(".row mark").inner_text() == "albatross".capitalize()
    page.fill("#talk-by-text", "(no such [text")
    assert (viewer.listed(), viewer.text("count")) == ([], "0 of 4 conversations")


def test_the_timeline_zooms_and_moves_by_buttons_keys_wheel_and_pointer(browser: Any, session: Path) -> None:
    viewer = opened(browser, page_of(session))
    page, timeline = viewer.page, viewer.page.locator(".timeline")
    whole = viewer.span()

    def spans() -> list[str]:
        """What is shown after a change, which has to be one; then all is shown again."""
        seen = viewer.span()
        assert seen != whole
        page.click("#talk-whole")
        assert viewer.span() == whole
        return seen

    timeline.dblclick(position={"x": 300, "y": 12})
    spans()
    page.click("#talk-guilty")
    spans()
    page.click("#talk-closer")
    middle = spans()
    assert (float(middle[0].split()[0]), float(middle[-1].split()[0])) > (float(whole[0].split()[0]), 0)
    timeline.focus()
    page.keyboard.press("+")
    assert spans() == middle
    box = timeline.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 20)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    late = spans()
    assert float(late[0].split()[0]) > float(middle[0].split()[0])
    page.click("#talk-closer")
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 20, box["y"] + 20, steps=4)
    page.mouse.up()
    assert float(spans()[0].split()[0]) > float(middle[0].split()[0])
    # The wheel alone scrolls the page.
    before = page.evaluate("scrollY")
    page.mouse.wheel(0, 300)
    page.evaluate(SCROLLED, before)
    assert viewer.span() == whole


def test_from_a_mark_to_its_frame_to_its_json_to_its_address(browser: Any, session: Path) -> None:
    path = page_of(session)
    viewer = opened(browser, path)
    page = viewer.page
    page.locator(".entry", has_text="Scenario 4").click()
    box = page.locator(".timeline .agent_thinking").bounding_box()

    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    assert page.locator(".detail h4").inner_text() == "Record 5: agent_thinking"
    assert '"reasoning": "the albatross"' in page.locator(".detail pre").inner_text()
    page.get_by_role("button", name="Copy as JSON").click()
    said(page, "Record 5 copied")
    trace = (session / "evidence/traces/4.jsonl").read_text("utf-8").splitlines()
    assert json.loads(viewer.copied()) == json.loads(trace[5])
    page.get_by_role("button", name="Copy link").click()
    said(page, "Link copied")
    link = viewer.copied()
    assert (link, page.url) == (f"{path.as_uri()}#frame=traces/4.jsonl:5",) * 2

    again = opened(browser, path, frame="#frame=traces/4.jsonl:5")

    assert (again.text("title"), again.page.locator(".detail h4").inner_text()) == (
        "Scenario 4",
        "Record 5: agent_thinking",
    )
    again.page.evaluate("location.hash = '#frame=traces/2.jsonl:4'")
    again.page.get_by_role("heading", name="Scenario 2").wait_for()
    assert again.page.locator(".detail h4").inner_text() == "Record 4: agent_started"
    for wrong, message in (
        ("traces/77.jsonl:1", "This page does not hold traces/77.jsonl; see evidence/traces/77.jsonl"),
        ("traces/2.jsonl:999", "Record 999 had no room in this page; see evidence/traces/2.jsonl"),
        ("%zz:1", "This page does not hold %zz; see evidence/%zz"),
    ):
        again.page.evaluate("hash => { location.hash = hash }", f"#frame={wrong}")
        said(again.page, message)
    assert again.complaints == []


def test_from_a_finding_of_the_page_to_the_timeline(browser: Any, session: Path) -> None:
    viewer = opened(browser, page_of(session))
    viewer.page.locator(".entry", has_text="Scenario 1").click()

    viewer.page.locator("section[aria-labelledby=findings] details summary").first.click()
    viewer.page.get_by_role("link", name="timeline").first.click()

    viewer.page.get_by_role("heading", name="Scenario 3").wait_for()
    assert viewer.page.locator(".detail h4").inner_text() == "Record 3: -> start"
    viewer.page.locator(".entry", has_text="Scenario 1").click()
    # So does what the page begins with.
    viewer.page.locator(".verdict a").first.click()
    viewer.page.get_by_role("heading", name="Scenario 3").wait_for()


def test_records_are_searched(browser: Any, session: Path) -> None:
    viewer = opened(browser, page_of(session))
    viewer.page.locator(".entry", has_text="Scenario 1").click()

    viewer.page.fill("#talk-search", "TOOL_")

    assert (viewer.text("found"), viewer.numbers()) == ("2 of 9 records", ["6", "7"])
    assert viewer.page.locator(".timeline .dim").count() == 6
    viewer.page.locator(".frames").press("End")
    assert viewer.page.locator(".detail h4").inner_text() == "Record 7: tool_completed"
    viewer.page.fill("#talk-search", "")
    assert len(viewer.numbers()) == 9


def test_a_frame_is_shown_as_it_came(browser: Any, tmp_path: Path) -> None:
    """Numbers are not rounded, keys that are there twice are shown twice, and what is no JSON is left alone."""
    talk = asked().frame(TWICE).frame("no {JSON").answer().close()
    page = opened(browser, page_of(several(tmp_path, talk))).page

    page.fill("#talk-search", "12345678901234567890")
    page.locator(".row:visible").click()
    page.fill("#talk-search", "")

    shown = page.locator(".detail pre")
    assert shown.inner_text() == (
        '{\n  "type": "agent_thinking",\n  "number": 12345678901234567890,\n  "number": 1,\n  "empty": {},\n'
        '  "text": "a \\"b\\": {"\n}'
    )
    page.get_by_role("button", name="As received").click()
    assert shown.inner_text() == TWICE
    page.get_by_role("button", name="Indented").click()
    page.locator(".row", has_text="no {JSON").click()
    assert shown.inner_text() == "no {JSON"


def test_two_sessions_stand_side_by_side(browser: Any, tmp_path: Path, session: Path) -> None:
    before = several(
        tmp_path / "before", closed_early(), two_users(), asked().answer().close(),
        session_id="validation_session_1", started_epoch_s=1.0,
    )  # fmt: skip
    viewer = opened(browser, page_of(session, before))
    page = viewer.page

    assert page.locator(".pane > h4").all_inner_texts() == [
        "validation_session_1 BLOCKED", "validation_session_1767225600 BLOCKED",
    ]  # fmt: skip
    assert "passed → failed" in page.locator(".entry", has_text="Scenario 3").inner_text()
    for change, listed in (
        ("worse", ["Scenario 3"]),
        ("better", ["Scenario 1"]),
        ("same", ["Scenario 2"]),
        ("only in one", ["Scenario 4"]),
    ):
        page.select_option("#talk-by-change", change)
        assert viewer.listed() == listed
    page.select_option("#talk-by-change", "worse")
    page.locator(".entry").click()
    left, right = page.locator(".pane").all()
    assert left.locator(".row[role=option] > span:first-child").all_inner_texts() == [str(n) for n in range(1, 10)]
    assert [row for row in right.locator(".row").all() if "none" in row.get_attribute("class")]
    beside = [
        [row.bounding_box()["y"] for row in pane.locator(".row", has_text="agent_started").all()]
        for pane in (left, right)
    ]
    assert beside[0] == beside[1]
    left.locator(".row", has_text="agent_started").click()
    assert page.locator(".detail h4").all_inner_texts() == ["Record 4: agent_started"] * 2
    assert page.url.endswith("#other-frame=traces/3.jsonl:4")
    page.click("#talk-closer")
    assert (
        left.locator(".timeline text[text-anchor]").all_text_contents()
        == right.locator(".timeline text[text-anchor]").all_text_contents()
    )
    again = opened(browser, session / "verdict.html", frame="#other-frame=traces/1.jsonl:5")
    assert again.page.locator(".detail h4").all_inner_texts() == ["Record 5: closed", "Record 9: closed"]


def test_it_can_be_used_with_the_keyboard_alone(browser: Any, session: Path) -> None:
    viewer = opened(browser, page_of(session))
    page = viewer.page

    page.locator("#talk-by-text").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "talk-list"
    for key in ("ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert viewer.text("title") == "Scenario 1"
    assert page.evaluate(
        "document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).ariaSelected"
    ) == "true"  # fmt: skip
    page.locator(".timeline").focus()
    for key in ("Home", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert page.locator(".detail h4").inner_text() == "Record 3: -> start"
    page.keyboard.press("Tab")
    page.keyboard.press("PageDown")
    assert page.locator(".detail h4").inner_text() == "Record 9: closed"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Copy as JSON"
    page.keyboard.press("Enter")
    said(page, "Record 9 copied")
    assert page.evaluate(EACH_HAS_A_NAME)


def test_where_there_is_no_clipboard_the_text_is_copied_all_the_same(browser: Any, session: Path) -> None:
    viewer = opened(browser, page_of(session))
    page = viewer.page
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})")

    page.get_by_role("button", name="Copy as JSON").click()
    said(page, "Record 3 copied")
    page.evaluate("document.execCommand = () => false")
    page.get_by_role("button", name="Copy link").click()
    said(page, "Press Ctrl and C to copy link")

    assert page.locator("#talk-by-hand").input_value().endswith("#frame=traces/3.jsonl:3")
    assert page.evaluate("getSelection().toString() || document.activeElement.value").endswith(":3")


def test_no_text_of_a_target_becomes_a_part_of_the_page(browser: Any, tmp_path: Path) -> None:
    closing = f"</script><script>document.title='taken'</script>{HOSTILE}"
    talk = asked().started().event("agent_thinking", {"reasoning": closing, "step_number": 1}).frame(closing)
    talk.event(closing, {closing: closing}, run=closing, request=closing).completed(result=closing)
    talk.open(closing, closing).close("server", 1011, connection=closing, reason=closing).close()
    found = len(talk.findings())
    folder = write(
        tmp_path, {**SELECTED, "name": closing, "category": closing},
        {**FINISHED, "findings": found, "outcome": "failed", "reason": closing}, ENDED, talk=talk,
        session={"environment": closing, "session_id": closing},
    )  # fmt: skip
    viewer = opened(browser, page_of(folder, several(tmp_path / "before", talk)))
    page, title = viewer.page, viewer.page.title()

    for row in page.locator(".row[role=option]").all():
        row.click()
    page.fill("#talk-search", "taken")
    page.fill("#talk-by-text", "<script>")
    page.select_option("#talk-by-user", index=1)
    page.locator(".row[role=option]:visible").first.click()

    assert (viewer.requests[1:], viewer.complaints, page.title()) == ([], [], title)
    assert title.startswith("BLOCKED: </script><script>")
    assert page.evaluate("document.querySelectorAll('img, script:not(.packed)').length") == 1
    assert "\u202e" not in page.evaluate(SHOWN)
    page.get_by_role("button", name="Copy as JSON").first.click()
    page.locator("#talk-said", has_text="copied").wait_for()
    assert "\\u202e" in viewer.copied()


def test_no_other_script_can_run_in_the_page(browser: Any, session: Path) -> None:
    """Should a text ever get out of its place, the content security policy is there."""
    path = page_of(session)
    html = path.read_text("utf-8")
    path.write_text(html.replace("<header>", "<header><script>document.title = 'taken'</script>"), encoding="utf-8")

    viewer = opened(browser, path)

    assert viewer.page.title() != "taken"
    assert len(viewer.complaints) == 1
    assert "Content Security Policy" in viewer.complaints[0]


def test_a_script_that_does_not_run_leaves_a_line_that_says_where_the_frames_are(browser: Any, session: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()

    page.goto(page_of(session).as_uri())

    assert page.locator("#talk-viewer").is_hidden()
    assert "They are in evidence/traces" in page.locator("#talk-absent").inner_text()
    assert page.locator(".verdict a").first.get_attribute("href") == "#LIFECYCLE-2"
    assert page.locator(".in-viewer:visible").count() == 0
    context.close()
