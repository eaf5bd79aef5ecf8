"""LIFECYCLE: a run starts once, ends once, and says nothing afterwards.

The whole life of a run is the table below; `diagram()` draws it.
"""

from support.events import ENDS, FIVE, Event, EventKind
from support.rules.state import BIT, Report, Run, Stage

_K = EventKind
_MIDDLE = (_K.THINKING, _K.TOOL_EXECUTING, _K.TOOL_COMPLETED)

# (stage, kind) -> (next stage, the rule that objects to this step)
TRANSITIONS: dict[Stage, dict[EventKind, tuple[Stage, str | None]]] = {
    Stage.ASKED: {
        _K.STARTED: (Stage.OPEN, None),
        **{kind: (Stage.OPEN, "LIFECYCLE-1") for kind in _MIDDLE},
        **{kind: (Stage.ENDED, "LIFECYCLE-1") for kind in ENDS},
    },
    Stage.OPEN: {
        _K.STARTED: (Stage.OPEN, "LIFECYCLE-1"),
        **{kind: (Stage.OPEN, None) for kind in _MIDDLE},
        **{kind: (Stage.ENDED, None) for kind in ENDS},
    },
    Stage.ENDED: {
        _K.STARTED: (Stage.ENDED, "LIFECYCLE-3"),
        **{kind: (Stage.ENDED, "LIFECYCLE-3") for kind in _MIDDLE},
        **{kind: (Stage.ENDED, "LIFECYCLE-2") for kind in ENDS},
    },
}

_EXPECTED = {
    "LIFECYCLE-1": "agent_started first, and once",
    "LIFECYCLE-2": "one end",
    "LIFECYCLE-3": "nothing after the end",
}


def on_objection(rule: str, before: Stage, run: Run, event: Event, n: int, report: Report) -> None:
    """Says what the table objects to in a step out of `before`."""
    came = {
        Stage.ASKED: f"{event.kind} first",
        Stage.OPEN: f"{event.kind} again",
        Stage.ENDED: f"{event.kind} after {run.ended_by}",
    }[before]
    report(rule, _EXPECTED[rule], came, n, run=run)


def on_end(run: Run, event: Event, n: int, report: Report) -> None:
    """Judges, when a run ends, whether a person saw all that the question promised."""
    if event.kind is not EventKind.COMPLETED:
        return
    expect = run.expect
    if expect.thinking and not run.kinds & BIT[EventKind.THINKING]:
        report("LIFECYCLE-4", "agent_thinking before the end", "none", n, run=run)
    if expect.tools and expect.end is EventKind.COMPLETED:
        unseen = [kind for kind in FIVE if not run.kinds & BIT[kind]]
        begun = run.tools_done + len(run.tools)
        if not unseen and begun < expect.tools:
            report("LIFECYCLE-5", f"{expect.tools} tools at work", f"{begun}", n, run=run)
        if unseen:
            report("LIFECYCLE-5", "all five kinds", f"no {' and no '.join(unseen)}", n, run=run)


def diagram() -> str:
    """The table as a Mermaid state diagram, objections in brackets."""
    lines = ["stateDiagram-v2", "    [*] --> asked"]
    for stage, row in TRANSITIONS.items():
        for kind, (after, rule) in row.items():
            lines.append(f"    {stage} --> {after}: {kind}{f' [{rule}]' if rule else ''}")
    return "\n".join(lines)
