"""CONTENT: frames are well-formed, events have one form, and the answer answers the request."""

import functools
import re
from collections.abc import Sequence

from greenlight_gate.events import Event, EventKind, Mistake, Problem
from greenlight_gate.rules.engine import damaged_text
from greenlight_gate.rules.engine.damaged_text import plain
from greenlight_gate.rules.engine.finding_sink import Report
from greenlight_gate.rules.engine.forbidden_text import ForbiddenText
from greenlight_gate.rules.engine.run_state import GivenAnswer, RunState, StoppedAnswer
from greenlight_gate.trace import Expect

# A profile finds mistakes while it reads a frame, and knows of no rule.
_RULE_OF = {Mistake.FIELD: "CONTENT-1", Mistake.FORM: "CONTENT-2"}
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
_REPLACEMENT = damaged_text.REPLACEMENT
# What stands where there is nothing to say. A dash or a pair of brackets may be the result of a tool.
_PLACEHOLDERS = frozenset({"", ".", "..", "...", "…", "x", "xx", "xxx", "todo", "tbd", "placeholder", "lorem ipsum"})
_LONGEST_PLACEHOLDER = max(map(len, _PLACEHOLDERS))
# Shorter answers, such as "yes" or a number, may be right for several questions.
_LEAST_REPEATED = 24
# Shorter texts, such as one digit, may be in any answer.
_LEAST_LEFT_OVER = 3
_MOST_ANSWERS = 64
_WORD = re.compile(r"\w+")
_LONGEST_FALLBACK = 300
_MOST_AROUND_AN_ECHO = 16
_CLOCK_STEP_S = 1e-6
_LEAST_MILLISECONDS = 1e11
_FRACTION = re.compile(r"[.,](\d{1,6})")


def on_problems(problems: tuple[Problem, ...], n: int, run: RunState | None, report: Report) -> None:
    """CONTENT-1 and -2: what the profile found wrong with a frame while it read it."""
    for problem in problems:
        report(_RULE_OF[problem.mistake], problem.expected, problem.actual, n, run=run)


def on_forbidden(found: tuple[ForbiddenText, ...], n: int, report: Report) -> None:
    """CONTENT-2 for serialisation errors, CONTENT-5 for secrets and stack traces."""
    for text in found:
        if text.is_serialisation_error:
            report("CONTENT-2", "no serialisation errors", text.actual, n)
        else:
            report("CONTENT-5", "no token, secret or stack trace", text.actual, n)


def on_bad_message(reason: str, code: int | None, n: int, report: Report) -> None:
    """CONTENT-2: what came was no message that a client can read, which had to end the connection."""
    came = f"{reason or 'something else'} (ended with {code})"
    report("CONTENT-2", "messages that a client can read", came, n, about="all that came")


def on_other_form(run: RunState, event: Event, usual_format: str | None, n: int, report: Report) -> None:
    """CONTENT-6: the event differs in shape from the first of its kind on the connection.

    `usual_format`: the timestamp format of that one.
    """
    kind = event.kind
    if usual_format != event.stamp_format:
        came = f"{event.stamp_format} ({event.stamp})"
        report("CONTENT-6", f"timestamp format {usual_format} in {kind}", came, n, run=run)
    else:
        report("CONTENT-6", f"{kind} in the same shape as before on this connection", "another shape", n, run=run)


def on_stamp(
    run: RunState, event: Event, at_s: float, n: int, *, skew_s: float, moved_s: float, report: Report
) -> None:
    """CONTENT-3. `at_s`: wall time of the receipt, seconds since the epoch.

    `moved_s`: how far the wall clock of the suite's machine was moved, which may be the server's clock as well.
    """
    server_s = event.server_s
    if server_s is None:
        return
    if not abs(server_s - at_s) <= skew_s:
        off = f"{event.stamp!r}, which is {server_s - at_s:+.0f} s off"
        report("CONTENT-3", f"a timestamp within {skew_s:g} s of now", off, n, run=run)
    elif server_s < run.last_stamp_s - _resolution_s(event.stamp) - moved_s:
        back = f"{(run.last_stamp_s - server_s) * 1e3:.3f} ms earlier"
        report("CONTENT-3", "a timestamp not before that of the previous event", back, run.last_n, n, run=run)
    else:
        run.last_stamp_s = max(server_s, run.last_stamp_s)


def _resolution_s(stamp: str | float | None) -> float:
    """The resolution of a timestamp: one with milliseconds may be earlier than one with microseconds before it."""
    if isinstance(stamp, str):
        fraction = _FRACTION.search(stamp)
        return 10.0 ** -(len(fraction[1]) if fraction else 0) if ":" in stamp else _CLOCK_STEP_S
    if stamp is None or stamp != int(stamp):
        return _CLOCK_STEP_S
    return 1e-3 if stamp >= _LEAST_MILLISECONDS else 1.0


def is_placeholder(text: str) -> bool:
    """Whether a text only stands for one."""
    return len(text) <= 2 * _LONGEST_PLACEHOLDER and text.strip().casefold() in _PLACEHOLDERS


def on_placeholders(run: RunState, n: int, report: Report) -> None:
    """CONTENT-1: a run ends whose thoughts, or the results of whose tools, were placeholders, one and all."""
    if run.thought and not run.has_thought:
        report("CONTENT-1", "agent_thinking that says something", f"only {run.thought!r}", run.thought_n, run=run)
    if run.hollow_n and not run.has_result:
        report("CONTENT-1", "tool_completed with a result", "only placeholders", run.hollow_n, n, run=run)


def _on_answer(
    run: RunState, expect: Expect, answer: str, n: int, *, answers: dict[str, GivenAnswer], report: Report
) -> None:
    """CONTENT-4: the same answer to two questions whose answers must differ.

    The same prompt may have the same answer, a short one may be right twice, and where one question asks for nothing
    beyond the other, one answer may do for both.
    """
    known = answers.get(answer)
    if known is None:
        if len(answers) >= _MOST_ANSWERS:
            del answers[next(iter(answers))]
        answers[answer] = GivenAnswer(expect.prompt, expect.contains, run.connection, n)
    elif (
        known.prompt != expect.prompt
        and _asks_more(known.wanted, expect.contains)
        and _asks_more(expect.contains, known.wanted)
    ):
        came = f"the answer to {shown(known.prompt, 60)} once more: {shown(run.other_text)}"
        evidence = (known.n, n) if known.connection == run.connection else (n,)
        report("CONTENT-4", "an answer of its own to each question", came, *evidence, run=run)


def _asks_more(wanted: Sequence[Sequence[str]], others: Sequence[Sequence[str]]) -> bool:
    """Whether one of the groups that an answer must hold shares no alternative with those of another question."""
    return any(all(set(group).isdisjoint(other) for other in others) for group in wanted)


def on_end(run: RunState, event: Event, n: int, answers: dict[str, GivenAnswer], report: Report) -> None:
    """CONTENT-4: a run that was to complete has answered its request; CONTENT-2, if the text of the answer is damaged.

    `answers`: the latest of the trace, by text.
    """
    expect, ask, kind = run.expect, run.ask, event.kind
    if ask is None or expect is None or expect.end is not _COMPLETED or (ask.excused and kind is not _COMPLETED):
        return
    if kind is _COMPLETED:
        text = event.text or ""
        answer = text.casefold()
        misses = _misses(text, answer, expect)
        if misses or _REPLACEMENT in text:
            _on_misses(run, expect, text, misses, ask.n, n, report=report)
        if expect.failing_tool:
            if run.tools_done and not run.tools_failed:
                came = "no tool reported as failed"
                report("CONTENT-4", "the failing tool reported as failed", came, ask.n, n, run=run)
        elif expect.contains and len(text) >= _LEAST_REPEATED:
            _on_answer(run, expect, answer, n, answers=answers, report=report)
    # Where the prompt makes a tool fail, or a tool was not approved, the run may fail with it; and what was asked too
    # soon may be refused.
    elif kind is EventKind.FAILED and not (expect.failing_tool or ask.behind or run.lacks_approval):
        report("CONTENT-4", "an answer", f"agent_failed: {shown(event.text)}", ask.n, n, run=run)


def on_answer_after_stop(run: RunState, event: Event, n: int, stopped: StoppedAnswer, report: Report) -> None:
    """CONTENT-4: the next answer in a thread holds what only the answer to the stopped one before it would have held.

    An agent may speak of what it was asked for: what stands in either prompt, or is expected now, proves nothing.
    Where nothing is expected of the next answer, it may hold anything.
    """
    expect, ask = run.expect, run.ask
    if expect is None or ask is None or not expect.contains:
        return
    answer, expected = plain(event.text or ""), (text for group in expect.contains for text in group)
    known = plain("\n".join((stopped.prompt, expect.prompt, *expected)))
    for text in (plain(text) for group in stopped.wanted for text in group):
        if len(text) >= _LEAST_LEFT_OVER and text not in known and _has_word(answer, text):
            came = f"{text!r} of the stopped one: {shown(event.text)}"
            report("CONTENT-4", "nothing of the answer that was stopped", came, stopped.n, ask.n, n, run=run)
            return


def _has_word(answer: str, text: str) -> bool:
    """Whether a text stands in an answer and is no part of a longer word or number."""
    return re.search(rf"(?<![a-z0-9]){re.escape(text)}(?![a-z0-9])", answer) is not None


def _on_misses(
    run: RunState, expect: Expect, text: str, misses: Sequence[tuple[str, str]], *evidence: int, report: Report
) -> None:
    """An answer lacks what was expected (CONTENT-4), or holds it damaged (CONTENT-2)."""
    damaged = damaged_text.search(text, expect, run.results)
    if damaged is not None:
        misses, came = (), f"{shown(damaged.came)}: {damaged.how}"
        report("CONTENT-2", f"{shown(damaged.wanted)} undamaged", came, *evidence, run=run)
    for expected, actual in misses:
        report("CONTENT-4", expected, actual, *evidence, run=run)


def _misses(text: str, answer: str, expect: Expect) -> list[tuple[str, str]]:
    """What is wrong with the text of an answer, and in small letters: (expected, actual)."""
    if not answer or answer.isspace():
        return [("an answer", "an empty one")]
    # Without `contains` nobody knows what the answer should say: one that holds the question may be right.
    if expect.contains and len(answer) < 2 * len(expect.prompt) + _MOST_AROUND_AN_ECHO and _echoes(answer, expect):
        return [("an answer", f"the prompt again: {shown(text)}")]
    for group in expect.contains:
        if not _holds(answer, group):
            break
    else:
        if expect.contains:
            return []  # an answer that contains all that is expected may speak of errors
    if len(answer) < _LONGEST_FALLBACK and not expect.failing_tool:
        for fallback in _FALLBACKS:
            if fallback in answer:
                return [("an answer", f"a fallback text: {shown(text)}")]
    unmet = [group for group in expect.contains if not _holds(answer, group)]
    return [(f"an answer with {' or '.join(map(repr, group))}", shown(text)) for group in unmet]


def _holds(answer: str, alternatives: tuple[str, ...]) -> bool:
    for text in alternatives:
        if text.casefold() in answer:
            return True
    return not alternatives or damaged_text.holds_plain(answer, alternatives)


def shown(text: str | None, most: int = 120) -> str:
    """A text for a one-line report."""
    if text is None:
        return "nothing"
    return repr(text if len(text) <= most else f"{text[:most]}...")


def _echoes(answer: str, expect: Expect) -> bool:
    """Whether a short answer says little more than the prompt, and nothing that was expected.

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
    """The words of a prompt. Thousands of users may send the same one."""
    return tuple(_WORD.findall(prompt.casefold()))
