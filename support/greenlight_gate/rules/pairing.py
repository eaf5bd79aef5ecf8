"""PAIRING: tools are named, and each that starts is seen to finish."""

from greenlight_gate.events import Event, EventKind
from greenlight_gate.rules.engine.run_state import OpenTool, Report, RunState


def on_executing(run: RunState, event: Event, at: float, n: int, report: Report) -> None:
    """A tool starts: it has a name from now on."""
    if not event.tool or event.tool.isspace():
        report("PAIRING-3", "a tool with a name", repr(event.tool), n, run=run)
    run.tools.append(OpenTool(event.tool, event.call, n, at))
    root = run if run.parent is None else run.root
    root.tools_begun += 1
    root.most_open = max(root.most_open, len(run.tools))


def on_completed(run: RunState, event: Event, n: int, report: Report) -> OpenTool | None:
    """A tool finishes: it closes the open one of the same call id, else of the same name, first in first out.

    Returns the tool that was closed, or None if none was open.
    """
    root = run if run.parent is None else run.root
    root.tools_done += 1
    root.tools_failed += event.tool_failed
    if not event.tool or event.tool.isspace():
        report("PAIRING-3", "a tool with a name", repr(event.tool), n, run=run)
    tool = _closed_by(run, event)
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
    """A completed run leaves no tool open; a stopped or failed one may."""
    if event.kind is EventKind.COMPLETED and run.tools:
        names = " and ".join(repr(tool.name) for tool in run.tools)
        begun = (tool.n for tool in run.tools)
        report("PAIRING-2", f"tool_completed of {names} before the run completes", "none", *begun, n, run=run)


def _closed_by(run: RunState, event: Event) -> OpenTool | None:
    if event.call is not None:
        for tool in run.tools:
            if tool.call == event.call:
                return tool
    for tool in run.tools:
        if tool.name == event.tool and (event.call is None or tool.call is None):
            return tool
    # Where no ids tell calls apart, the only open tool is the one that is meant, whatever it is called now.
    only = run.tools[0] if len(run.tools) == 1 else None
    return only if only is not None and (not event.tool or event.call is None or only.call is None) else None
