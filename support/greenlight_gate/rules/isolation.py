"""ISOLATION-2: whose run, thread, user, request and connection a frame speaks of. And who saw whom, in the end."""

import msgspec

from greenlight_gate.events import Control, Event
from greenlight_gate.rules.engine.id_registry import IdRegistry


class IsolationPair(msgspec.Struct, frozen=True):
    """Who could see whom in one scenario that watched the privacy of some people.

    `own_seen` are those whose own canary was seen on their own connection (ISOLATION-3): without it nothing can be
    said of them. `saw` holds (a person, somebody else of whom they were shown anything). `by_design` counts the frames
    of others that the profile declares to be meant for everybody.
    """

    name: str
    people: tuple[str, ...]
    own_seen: tuple[str, ...] = ()
    saw: tuple[tuple[str, str], ...] = ()
    by_design: int = 0

    @property
    def unproven(self) -> tuple[str, ...]:
        """The people of whom nothing can be said."""
        return tuple(person for person in self.people if person not in self.own_seen)

    @property
    def pairs(self) -> int:
        """How many times one person was watched for what they see of another."""
        return len(self.own_seen) * (len(self.people) - 1)


def stranger(book: IdRegistry, person: str, event: Event) -> tuple[str, str] | None:
    """(the other person, what of theirs it is), if the event names anything of somebody else; else None."""
    run = book.find(event.run) if event.run is not None else None
    if run is not None and run.person != person:
        return run.person, f"run {event.run}"
    if event.user is not None and book.users.get(event.user, person) != person:
        return book.users[event.user], f"user {event.user}"
    thread = book.threads.get(event.thread) if event.thread is not None else None
    if thread is not None and thread.person != person:
        return thread.person, f"thread {event.thread}"
    return _asker(book, person, event.request)


def stranger_in(book: IdRegistry, person: str, control: Control) -> tuple[str, str] | None:
    """The same for a frame of the protocol. A connection that it names and that nobody had becomes the person's."""
    connection, request = control.values.get("connection"), control.values.get("request")
    if isinstance(connection, str | int) and connection != "":
        owner = book.connection(str(connection), person)
        if owner != person:
            return owner, f"connection {connection}"
    return _asker(book, person, str(request)) if isinstance(request, str | int) else None


def named_in(book: IdRegistry, person: str, name: str) -> tuple[str, str, str] | None:
    """(the other person, the id, run or thread), if a text is the id of what is somebody else's; else None."""
    run, thread = book.find(name), book.threads.get(name)
    if run is not None and run.person != person:
        return run.person, name, "run"
    if thread is not None and thread.person != person:
        return thread.person, name, "thread"
    return None


def _asker(book: IdRegistry, person: str, request: str | None) -> tuple[str, str] | None:
    asker = book.requests.get(request) if request else None
    return (asker, f"request {request}") if asker is not None and asker != person else None
