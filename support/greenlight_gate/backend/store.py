"""The store of users, threads, notes and events, as an interface."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class StoredEvent:
    """An event as it was sent: `text` is its JSON, the other fields have its correct values."""

    seq: int
    kind: str
    nth: int
    run_id: str
    text: str


@dataclass(frozen=True)
class UnfinishedRun:
    """A run of an earlier process that did not end; `request_id` is JSON text."""

    run_id: str
    thread_id: str
    owner: str
    request_id: str


class Store(Protocol):
    """Everything that outlives a connection.

    A store may be shared by several processes: `replica` says which runs belong to which. Errors of the database are
    not wrapped.
    """

    async def open(self) -> None:
        """Prepare the store for use."""

    async def remember_user(self, user_id: str) -> None:
        """Record that this user exists."""

    async def create_thread(self, owner: str) -> str:
        """Start a thread that belongs to `owner` and return its id."""

    async def owner_of(self, thread_id: str) -> str | None:
        """Return the owner of the thread, or None if there is no such thread."""

    async def last_seq(self, thread_id: str) -> int:
        """Return the number of the thread's newest event, 0 when there is none."""

    async def append(self, thread_id: str, make: Callable[[int], StoredEvent]) -> StoredEvent:
        """Number an event (1, 2, 3 and so on in its thread) and store it for replay; `make` receives the number.

        A reader of the thread sees no event before all events with smaller numbers.
        """

    async def events_after(self, thread_id: str, seq: int, limit: int) -> list[StoredEvent]:
        """Return at most `limit` events with a greater number, in order."""

    async def begin_run(self, run_id: str, thread_id: str, question: str, request_id: str, replica: str) -> None:
        """Store the request of a run, and its replica."""

    async def end_run(self, run_id: str) -> None:
        """Record that the run has ended."""

    async def unfinished_runs(self, replica: str) -> list[UnfinishedRun]:
        """Return the runs that this replica has begun and not ended, oldest first."""

    async def take_over(self, run_id: str, replica: str, by: str) -> bool:
        """Assign an abandoned run of `replica` to `by`; return whether no other replica did so before."""

    async def owner_of_run(self, run_id: str) -> str | None:
        """Return the user of an open run, or None if there is no such run."""

    async def previous_question(self, thread_id: str, run_id: str) -> str | None:
        """Return the request before this run in its thread."""

    async def forget_from(self, thread_id: str, run_id: str) -> bool:
        """Forget the request of a run, and all later ones of the thread; return whether the run is of this thread."""

    async def add_note(self, owner: str, text: str) -> None:
        """Store a private note."""

    async def find_notes(self, owner: str, words: Sequence[str], limit: int) -> list[str]:
        """Return the owner's newest notes with all words, else with any of them; without words the newest."""

    async def revoke(self, token_id: str, expires_at: float) -> None:
        """Refuse this token until it would have expired anyway (epoch seconds)."""

    async def is_revoked(self, token_id: str) -> bool:
        """Return whether the token was revoked."""

    async def close(self) -> None:
        """Write everything that is pending and close the store."""
