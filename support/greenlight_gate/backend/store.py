"""Where users, threads, notes and events are kept, as an interface."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class StoredEvent:
    """An event as it was sent: `text` is its JSON, the rest tells what it truly is."""

    seq: int
    kind: str
    nth: int
    run_id: str
    text: str


@dataclass(frozen=True)
class UnfinishedRun:
    """A run of an earlier process that never came to its end; `request_id` is JSON text."""

    run_id: str
    thread_id: str
    owner: str
    request_id: str


class Store(Protocol):
    """Everything that outlives a connection.

    A store may be shared by several processes: `replica` tells whose runs are whose. Errors of the database come
    through as they are.
    """

    async def open(self) -> None:
        """Make it ready to be used."""

    async def remember_user(self, user_id: str) -> None:
        """Note that this person exists."""

    async def create_thread(self, owner: str) -> str:
        """Start a thread that belongs to `owner` and return its id."""

    async def owner_of(self, thread_id: str) -> str | None:
        """Return whose thread this is, or None when there is no such thread."""

    async def last_seq(self, thread_id: str) -> int:
        """Return the number of the thread's newest event, 0 when there is none."""

    async def append(self, thread_id: str, make: Callable[[int], StoredEvent]) -> StoredEvent:
        """Number an event (1, 2, 3 and so on in its thread) and keep it for replay; `make` is given the number.

        Whoever reads the thread sees no event before all those with smaller numbers.
        """

    async def events_after(self, thread_id: str, seq: int, limit: int) -> list[StoredEvent]:
        """Return at most `limit` events with a greater number, in order."""

    async def begin_run(self, run_id: str, thread_id: str, question: str, request_id: str, replica: str) -> None:
        """Keep what was asked, and which replica works on it."""

    async def end_run(self, run_id: str) -> None:
        """Note that the run came to its end."""

    async def unfinished_runs(self, replica: str) -> list[UnfinishedRun]:
        """Return the runs that this replica has begun and not ended, oldest first."""

    async def take_over(self, run_id: str, replica: str, by: str) -> bool:
        """Make a run that `replica` has left the one of `by`; return whether nobody else was faster."""

    async def owner_of_run(self, run_id: str) -> str | None:
        """Return who asked for a run that has not ended, or None when there is no such run."""

    async def previous_question(self, thread_id: str, run_id: str) -> str | None:
        """Return what was asked in this thread before this run."""

    async def add_note(self, owner: str, text: str) -> None:
        """Keep a private note."""

    async def find_notes(self, owner: str, words: Sequence[str], limit: int) -> list[str]:
        """Return the owner's newest notes that hold all words, else any of them; without words the newest."""

    async def revoke(self, token_id: str, expires_at: float) -> None:
        """Refuse this token until it would have expired anyway (epoch seconds)."""

    async def is_revoked(self, token_id: str) -> bool:
        """Return whether the token was revoked."""

    async def close(self) -> None:
        """Write everything that is pending and let go of it."""
