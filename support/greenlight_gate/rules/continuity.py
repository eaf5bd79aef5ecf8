"""CONTINUITY: no event is lost, none is delivered twice, and they keep their order.

Sequence numbers are followed per thread and connection. Of a user with several connections, an event that did not come
on one may have come on another: then a gap is a finding only if no connection has filled it in the end, and none was
closed during a run. By HTTP, the same is true of the streams of one connection that answer at once in one thread: each
is in order, and their numbers interleave.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from greenlight_gate.events import Control, Event
from greenlight_gate.findings import numbered
from greenlight_gate.rules.content import shown
from greenlight_gate.rules.engine.finding_sink import Report
from greenlight_gate.rules.engine.run_state import Request, RunState, Thread, ThreadOrder

MOST_KEYS = 4096
MOST_PARTS = 4096
_MOST_NUMBERS = 16_384
_MOST_MISSING = 1024
_MOST_REPEATS = 64


def on_repeat(event: Event, n: int, report: Report, run: RunState | None) -> None:
    """CONTINUITY-2: an event that was delivered before."""
    what = f"{event.kind} {event.event_id}" if event.event_id is not None else f"{event.kind} with seq {event.seq}"
    report("CONTINUITY-2", "each event once", f"{what} again", n, run=run)


def remember(keys: set[str | int], key: str | int) -> None:
    """Keeps the key of an event, within a bound."""
    if len(keys) < MOST_KEYS:
        keys.add(key)


def on_seq(order: ThreadOrder, event: Event, n: int, report: Report, run: RunState | None, *, only: bool) -> None:
    """CONTINUITY-3 (CONTINUITY-1 and -2 after a restore) for a number that may not be the next one.

    `only`: this user's events cannot have gone to another connection or stream. Frames since the event before that
    could not be read may hold what seems missing.
    """
    seq, due = event.seq, order.due
    if seq is None or order.thread is None:
        return
    fills = (not only or bool(order.thread.missing)) and _fills(order, seq, run)
    if fills or not only:
        _share(order.thread, seq)
    before = () if run is None else (run.last_n,)
    if due is not None and seq < due:
        if fills:
            return
        rule = "CONTINUITY-2" if order.resumed else "CONTINUITY-3"
        report(rule, f"seq {due}", f"seq {seq} again or late", *before, n, run=run)
        return
    if due is not None and seq - due > (order.unread if order.unread_due == due else 0):
        if order.resumed and (only or order.latest is None):
            report("CONTINUITY-1", f"seq {due} after the restore", f"seq {seq}", *before, n, run=run)
        elif only:
            report("CONTINUITY-3", f"seq {due}", f"seq {seq}", *before, n, run=run)
        else:
            _miss(order.thread, due, seq, n)
    order.due = seq + 1
    order.resumed = order.replaying


def on_unread(orders: Iterable[ThreadOrder]) -> None:
    """A frame could not be read: it may be what is due in any of the threads."""
    for order in orders:
        order.unread = order.unread + 1 if order.unread_due == order.due else 1
        order.unread_due = order.due


def on_answer(run: RunState, event: Event, n: int, report: Report) -> None:
    """CONTINUITY-2: the parts of the answer are all of the whole one, and came in another order or twice.

    A part may be missing, since servers add to the whole what they did not stream; and a run that was restored, or in
    which several agents speak, may show parts again or in turn.
    """
    parts = run.parts or []
    apart = len({part.agent for part in parts}) > 1 or len(parts) > MOST_PARTS
    if apart or run.shown is not None or (run.ask is not None and run.ask.resumed):
        return
    whole, texts = _squeezed(event.text or ""), [_squeezed(part.text) for part in parts]
    came = "".join(texts)
    if not whole or whole in came or came in whole:
        return
    first, size = len(texts), 0
    while first and size < len(whole):
        first -= 1
        size += len(texts[first])
    latest = "".join(texts[first:])
    how = "in another order" if size == len(whole) and Counter(latest) == Counter(whole) else ""
    if how or any(whole in "".join(once) for once in _without_repeats(texts)):
        streamed = "".join(part.text for part in parts)
        actual = f"{how or 'twice'}: {shown(streamed)}, and as a whole {shown(event.text)}"
        report("CONTINUITY-2", "the parts of the answer once and in its order", actual, parts[0].n, n, run=run)


def _without_repeats(texts: Sequence[str]) -> Iterable[Sequence[str]]:
    """The parts without all that repeat the part before, and without each of the first of them."""
    repeated = [number for number in range(1, len(texts)) if texts[number] and texts[number] == texts[number - 1]]
    if repeated:
        yield [text for number, text in enumerate(texts) if number not in repeated]
    for number in repeated[:_MOST_REPEATS]:
        yield [*texts[:number], *texts[number + 1 :]]


def _squeezed(text: str) -> str:
    return "".join(text.split())


def on_no_rest(run: RunState, n: int, report: Report, *, late: bool) -> None:
    """CONTINUITY-1: a run that began before its connection was lost, and does not go on after the restore.

    `late`: it was waited for in vain.
    """
    came, expected = f"nothing after its first {numbered(run.events, 'event')}", "the rest of the run after the restore"
    report("CONTINUITY-1", expected, came, run.first_n, run.last_n, n, run=run, late=late)


def on_other_run(run: RunState, event: Event, n: int, report: Report) -> None:
    """CONTINUITY-2: a run that goes on after the restore under another id."""
    report("CONTINUITY-2", f"run {run.id} to continue after the restore", f"run {event.run}", run.last_n, n, run=run)


def on_no_restore(n: int, after_s: float, report: Report) -> None:
    """CONTINUITY-1: the request to restore a thread was not answered."""
    report("CONTINUITY-1", "the thread restored", f"nothing within {after_s:.1f} s", n, late=True)


def on_nothing(ask: Request, n: int, report: Report, *, late: bool) -> None:
    """CONTINUITY-1: nothing of a run came after the restore of its thread; `late`: it was waited for in vain."""
    report("CONTINUITY-1", "the run after the restore", "no event of it", ask.n, n, late=late)


def on_refused_restore(orders: Mapping[str | None, ThreadOrder], error: Control, n: int, report: Report) -> None:
    """CONTINUITY-1: an error in place of a thread in which the user had received events before."""
    for name, order in orders.items():
        if order.replaying and order.known:
            order.replaying = False
            report("CONTINUITY-1", f"thread {name} restored", f"error {error.values.get('code')}", n)
            return


def on_finish(thread: Thread, report: Report) -> None:
    """CONTINUITY-3: numbers that came on no connection of the user in the end."""
    for number, n in (thread.missing or {}).items():
        report("CONTINUITY-3", f"seq {number} on a connection of the user", "on none", n)


def _fills(order: ThreadOrder, seq: int, run: RunState | None) -> bool:
    """Whether a number below the one that is due is one that other streams left out, and in order in its own."""
    if order.latest is None or run is None:
        return False
    stream = run.root.id
    before = order.latest.get(stream, 0)
    if len(order.latest) >= MOST_KEYS:
        order.latest.clear()
    order.latest[stream] = max(before, seq)
    return seq > before and order.thread is not None and seq in (order.thread.missing or ())


def _share(thread: Thread, seq: int) -> None:
    if thread.seen is None or thread.missing is None:
        thread.seen, thread.missing = set(), {}
    if len(thread.seen) < _MOST_NUMBERS:
        thread.seen.add(seq)
    thread.missing.pop(seq, None)


def _miss(thread: Thread, due: int, seq: int, n: int) -> None:
    assert thread.seen is not None
    assert thread.missing is not None
    if len(thread.seen) >= _MOST_NUMBERS:
        return  # what was seen is no longer known for sure
    for number in range(due, min(seq, due + _MOST_MISSING)):
        if number not in thread.seen and len(thread.missing) < _MOST_MISSING:
            thread.missing[number] = n
