"""CONTINUITY: nothing twice, nothing missing, in order.

Numbers are followed per thread and connection. A person with two windows sees one thread's numbers spread over both:
then a gap is a finding only if no window filled it in the end.
"""

from support.events import Event
from support.rules.state import Report, Run, Thread

_MOST_IDS = 4096
_MOST_MISSING = 1024


def on_repeat(run: Run, event: Event, n: int, report: Report) -> None:
    """CONTINUITY-2: an event whose id was delivered before."""
    report("CONTINUITY-2", "each event once", f"{event.kind} {event.event_id} again", n, run=run)


def remember(run: Run, event: Event) -> None:
    """Keeps the ids of this run's events, within a bound."""
    if event.event_id is not None and len(run.event_ids) < _MOST_IDS:
        run.event_ids.add(event.event_id)


def on_seq(thread: Thread, connection: str, run: Run, event: Event, n: int, report: Report, *, alone: bool) -> None:
    """CONTINUITY-3 for a number that is not simply the next one. `alone`: no other window of this person is open."""
    seq = event.seq
    if seq is None:
        return
    due = thread.next_seq.get(connection)
    if due is not None and seq > due:
        if alone:
            report("CONTINUITY-3", f"seq {due}", f"seq {seq}", run.last_n, n, run=run)
        else:
            for number in range(due, min(seq, due + _MOST_MISSING)):
                if number not in thread.seen and len(thread.missing) < _MOST_MISSING:
                    thread.missing[number] = (connection, n)
    elif due is not None and seq < due:
        report("CONTINUITY-3", f"seq {due}", f"seq {seq} again or late", run.last_n, n, run=run)
        return
    thread.missing.pop(seq, None)
    thread.next_seq[connection] = seq + 1


def on_finish(thread: Thread, report: Report) -> None:
    """What no window of the person has shown in the end is missing."""
    for number, (_, n) in thread.missing.items():
        report("CONTINUITY-3", f"seq {number} in one of the person's windows", "nowhere", n)
