"""PAIRING: each tool_executing names its tool, and is closed by one tool_completed."""

from greenlight_gate.events import Event, EventKind
from greenlight_gate.rules.engine.finding_sink import Report
from greenlight_gate.rules.engine.run_state import OpenTool, RunState


def on_executing(run: RunState, event: Event, at: float, n: int, report: Report) -> None:
    """PAIRING-3: tool_executing names the tool."""
    if not event.tool or event.tool.isspace():
        report("PAIRING-3", "a tool with a name", repr(event.tool), n, run=run)
    run.tools.append(OpenTool(event.tool, event.call, n, at))
    root = run if run.parent is None else run.root
    root.tools_begun += 1
    # Tools are begun one by one.
    root.most_open += len(run.tools) > root.most_open


def on_completed(run: RunState, event: Event, n: int, report: Report) -> OpenTool | None:
    """PAIRING-1 and -3: tool_completed closes the open tool of the same call id, else of the same name, oldest first.

    Returns the tool that was closed, or None if none was open.
    """
    root = run if run.parent is None else run.root
    root.tools_done += 1
    root.tools_failed += event.tool_failed
    tool = closed_by(run, event)
    # Where results name their call only, the name is that of the call; of a call that is not open there is none.
    by_call_only = event.tool is None and event.call is not None and tool is None
    if (not event.tool or event.tool.isspace()) and not by_call_only:
        report("PAIRING-3", "a tool with a name", repr(event.tool), n, run=run)
    if tool is None:
        still = ", ".join(repr(other.name) for other in run.tools) or "none"
        came = f"one of {event.tool!r} (call {event.call}), with {still} open"
        report("PAIRING-1", "tool_completed of an open tool", came, n, run=run)
        return None
    run.tools.remove(tool)
    if tool.name and event.tool and tool.name != event.tool:
        report("PAIRING-3", f"the tool's name {tool.name!r} in both events", repr(event.tool), tool.n, n, run=run)
    return tool


def on_end(run: RunState, event: Event, n: int, report: Report) -> None:
    """PAIRING-2: a completed run leaves no tool open, but for what was not approved; a stopped or failed one may."""
    left = [tool for tool in run.tools if not tool.may_stay_open]
    if event.kind is EventKind.COMPLETED and left:
        names = " and ".join(repr(tool.name) for tool in left)
        begun = (tool.n for tool in left)
        report("PAIRING-2", f"tool_completed of {names} before the run completes", "none", *begun, n, run=run)


def closed_by(run: RunState, event: Event) -> OpenTool | None:
    """The open tool that a tool_completed means; None if none is."""
    if event.call is not None:
        for tool in run.tools:
            if tool.call == event.call:
                return tool
    for tool in run.tools:
        if tool.name == event.tool and (event.call is None or tool.call is None):
            return tool
    # Without call ids, the only open tool is the one that is meant, whatever name this event has.
    only = run.tools[0] if len(run.tools) == 1 else None
    return only if only is not None and (not event.tool or event.call is None or only.call is None) else None
