"""CONTENT: what a person is shown is whole, of one form, and an answer."""

import re

from support.events import Event, EventKind
from support.rules.state import Budgets, Report, Run

_FALLBACKS = (
    "something went wrong",
    "an error occurred",
    "an unexpected error",
    "please try again later",
    "i apologize, but i encountered",
    "i apologise, but i encountered",
    "unable to process your request",
    "i'm having trouble",
    "i am having trouble",
    "internal server error",
    "service unavailable",
)
_WORD = re.compile(r"\w+")
_LONGEST_FALLBACK = 300
_MOST_AROUND_AN_ECHO = 16


def on_stamp(run: Run, event: Event, at_s: float, n: int, budgets: Budgets, report: Report) -> None:
    """CONTENT-3. `at_s`: wall time of the receipt, seconds since the epoch."""
    server_s = event.server_s
    if server_s is None:
        return
    # Written so that a stamp which is not a number does not pass.
    if not abs(server_s - at_s) <= budgets.clock_skew_s:
        off = f"{event.stamp!r}, which is {server_s - at_s:+.0f} s off"
        report("CONTENT-3", f"a time within {budgets.clock_skew_s:g} s of now", off, n, run=run)
    elif server_s < run.last_stamp_s:
        back = f"{(run.last_stamp_s - server_s) * 1e3:.3f} ms earlier"
        report("CONTENT-3", "a time not before the event before", back, run.last_n, n, run=run)
    else:
        run.last_stamp_s = server_s


def on_end(run: Run, event: Event, n: int, report: Report) -> None:
    """CONTENT-4: a run that was to answer has answered the question."""
    expect = run.expect
    if run.ask is None or expect.end is not EventKind.COMPLETED:
        return
    if event.kind is EventKind.FAILED:
        report("CONTENT-4", "an answer", f"agent_failed: {shown(event.text)}", n, run=run)
        return
    if event.kind is not EventKind.COMPLETED:
        return
    answer = (event.text or "").casefold()
    if not answer or answer.isspace():
        report("CONTENT-4", "an answer", "an empty one", n, run.ask.n, run=run)
        return
    if len(answer) < 2 * len(expect.prompt) and _echoes(answer, expect.prompt):
        report("CONTENT-4", "an answer", f"the question again: {shown(event.text)}", n, run.ask.n, run=run)
        return
    if not expect.failing_tool and len(answer) < _LONGEST_FALLBACK:
        for fallback in _FALLBACKS:
            if fallback in answer:
                report("CONTENT-4", "an answer", f"a canned fallback: {shown(event.text)}", n, run.ask.n, run=run)
                return
    for alternatives in expect.contains:
        for text in alternatives:
            if text.casefold() in answer:
                break
        else:
            wanted = f"an answer with {' or '.join(map(repr, alternatives))}"
            report("CONTENT-4", wanted, shown(event.text), n, run.ask.n, run=run)
    if expect.failing_tool and run.tools_done and not run.failed_tools:
        report("CONTENT-4", "the failing tool shown as failed", "every tool shown as fine", n, run=run)


def shown(text: str | None, most: int = 120) -> str:
    """A text for a one-line report."""
    if text is None:
        return "nothing"
    return repr(text if len(text) <= most else f"{text[:most]}...")


def _echoes(answer: str, prompt: str) -> bool:
    """Whether a short answer says little more than the question (both compared without case and punctuation)."""
    said, asked = " ".join(_WORD.findall(answer)), " ".join(_WORD.findall(prompt.casefold()))
    return bool(asked) and asked in said and len(said) < len(asked) + _MOST_AROUND_AN_ECHO
