"""IDENTITY: events name the run, thread and user that they belong to, and keep to them.

The correlation (`engine/correlation.py`) decides which run an event belongs to, and reports here where the event
itself says otherwise.
"""

from typing import Final

from greenlight_gate.events import Event
from greenlight_gate.rules.engine.finding_sink import Report
from greenlight_gate.rules.engine.run_state import RunState

_PLACEHOLDERS: Final = frozenset(
    {"", "registry", "null", "none", "nil", "undefined", "unknown", "placeholder", "default", "run", "run_id", "run-id",
     "id", "test", "todo", "tbd", "n/a", "na", "temp", "-1", "string", "uuid", "nan", "false", "true",
     "00000000-0000-0000-0000-000000000000"}
)  # fmt: skip


def is_placeholder(run: str) -> bool:
    """Whether a run id is no id at all, such as "null"."""
    return run.strip().casefold() in _PLACEHOLDERS


def on_no_run_id(event: Event, n: int, report: Report) -> None:
    """IDENTITY-1: no run id, or a placeholder."""
    report("IDENTITY-1", "a run id", f"{event.run!r} in {event.kind}", n)


def on_run_of_another_request(known: RunState, event: Event, n: int, report: Report) -> None:
    """IDENTITY-1: the event names one request and the run of another one."""
    came = f"run {event.run} of request {known.request}"
    report("IDENTITY-1", f"the run of request {event.request}", came, n)


def on_reused_run_id(event: Event, n: int, report: Report) -> None:
    """IDENTITY-1: a new run under the id of one that has ended."""
    report("IDENTITY-1", "a new run id for each request", f"run {event.run}, which has ended before", n)


def on_unknown_sub_agent(run: RunState, event: Event, n: int, report: Report) -> None:
    """IDENTITY-1: a sub-agent of this run names another run as its parent."""
    came = f"{event.kind} of a sub-agent of run {event.parent}"
    report("IDENTITY-1", f"a sub-agent of run {run.id}", came, n, run=run)


def on_changed_run_id(run: RunState, event: Event, n: int, report: Report) -> None:
    """IDENTITY-1: the run id changes during the run."""
    report("IDENTITY-1", f"run id {run.id} throughout", f"{event.run} in {event.kind}", n, run=run)


def on_unrequested_run(event: Event, n: int, report: Report) -> None:
    """IDENTITY-1: a run that belongs to no request."""
    came = f"{event.kind} of run {event.run}, which was not requested"
    report("IDENTITY-1", "events of requested runs", came, n)


def on_another_connection(run: RunState, event: Event, n: int, report: Report) -> None:
    """IDENTITY-1: an event on another connection of the user than the one that sent the request."""
    came = f"{event.kind} of run {run.id} on another connection"
    report("IDENTITY-1", "events on the connection that sent the request", came, n, run=run)


def on_thread_and_user(run: RunState, event: Event, connected_as: str | None, n: int, report: Report) -> None:
    """IDENTITY-2: thread and user id of an event are those of its run. `connected_as`: the connection's user id.

    An event that answers the run's request under another run id is of a second run for it, as IDENTITY-1 says: that one
    may have a thread of its own, which is this user's as well.
    """
    due = (run.ask.thread if run.ask is not None else None) or run.thread
    if event.thread is not None and due not in (None, event.thread) and not _is_of_second_run(run, event):
        report("IDENTITY-2", f"thread {due}", f"thread {event.thread} in {event.kind}", n, run=run)
    user_id = connected_as or run.user_id
    if event.user is not None and user_id is not None and event.user != user_id:
        report("IDENTITY-2", f"user {user_id}", f"user {event.user} in {event.kind}", n, run=run)


def _is_of_second_run(run: RunState, event: Event) -> bool:
    if event.run is None or event.run == run.id or run.id.startswith("?") or is_placeholder(event.run):
        return False
    return event.request == run.request and bool(event.request)


def on_greeting(expected: str | None, user_id: str, n: int, report: Report) -> None:
    """IDENTITY-2: the greeting names a user id that is not the user's."""
    report("IDENTITY-2", f"user {expected}", f"user {user_id} in the greeting", n)
