"""CONTENT: what a person is shown is whole, of one form, and an answer."""

import functools
import re

from greenlight_gate.events import Event, EventKind
from greenlight_gate.rules.engine.run_state import Report, RunState
from greenlight_gate.trace import Expect

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
_COMPLETED = EventKind.COMPLETED
_WORD = re.compile(r"\w+")
_LONGEST_FALLBACK = 300
_MOST_AROUND_AN_ECHO = 16
_CLOCK_STEP_S = 1e-6
_LEAST_MILLISECONDS = 1e11
_FRACTION = re.compile(r"[.,](\d{1,6})")


def on_stamp(run: RunState, event: Event, at_s: float, n: int, *, skew_s: float, report: Report) -> None:
    """CONTENT-3. `at_s`: wall time of the receipt, seconds since the epoch."""
    server_s = event.server_s
    if server_s is None:
        return
    if not abs(server_s - at_s) <= skew_s:
        off = f"{event.stamp!r}, which is {server_s - at_s:+.0f} s off"
        report("CONTENT-3", f"a time within {skew_s:g} s of now", off, n, run=run)
    elif server_s < run.last_stamp_s - _resolution_s(event.stamp):
        back = f"{(run.last_stamp_s - server_s) * 1e3:.3f} ms earlier"
        report("CONTENT-3", "a time not before the event before", back, run.last_n, n, run=run)
    else:
        run.last_stamp_s = max(server_s, run.last_stamp_s)


def _resolution_s(stamp: str | float | None) -> float:
    """How exactly a stamp can say the time: one that is cut off after the milliseconds may lag behind a finer one."""
    if isinstance(stamp, str):
        fraction = _FRACTION.search(stamp)
        return 10.0 ** -(len(fraction[1]) if fraction else 0) if ":" in stamp else _CLOCK_STEP_S
    if stamp is None or stamp != int(stamp):
        return _CLOCK_STEP_S
    return 1e-3 if stamp >= _LEAST_MILLISECONDS else 1.0


def on_end(run: RunState, event: Event, n: int, report: Report) -> None:
    """CONTENT-4: a run that was to answer has answered the question."""
    expect, ask, kind = run.expect, run.ask, event.kind
    if ask is None or expect is None or expect.end is not _COMPLETED or (ask.excused and kind is not _COMPLETED):
        return
    if kind is _COMPLETED:
        for expected, actual in _misses(event.text or "", expect):
            report("CONTENT-4", expected, actual, ask.n, n, run=run)
        if expect.failing_tool and run.tools_done and not run.tools_failed:
            report("CONTENT-4", "the failing tool shown as failed", "every tool shown as fine", ask.n, n, run=run)
    elif kind is EventKind.FAILED:
        # Where a tool is meant to fail, the run may fail with it.
        if not expect.failing_tool:
            report("CONTENT-4", "an answer", f"agent_failed: {shown(event.text)}", ask.n, n, run=run)
    elif run.stop_at is None:
        report("CONTENT-4", "an answer", "agent_stopped, which nobody asked for", ask.n, n, run=run)


def _misses(text: str, expect: Expect) -> list[tuple[str, str]]:
    """In what an answer's text falls short: (expected, actual)."""
    answer = text.casefold()
    if not answer or answer.isspace():
        return [("an answer", "an empty one")]
    if len(answer) < 2 * len(expect.prompt) + _MOST_AROUND_AN_ECHO and _echoes(answer, expect):
        return [("an answer", f"the question again: {shown(text)}")]
    for group in expect.contains:
        if not _holds(answer, group):
            break
    else:
        if expect.contains:
            return []  # an answer that holds all that was asked for may speak of errors
    if len(answer) < _LONGEST_FALLBACK and not expect.failing_tool:
        for fallback in _FALLBACKS:
            if fallback in answer:
                return [("an answer", f"a canned fallback: {shown(text)}")]
    unmet = [group for group in expect.contains if not _holds(answer, group)]
    return [(f"an answer with {' or '.join(map(repr, group))}", shown(text)) for group in unmet]


def _holds(answer: str, alternatives: tuple[str, ...]) -> bool:
    for text in alternatives:
        if text.casefold() in answer:
            return True
    return not alternatives


def shown(text: str | None, most: int = 120) -> str:
    """A text for a one-line report."""
    if text is None:
        return "nothing"
    return repr(text if len(text) <= most else f"{text[:most]}...")


def _echoes(answer: str, expect: Expect) -> bool:
    """Whether a short answer says little more than the question, and nothing that was expected.

    Compared without case and punctuation.
    """
    asked = _words(expect.prompt)
    if not asked or asked[0] not in answer or asked[-1] not in answer:
        return False
    said, question = " ".join(_WORD.findall(answer)), " ".join(asked)
    if question not in said or len(said) >= len(question) + _MOST_AROUND_AN_ECHO:
        return False
    rest = answer.replace(expect.prompt.casefold(), " ")
    return not any(_holds(rest, group) for group in expect.contains)


@functools.lru_cache(maxsize=256)
def _words(prompt: str) -> tuple[str, ...]:
    """The words of a question. Thousands of people may ask the same one."""
    return tuple(_WORD.findall(prompt.casefold()))
