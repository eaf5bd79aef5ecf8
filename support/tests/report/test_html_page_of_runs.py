"""The pages of five real backends, in a real browser: healthy, leaking, cut, slow, and one that fills up."""

import itertools
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.tests.cli.process import Ran, judged
from support.tests.report.browser import look, needs_browser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), needs_browser]


class Backend(NamedTuple):
    """How it is started, and what its page has to say at the top and among the patterns."""

    arguments: tuple[str, ...]
    says: str
    pattern: str = ""


BACKENDS = {
    "healthy": Backend(("--categories", "functional", "--shard", "1/6"), "A part of the suite passed."),
    "leaking": Backend(
        ("--categories", "integration", "--defect", "broadcast_to_all"),
        "No user receives data of another user", "USER_ISOLATION_VIOLATION",
    ),
    "cut": Backend(
        ("--categories", "functional", "--shard", "1/6", "--defect", "dies_mid_run_without_a_word"),
        "Users receive all five events of an answer", "CONNECTION_INSTABILITY",
    ),
    "slow": Backend(
        ("--categories", "performance", "--shard", "2/3", "--defect", "every_event_delayed=120"),
        "Events arrive without delay", "SUSTAINED_HIGH_LATENCY",
    ),
    "filling up": Backend(
        ("--categories", "stress", "--shard", "1/4", "--soak", "8", "--defect", "memory_leak_per_run"),
        "The backend does not leak memory", "MEMORY_LEAK",
    ),
}  # fmt: skip
TOO_BUSY = "this machine was too busy to measure latency"
# Where each press of Tab leads: only what can be seen, and in the order in which it is read. A part that scrolls by
# itself counts as one place: the browser moves what has the focus to the middle of it, and so back up the page.
TABS = """() => {
  const at = document.activeElement;
  let place = at;
  const scrolls = (e) => e.scrollHeight > e.clientHeight && /auto|scroll/.test(getComputedStyle(e).overflowY);
  for (let around = at; around && around !== document.body; around = around.parentElement)
    if (scrolls(around)) place = around;
  return [at.tagName, Math.round(place.getBoundingClientRect().top + scrollY), at.getBoundingClientRect().width > 0];
}"""


@pytest.fixture(scope="module", params=list(BACKENDS))
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Backend, Ran]:
    backend = BACKENDS[request.param]
    return backend, judged(tmp_path_factory.mktemp("page"), *backend.arguments, deadline_s=300)


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (360, "light"), (360, "dark")])
def test_it_asks_for_nothing_complains_of_nothing_and_fits(
    ran: tuple[Backend, Ran], browser: Any, width: int, scheme: str
) -> None:
    backend, session = ran

    seen = look(browser, page_of(session), width, scheme)

    assert (seen.requests, seen.complaints, seen.overflow) == ([], [], 0)
    top = seen.html.locator(".verdict").inner_text()
    assert top.startswith(session.verdict)
    # On a crowded machine the slow one is not judged for its time, and the page says so.
    assert backend.says in top or TOO_BUSY in seen.text
    patterns = {each["pattern"] for each in read(session, "monitoring/failure_patterns.json")["seen"]}
    assert backend.pattern in {*patterns, ""} or TOO_BUSY in seen.text
    assert all(pattern in seen.text for pattern in patterns)


def test_the_keyboard_leads_through_it_in_the_order_of_reading(ran: tuple[Backend, Ran], browser: Any) -> None:
    page = look(browser, page_of(ran[1])).html
    stops = []
    for _ in range(400):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(TABS))
        if stops[-1][0] == "BODY":
            break

    assert len(stops) > 10
    assert stops.pop()[0] == "BODY", "it never comes to the end"
    assert all(visible for _, _, visible in stops[1:])
    tops = [top for _, top, _ in stops[1:]]
    # Links in one line may differ by some pixels.
    assert all(later >= earlier - 30 for earlier, later in itertools.pairwise(tops)), tops


def page_of(session: Ran) -> Path:
    return session.session / "verdict.html"


def read(session: Ran, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((session.session / name).read_bytes())
    return content
