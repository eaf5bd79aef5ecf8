"""What a person waits for in vain, and when there is nothing left to wait for."""

from typing import TYPE_CHECKING

from greenlight_gate.events import Control
from greenlight_gate.rules import content, continuity, refusal, timeliness
from greenlight_gate.rules.engine.run_state import MOST_LEFT, Report, Request, RunState, Stage, TimeBudgets, UserTabs
from greenlight_gate.rules.identity import Correlation

if TYPE_CHECKING:
    from greenlight_gate.rules.engine.connection_checker import ConnectionChecker


def on_ignored_stop(run: RunState, at: float, n: int, budgets: TimeBudgets, report: Report) -> None:
    """LIFECYCLE-2: a run that the person stopped goes on to its answer, longer than a word needs to arrive."""
    late = at - run.stop_at if run.stop_at is not None else 0.0
    if late > budgets.ping_s:
        came = f"agent_completed {late:.2f} s later"
        report("LIFECYCLE-2", "agent_stopped once the person said stop", came, run.first_n, n, run=run)


def on_error(checker: "ConnectionChecker", error: Control, at: float, n: int) -> None:
    """LIFECYCLE-1: an error instead of an answer, unless it is the answer to what had to be refused.

    An error in the middle of a run is not its end; that is still owed.
    """
    desk, report, request = checker.desk, checker.report, error.values.get("request")
    ask = desk.by_request.get(str(request)) if request is not None else None
    waits = ask is not None and ask.run is None
    expired = checker.expiry is not None and checker.expiry.over
    if expired or checker.reaching.took(error, n):
        if ask is not None and waits:
            desk.conclude(ask, at, excused=True, error=error)
            desk.drop(ask)
        return
    if not waits and checker.door.took_refusal(error, n):
        return
    if request is None:
        continuity.on_refused_restore(desk, error, n, report)
    if ask is not None and waits:
        said = f"error {error.values.get('code')}: {content.shown(str(error.values.get('text')))}"
        report("LIFECYCLE-1", "agent_started", said, ask.n, n)
        desk.conclude(ask, at, error=error)
        desk.drop(ask)


def ask_of(desk: Correlation, request: str | None, run_id: str | None) -> Request | None:
    """The question that a wait was for: by its request or run, else the only one that is open."""
    if request is not None and request in desk.by_request:
        return desk.by_request[request]
    run = desk.book.runs.get(run_id) if run_id is not None else None
    if run is not None and run.person == desk.person:
        return run.ask
    waiting = [ask for ask in desk.asks if not ask.given_up]
    return waiting[0] if len(waiting) == 1 and request in (None, waiting[0].request) else None


def on_no_answer(checker: "ConnectionChecker", ask: Request | None, at: float, n: int) -> None:
    """The person gave up. What comes later still belongs to the question, but is no longer owed."""
    if ask is None or ask.over or ask.given_up:
        return
    ask.given_up = True
    checker.desk.conclude(ask, at)
    budgets, report, run = checker.budgets, checker.report, ask.run
    if run is None:
        timeliness.on_no_start(ask, at, n, budgets.start_s, report)
        _nothing_came(checker, ask, n)
        return
    if run.intruder is not None and run.stop_at is None:
        refusal.on_foreign_stop(run, n, report)
    timeliness.on_silence(run, at, n, budgets.silence_s, report)
    timeliness.on_length(run, at, n, budgets.run_s, report)
    for tool in run.tools:
        timeliness.on_tool(run, tool, at, n, tool_s=budgets.tool_s, report=report)
    came = f"nothing for {at - run.last_at:.1f} s after {run.events} events"
    if ask.resumed:
        continuity.on_no_rest(run, n, report)
    report("LIFECYCLE-2", "one end", came, run.first_n, run.last_n, n, run=run)


def on_closed(desk: Correlation, windows: UserTabs, by: str) -> None:
    """The connection has ended. What the person themselves walked away from is owed again once they restore it."""
    windows.open.discard(desk.connection)
    windows.torn = windows.torn or bool(desk.asks or desk.runs)
    for run in desk.runs.values():
        desk.book.abandon(run)
    windows.left.extend(ask for ask in desk.asks if ask.run is not None or ask.thread is not None)
    del windows.left[:-MOST_LEFT]
    for ask in desk.asks:
        ask.lost = by != "client"
    if by == "client":
        for ask in desk.asks:
            if ask.run is None and ask.thread is None:
                desk.conclude(ask, excused=True)
        desk.asks.clear()


def on_finish(checker: "ConnectionChecker", n: int) -> None:
    """LIFECYCLE-2: what has no end now never will."""
    desk = checker.desk
    for ask in (*desk.asks, *checker.windows.left):
        # What the backend did not cut short was left by the user, or ends with the trace.
        desk.conclude(ask, excused=ask.foreign or not ask.lost)
    for ask in desk.asks:
        run = ask.run
        if ask.over or ask.given_up or (run is None and ask.foreign):
            continue
        if run is None:
            _nothing_came(checker, ask, n)
        elif run.stage is not Stage.ENDED:
            last = f"{run.events} events and no end"
            if ask.resumed:
                continuity.on_no_rest(run, n, checker.report)
            checker.report("LIFECYCLE-2", "one end", last, run.first_n, run.last_n, n, run=run)
    desk.asks.clear()


def _nothing_came(checker: "ConnectionChecker", ask: Request, n: int) -> None:
    checker.report("LIFECYCLE-2", "an answer that ends", "not one event of it", ask.n, n)
    if ask.resumed:
        came = "not one event of it"
        checker.report("CONTINUITY-1", "the answer after the restore", came, ask.n, n)
        return
    alone = checker.windows.open <= {checker.connection}
    if checker.door.promised and checker.door.ready and not checker.heard and alone:
        came = "the first question was not heard"
        checker.report("CONNECTION-1", "a backend that is ready when it says so", came, ask.n, n)
