"""TIMELINESS: what happens is shown while it happens."""

from collections import deque

from support.events import Event
from support.rules.state import Budgets, OpenTool, Report, Run

_LEAST_RUN_S = 0.5
_LAST_PART = 0.1
_MOST_AT_THE_END = 0.5


def on_start(run: Run, at: float, n: int, budgets: Budgets, report: Report) -> None:
    """TIMELINESS-1: the wait from the (intended) question to the first event."""
    waited = at - run.asked_at
    if waited > budgets.start_s:
        report("TIMELINESS-1", f"a start within {budgets.start_s:g} s", f"{waited:.2f} s", run.first_n, n, run=run)


def on_silence(run: Run, at: float, n: int, budgets: Budgets, report: Report) -> None:
    """TIMELINESS-2: the gap to the event before was too long."""
    expected = f"at most {budgets.silence_s:g} s of silence"
    report("TIMELINESS-2", expected, f"{at - run.last_at:.2f} s", run.last_n, n, run=run)


def on_tool_done(run: Run, tool: OpenTool, at: float, n: int, budgets: Budgets, report: Report) -> None:
    """TIMELINESS-4 for a tool."""
    if at - tool.at > budgets.tool_s:
        took = f"{at - tool.at:.2f} s"
        report("TIMELINESS-4", f"{tool.name!r} done within {budgets.tool_s:g} s", took, tool.n, n, run=run)


def on_end(run: Run, event: Event, at: float, n: int, budgets: Budgets, report: Report) -> None:
    """TIMELINESS-3, for a run whose question has a long tool, and TIMELINESS-4 for the run."""
    if run.started_at is None:
        return
    took = at - run.started_at
    if took > budgets.run_s:
        report("TIMELINESS-4", f"a run within {budgets.run_s:g} s", f"{took:.2f} s", run.first_n, n, run=run)
    if run.recent is not None and took >= _LEAST_RUN_S:
        late = _late(run.recent, at - took * _LAST_PART)
        if late > run.events * _MOST_AT_THE_END:
            came = f"{late} of {run.events} events in the last tenth of {took * 1e3:.0f} ms"
            report("TIMELINESS-3", "events while they happen", came, run.first_n, n, run=run)


def _late(times: deque[float], since: float) -> int:
    return sum(1 for time in times if time >= since)
