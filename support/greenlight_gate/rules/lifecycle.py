"""LIFECYCLE: a run starts once, ends once, and says nothing afterwards.

The whole life of a run is the table below; `diagram()` draws it.
"""

from greenlight_gate.events import Event, EventKind
from greenlight_gate.rules.engine.run_state import Report, RunState, Stage

_K = EventKind
_COMPLETED = EventKind.COMPLETED
_MIDDLE = (_K.THINKING, _K.TOOL_EXECUTING, _K.TOOL_COMPLETED)
_ENDS = (_K.COMPLETED, _K.FAILED, _K.STOPPED)

# (stage, kind) -> (next stage, the rule that objects to this step)
TRANSITIONS: dict[Stage, dict[EventKind, tuple[Stage, str | None]]] = {
    Stage.ASKED: {
        _K.STARTED: (Stage.OPEN, None),
        **dict.fromkeys(_MIDDLE, (Stage.OPEN, "LIFECYCLE-1")),
        **dict.fromkeys(_ENDS, (Stage.ENDED, "LIFECYCLE-1")),
    },
    Stage.OPEN: {
        _K.STARTED: (Stage.OPEN, "LIFECYCLE-1"),
        **dict.fromkeys(_MIDDLE, (Stage.OPEN, None)),
        **dict.fromkeys(_ENDS, (Stage.ENDED, None)),
    },
    Stage.ENDED: {
        _K.STARTED: (Stage.ENDED, "LIFECYCLE-3"),
        **dict.fromkeys(_MIDDLE, (Stage.ENDED, "LIFECYCLE-3")),
        **dict.fromkeys(_ENDS, (Stage.ENDED, "LIFECYCLE-2")),
    },
}

_EXPECTED = {
    "LIFECYCLE-1": "agent_started first, and once",
    "LIFECYCLE-2": "one end",
    "LIFECYCLE-3": "nothing after the end",
}


def on_objection(rule: str, before: Stage, run: RunState, event: Event, n: int, *, report: Report) -> None:
    """Says what the table objects to in a step out of `before`."""
    came = {
        Stage.ASKED: f"{event.kind} first",
        Stage.OPEN: f"{event.kind} again",
        Stage.ENDED: f"{event.kind} after {run.ended_by}",
    }[before]
    report(rule, _EXPECTED[rule], came, run.last_n, n, run=run)


def on_end(run: RunState, event: Event, n: int, report: Report) -> None:
    """Judges, when a run ends, whether a person saw all that the question promised."""
    expect, expected, kind = run.expect, run.expected, event.kind
    if expect is None or kind is _K.STOPPED or (kind is not _COMPLETED and kind is not expect.end):
        return
    if expected.thinking and not run.thoughts:
        report("LIFECYCLE-4", "agent_thinking before the end", "none", run.first_n, n, run=run)
    if not expected.tool_executing or kind is not _COMPLETED:
        return
    seen = (run.started_at is not None, run.thoughts, run.tools_begun, run.tools_done)
    if not all(seen) and (unseen := _unseen(seen, expect.hidden)):
        report("LIFECYCLE-5", "all five kinds", f"no {' and no '.join(unseen)}", run.first_n, n, run=run)
    elif run.tools_begun < expected.tool_executing:
        report("LIFECYCLE-5", f"{expected.tool_executing} tools at work", f"{run.tools_begun}", run.first_n, n, run=run)
    elif expect.parallel and run.most_open < 2:
        report("LIFECYCLE-5", "two tools at work at once", "one after the other", run.first_n, n, run=run)


def _unseen(seen: tuple[object, ...], hidden: tuple[str, ...]) -> list[EventKind]:
    kinds = zip((EventKind.STARTED, *_MIDDLE), seen, strict=True)
    return [kind for kind, times in kinds if not times and kind not in hidden]


def diagram() -> str:
    """The table as a Mermaid state diagram, objections in brackets."""
    lines = ["stateDiagram-v2", "    [*] --> asked"]
    for stage, row in TRANSITIONS.items():
        for kind, (after, rule) in row.items():
            lines.append(f"    {stage} --> {after}: {kind}{f' [{rule}]' if rule else ''}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(diagram())
