"""What comes beside the events of a person's own runs: more of what was told, and frames of somebody else's."""

from typing import TYPE_CHECKING

from greenlight_gate.events import Control, Event, EventKind, Foreign, More, Reading
from greenlight_gate.rules import timeliness
from greenlight_gate.rules.engine.run_state import Stage
from greenlight_gate.rules.isolation import stranger

if TYPE_CHECKING:
    from greenlight_gate.rules.engine.connection_checker import ConnectionChecker


def on_more(checker: "ConnectionChecker", more: More, at: float, n: int) -> None:
    """A sign of life of its run (TIMELINESS-2), whose text may be part of a word that is searched for."""
    event = more.event
    run = checker.desk.runs.get(event.run)
    if run is None:
        return
    root = run.root
    if at - root.last_at > checker.budgets.silence_s and root.stage is Stage.OPEN:
        timeliness.on_silence(root, at, n, checker.budgets.silence_s, checker.report)
    for alive in {id(run): run, id(root): root}.values():
        alive.last_at = at
        alive.last_n = n
    for observer in checker.observers:
        observer.on_more(run, at)
    if event.text:
        checker.search.say(run, n if event.kind is EventKind.THINKING else -n, event.text)


def on_foreign(checker: "ConnectionChecker", foreign: Foreign, n: int) -> None:
    """ISOLATION-2: a frame from outside of the connection's own scope, where the profile calls that a leak."""
    reading = foreign.reading
    book, person = checker.book, checker.person
    other = stranger(book, person, reading) if isinstance(reading, Event) else None
    if other is None and book.scopes.get(foreign.owner) == person:
        return  # of another window of theirs
    if other is None and book.scopes.get(foreign.owner):
        other = book.scopes[foreign.owner], f"{foreign.what} {foreign.owner}"
    checker.desk.strangers[other[0] if other is not None else ""] += 1
    if not checker.desk.foreign_leaks:
        return
    whose = f"{other[1]} of {other[0]}" if other is not None else f"{foreign.what} {foreign.owner}"
    came = f"{_name(reading)} that belongs to {whose}"
    about = other[0] if other is not None else ""
    checker.report("ISOLATION-2", f"only what belongs to {person}", came, n, about=about)


def _name(reading: Reading) -> str:
    if isinstance(reading, Event):
        return str(reading.kind)
    return reading.name if isinstance(reading, Control) else "a frame"
