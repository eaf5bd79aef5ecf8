"""LIFECYCLE: a run starts once, shows what its request is owed, ends once, and sends nothing afterwards.

All transitions of a run are in the table below; `diagram()` draws it.
"""

import re
from collections.abc import Sequence

from greenlight_gate.events import Control, Event, EventKind
from greenlight_gate.findings import numbered
from greenlight_gate.rules.content import shown
from greenlight_gate.rules.engine.expected import kinds_not_owed
from greenlight_gate.rules.engine.finding_sink import Report
from greenlight_gate.rules.engine.run_state import Request, RunState, Stage
from greenlight_gate.trace import ModelCall

_WORD = re.compile(r"\w+")
_ELLIPSES = ("\N{HORIZONTAL ELLIPSIS}", "...")
# The fault of a model that sends nothing more, and does not end.
_STALL = "stall"
_K = EventKind
_COMPLETED = EventKind.COMPLETED
_MIDDLE = (_K.THINKING, _K.TOOL_EXECUTING, _K.TOOL_COMPLETED)
_INPUTS = (_K.INPUT_REQUESTED, _K.INPUT_RECEIVED)
_ENDS = (_K.COMPLETED, _K.FAILED, _K.STOPPED)

# stage -> kind -> (next stage, the rule that reports this transition)
TRANSITIONS: dict[Stage, dict[EventKind, tuple[Stage, str | None]]] = {
    Stage.ASKED: {
        _K.STARTED: (Stage.OPEN, None),
        **dict.fromkeys((*_MIDDLE, *_INPUTS), (Stage.OPEN, "LIFECYCLE-1")),
        **dict.fromkeys(_ENDS, (Stage.ENDED, "LIFECYCLE-1")),
    },
    Stage.OPEN: {
        _K.STARTED: (Stage.OPEN, "LIFECYCLE-1"),
        **dict.fromkeys((*_MIDDLE, *_INPUTS), (Stage.OPEN, None)),
        **dict.fromkeys(_ENDS, (Stage.ENDED, None)),
    },
    Stage.ENDED: {
        _K.STARTED: (Stage.ENDED, "LIFECYCLE-3"),
        **dict.fromkeys((*_MIDDLE, *_INPUTS), (Stage.ENDED, "LIFECYCLE-3")),
        **dict.fromkeys(_ENDS, (Stage.ENDED, "LIFECYCLE-2")),
    },
}

_EXPECTED = {
    "LIFECYCLE-1": "agent_started first, and once",
    "LIFECYCLE-2": "one end",
    "LIFECYCLE-3": "nothing after the end",
}


def on_wrong_step(rule: str, before: Stage, run: RunState, event: Event, n: int, *, report: Report) -> None:
    """Reports a transition out of `before` by the rule that the table names."""
    came = {
        Stage.ASKED: f"{event.kind} first",
        Stage.OPEN: f"{event.kind} again",
        Stage.ENDED: f"{event.kind} after {run.ended_by}",
    }[before]
    report(rule, _EXPECTED[rule], came, run.last_n, n, run=run)


def on_work_after_stop(run: RunState, event: Event, n: int, report: Report) -> None:
    """LIFECYCLE-3: what was stopped has worked on, as the restored thread shows."""
    on_wrong_step("LIFECYCLE-3", Stage.ENDED, run, event, n, report=report)


def on_late_sub_agent(parent: RunState, event: Event, n: int, report: Report) -> None:
    """LIFECYCLE-3: a sub-agent begins after the end of the run that it works for."""
    on_wrong_step("LIFECYCLE-3", Stage.ENDED, parent, event, n, report=report)


def on_late_part(run: RunState, event: Event, n: int, report: Report) -> None:
    """LIFECYCLE-3: a part of the answer comes after the end of its run."""
    on_wrong_step("LIFECYCLE-3", Stage.ENDED, run, event, n, report=report)


def on_error(ask: Request, error: Control, n: int, report: Report) -> None:
    """LIFECYCLE-1: an error in place of a run."""
    said = f"error {error.values.get('code')}: {shown(str(error.values.get('text')))}"
    report("LIFECYCLE-1", "agent_started", said, ask.n, n)


def on_nothing(ask: Request, n: int, report: Report, *, late: bool) -> None:
    """LIFECYCLE-2: a request of whose run nothing was received; `late`: it was waited for in vain."""
    report("LIFECYCLE-2", "a run that ends", "no event of it", ask.n, n, late=late)


def on_no_end(run: RunState, at: float, n: int, report: Report) -> None:
    """LIFECYCLE-2: the user gave up waiting for the next event of a run."""
    came = f"nothing for {at - run.last_at:.1f} s after {numbered(run.events, 'event')}"
    report("LIFECYCLE-2", "one end", came, run.first_n, run.last_n, n, run=run, late=True)


def on_unfinished(run: RunState, n: int, report: Report) -> None:
    """LIFECYCLE-2: a run that has not ended when nothing more can come."""
    report("LIFECYCLE-2", "one end", f"{numbered(run.events, 'event')} and no end", run.first_n, run.last_n, n, run=run)


def on_ignored_stop(run: RunState, at: float, n: int, stop_s: float, report: Report) -> None:
    """LIFECYCLE-6: a run that the user stopped completes, later than a stop may need to take effect."""
    late = at - run.stop_at if run.stop_at is not None else 0.0
    if late > stop_s:
        came = f"agent_completed {late:.2f} s later"
        report("LIFECYCLE-6", "agent_stopped after the stop request", came, run.first_n, n, run=run, late=True)


def on_stopped(run: RunState, n: int, report: Report) -> None:
    """LIFECYCLE-6: agent_stopped of a run that was to complete, and that its user has not stopped.

    Where another user tried to stop it, REFUSAL-2 says so.
    """
    expect, ask = run.expect, run.ask
    if run.stop_at is not None or run.intruder is not None or ask is None or ask.excused:
        return
    if expect is not None and expect.end is _COMPLETED:
        report("LIFECYCLE-6", "a stop of this run before it", "agent_stopped without one", ask.n, n, run=run)


def on_unfinished_answer(run: RunState, text: str, calls: Sequence[ModelCall], report: Report) -> None:
    """LIFECYCLE-7: a run completes with what the model said in `calls`, the last of which it did not finish.

    What the backend adds to that may say that something is missing. Punctuation and case may differ.
    """
    if run.ended_by is not _COMPLETED or not (answer := _words(text)):
        return
    if any(call.state == "finished" and not _calls_tools(call) and _words(call.said) == answer for call in calls):
        return
    last = _last_said(answer, calls)
    if last is not None and _calls_tools(last):
        # What the model says before its tools is no answer, where the call with their results broke off.
        last = _broken_after(last, calls)
    if last is None or not _broke_off(last) or _says_that_more_is_missing(text, last.said):
        return
    came = f"agent_completed with what it had said ({last.fault or 'it ended early'}): {shown(text)}"
    report("LIFECYCLE-7", "no agent_completed, or a word on the missing end", came, run.last_n, last.n, run=run)


def _broke_off(call: ModelCall) -> bool:
    """Whether the model has not finished its answer; of a model that says nothing more, the backend has to leave."""
    return call.state == "unfinished" or (call.fault == _STALL and call.state in ("left", "under way"))


def _calls_tools(call: ModelCall) -> bool:
    return call.state == "finished" and call.finish == "tool_calls"


def _broken_after(call: ModelCall, calls: Sequence[ModelCall]) -> ModelCall | None:
    """The last call after this one, if it broke off and none of them was finished."""
    later = [each for each in calls if each.number > call.number]
    answered = any(each.state == "finished" and not _calls_tools(each) for each in later)
    return later[-1] if later and not answered else None


def _last_said(answer: str, calls: Sequence[ModelCall]) -> ModelCall | None:
    """The call in whose text an answer ends, if it holds nothing but what calls have said, the last of it in part."""
    rest = answer
    for call in calls:
        said = _words(call.said)
        if said and rest == said:
            return call
        if said and rest.startswith(f"{said} "):
            rest = rest.removeprefix(f"{said} ")
    begun = (call for call in reversed(calls) if 2 * len(rest) >= len(_words(call.said)))
    return next((call for call in begun if _words(call.said).startswith(rest)), None)


def _says_that_more_is_missing(text: str, said: str) -> bool:
    """Whether an answer ends with an ellipsis that is not the model's."""
    return text.rstrip().endswith(_ELLIPSES) and not said.rstrip().endswith(_ELLIPSES)


def on_calls_after_the_end(
    run: RunState, calls: Sequence[ModelCall], left_at: float | None, stop_s: float, report: Report
) -> None:
    """LIFECYCLE-8: a call to the model goes on after the stop of its run for longer than a stop may need.

    `left_at`: when the user left, if that had to end the run; the later of the two counts. What else a backend asks
    with the user's text, a title for instance, does not go on with the run.
    """
    ends = [at for at in (run.stop_at, left_at) if at is not None]
    if not ends or run.ended_by is _COMPLETED:
        return
    end = max(ends)
    going_on = _calls_of_the_answer(calls, end)
    late = [call for call in going_on if _late_s(call, end) > stop_s]
    # Where one agent of several was stopped in time, what the others do is not known to be the answer.
    stopped = {call.role for call in going_on if call.began_at <= end} - {call.role for call in late}
    if late and not stopped:
        call = late[0]
        how = "still under way" if call.ended_at is None else "ended"
        what = "the user left" if left_at is not None else "the stop"
        came = f"call {call.number} {how} {_late_s(call, end):.2f} s later"
        report("LIFECYCLE-8", f"the end of each call after {what}", came, run.last_n, call.n, run=run, late=True)


def _late_s(call: ModelCall, end: float) -> float:
    return (call.at if call.ended_at is None else call.ended_at) - end


def _calls_of_the_answer(calls: Sequence[ModelCall], end: float) -> list[ModelCall]:
    """The calls in which the model makes the answer after its run was to end.

    They are streamed where any call is, have the instructions and tools of one that has begun before, and are the most
    alike to one that is offered tools, and asks for nothing but what the user wrote.
    """
    streamed = any(call.stream for call in calls)
    roles = {call.role for call in calls if call.began_at <= end}
    going_on = [
        call for call in calls
        if (call.ended_at is None or call.ended_at > end) and call.stream == streamed
        and (not roles or call.role in roles)
    ]  # fmt: skip
    best = max((_likeness(call) for call in going_on), default=None)
    return [call for call in going_on if _likeness(call) == best]


def _likeness(call: ModelCall) -> tuple[bool, bool]:
    return call.tools > 0, call.alone


def _words(text: str) -> str:
    """A text without punctuation and marks; its letters are small."""
    return " ".join(_WORD.findall(text.casefold()))


def on_end(run: RunState, event: Event, n: int, report: Report) -> None:
    """LIFECYCLE-4 and -5, when a run ends: whether it has shown all that its request is owed."""
    expect, expected, kind = run.expect, run.expected, event.kind
    if expect is None or kind is _K.STOPPED or (kind is not _COMPLETED and kind is not expect.end):
        return
    if expected.thinking and not run.thoughts:
        report("LIFECYCLE-4", "agent_thinking before the end", "none", run.first_n, n, run=run)
    if not expected.tool_executing or kind is not _COMPLETED:
        return
    all_seen = run.started_at is not None and run.thoughts and run.tools_begun and run.tools_done
    if not all_seen and (unseen := _unseen(run, kinds_not_owed(expect))):
        report("LIFECYCLE-5", "all five kinds of event", f"no {' and no '.join(unseen)}", run.first_n, n, run=run)
    elif run.tools_begun < expected.tool_executing:
        report(
            "LIFECYCLE-5",
            f"{numbered(expected.tool_executing, 'tool')} called",
            f"{run.tools_begun}",
            run.first_n,
            n,
            run=run,
        )
    elif expect.parallel and run.most_open < 2:
        report("LIFECYCLE-5", "two tools open at once", "one after the other", run.first_n, n, run=run)


def _unseen(run: RunState, unowed: tuple[str, ...]) -> list[EventKind]:
    seen = (run.started_at is not None, run.thoughts, run.tools_begun, run.tools_done)
    kinds = zip((EventKind.STARTED, *_MIDDLE), seen, strict=True)
    return [kind for kind, times in kinds if not times and kind not in unowed]


def diagram() -> str:
    """The table as a Mermaid state diagram, with the rule that reports a transition in brackets."""
    lines = ["stateDiagram-v2", "    [*] --> asked"]
    for stage, row in TRANSITIONS.items():
        for kind, (after, rule) in row.items():
            lines.append(f"    {stage} --> {after}: {kind}{f' [{rule}]' if rule else ''}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(diagram())
