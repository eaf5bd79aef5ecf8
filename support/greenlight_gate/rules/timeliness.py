"""TIMELINESS: events arrive in time, and as they happen."""

from greenlight_gate.events import Event, EventKind
from greenlight_gate.findings import numbered
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.finding_sink import Report
from greenlight_gate.rules.engine.run_state import OpenTool, Request, RunState, TimedEvent

_LEAST_RUN_S = 0.5
_LAST_PART = 0.1
_MOST_AT_THE_END = 0.5
_ROUNDING_S = 1e-6
# Two messages that were sent one after the other may arrive so much closer.
_JITTER_S = 0.05


def on_start(run: RunState, at: float, n: int, start_s: float, report: Report) -> None:
    """TIMELINESS-1: the wait from the (intended) request to agent_started."""
    waited = at - run.asked_at
    if waited > start_s and run.parent is None:
        took, expected = f"{waited:.2f} s", f"agent_started within {start_s:g} s"
        report("TIMELINESS-1", expected, took, run.first_n, n, run=run, late=True)


def on_no_start(ask: Request, at: float, n: int, start_s: float, report: Report) -> None:
    """TIMELINESS-1 for a start that was waited for in vain."""
    if at - ask.at > start_s:
        report("TIMELINESS-1", f"agent_started within {start_s:g} s", "none", ask.n, n, late=True)


def on_silence(run: RunState, at: float, n: int, silence_s: float, report: Report) -> None:
    """TIMELINESS-2: the time since the latest event of the run or of one of its sub-agents."""
    if run.waits:
        return  # it is the user who is waited for
    silent = at - run.last_at
    if silent > silence_s:
        came, expected = f"{silent:.2f} s", f"at most {silence_s:g} s of silence"
        report("TIMELINESS-2", expected, came, run.last_n, n, run=run, late=True)


def on_tool(run: RunState, tool: OpenTool, at: float, n: int, *, tool_s: float, report: Report) -> None:
    """TIMELINESS-4 for a tool that has completed, or is still open, at `at`."""
    if at - tool.at > tool_s:
        took = f"{at - tool.at:.2f} s"
        report("TIMELINESS-4", f"{tool.name!r} completed within {tool_s:g} s", took, tool.n, n, run=run, late=True)


def on_stopped(run: RunState, at: float, n: int, stop_s: float, report: Report) -> None:
    """TIMELINESS-5: the wait from the stop to the end of the run."""
    took = at - run.stop_at if run.stop_at is not None else 0.0
    if took > stop_s:
        expected = f"agent_stopped within {stop_s:g} s of the stop"
        report("TIMELINESS-5", expected, f"{took:.2f} s", run.first_n, n, run=run, late=True)


def on_late_tool_end(
    run: RunState, tool: OpenTool, took_s: float, at: float, n: int, *, tool_end_s: float, report: Report
) -> None:
    """TIMELINESS-6: tool_completed comes later than the tool can have ended, which took `took_s` by its own account.

    A tool may have waited for another one of the run or of its sub-agents: in a queue until that one had completed, or
    until it was announced as well, where an agent names all its tools before it begins the first.
    """
    latest = at - took_s + _JITTER_S
    began = max([tool.at, *(turn for turn in run.root.tool_turns if tool.at <= turn <= latest)])
    late = at - took_s - began
    if late > tool_end_s:
        expected = f"{tool.name!r} shown as completed within {tool_end_s:g} s of its end"
        report("TIMELINESS-6", expected, f"{late:.2f} s after it", tool.n, n, run=run, late=True)


def on_length(run: RunState, at: float, n: int, run_s: float, report: Report) -> None:
    """TIMELINESS-4 for a run that ends at `at`, or is still in progress then."""
    began_at = run.started_at
    if began_at is not None and (took_s := run.without_user(began_at, at)) > run_s:
        took = f"{took_s:.2f} s"
        report("TIMELINESS-4", f"a run that ends within {run_s:g} s", took, run.first_n, n, run=run, late=True)


def on_end(run: RunState, event: Event, at: float, n: int, budgets: TimeBudgets, *, report: Report) -> None:
    """TIMELINESS-3 for a run whose request has a long tool, TIMELINESS-4 for the run and the tools left open."""
    if run.started_at is not None and at - run.started_at > budgets.run_s:
        on_length(run, at, n, budgets.run_s, report)
    for tool in run.tools:
        if not (run.waits or tool.may_stay_open):
            on_tool(run, tool, at, n, tool_s=budgets.tool_s, report=report)
    # A run that failed or was stopped may not have come to the long tool that spreads its events.
    if run.recent is None or run.started_at is None or event.kind is not EventKind.COMPLETED:
        return
    took = at - run.started_at
    whole_seconds = event.server_s is not None and event.server_s == int(event.server_s)
    if event.server_s is not None and run.first_stamp_s is not None and not whole_seconds:
        # If agent_started was held back as well, only the server's own timestamps say how long the run took; but it
        # took no longer than the user has waited, however its clock was moved.
        took = max(took, min(event.server_s - run.first_stamp_s, at - run.asked_at))
    last_s = took * _LAST_PART
    late = [each for each in run.recent if each.at >= at - last_s]
    shown = run.events + run.sub_agent_events
    if took >= _LEAST_RUN_S and len(late) > shown * _MOST_AT_THE_END:
        stamp_s = None if whole_seconds else event.server_s
        if _were_held_back(run, late, shown, None if stamp_s is None else stamp_s - last_s):
            came = f"{len(late)} of {numbered(shown, 'event')} in the last tenth of {took * 1e3:.0f} ms"
            report("TIMELINESS-3", "events as they happen", came, run.first_n, n, run=run, late=True)


def _were_held_back(run: RunState, late: list[TimedEvent], shown: int, since_s: float | None) -> bool:
    """Whether the events at the end of a run, more than half, happened earlier: an agent may say much at its end.

    `since_s`: the beginning of the last tenth by the server's clock; None if its timestamps do not say it.
    """
    tools = sum(each.kind is EventKind.TOOL_EXECUTING for each in run.recent or ())
    late_tools = sum(each.kind is EventKind.TOOL_EXECUTING for each in late)
    if late_tools and max(run.tools_begun, tools) <= late_tools:
        # The long tool, with whose work the time has passed, began before, if it was not the agent that took its time.
        return since_s is None or not _came_when_sent(run, late)
    if since_s is None:
        return False  # nothing shows when they happened
    happened_late = sum(each.server_s is not None and each.server_s >= since_s - _ROUNDING_S for each in late)
    return happened_late <= shown * _MOST_AT_THE_END


def _came_when_sent(run: RunState, late: list[TimedEvent]) -> bool:
    """Whether the events at the end took no longer from the server than those before, by its timestamps.

    A server that holds all back but agent_started may stamp what it sends only then: what was shown since the start has
    to show that it sends as it goes.
    """
    recent = list(run.recent or ())
    before = [each for each in recent[: len(recent) - len(late)] if each.server_s is not None]
    if all(each.kind is EventKind.STARTED for each in before):
        return False
    least_s = min(each.at - each.server_s for each in before if each.server_s is not None)
    return all(each.server_s is not None and abs(each.at - each.server_s - least_s) <= _JITTER_S for each in late)
