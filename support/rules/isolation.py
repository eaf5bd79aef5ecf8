"""ISOLATION-2: whose run, thread and user an event speaks of."""

from support.events import Event
from support.rules.book import Book


def stranger(book: Book, person: str, event: Event) -> tuple[str, str] | None:
    """(the other person, what of theirs it is), if the event names anything of somebody else; else None."""
    run = book.find(event.run) if event.run is not None else None
    if run is not None and run.person != person:
        return run.person, f"run {event.run}"
    if event.user is not None and book.users.get(event.user, person) != person:
        return book.users[event.user], f"user {event.user}"
    thread = book.threads.get(event.thread) if event.thread is not None else None
    if thread is not None and thread.person != person:
        return thread.person, f"thread {event.thread}"
    return None
