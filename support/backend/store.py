"""Where users, threads, notes and events are kept, as an interface."""

from collections.abc import Sequence
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
    """Everything that outlives a connection. All calls are quick enough for the event loop (well below 1 ms)."""

    def remember_user(self, user_id: str) -> None:
        """Note that this person exists."""

    def create_thread(self, owner: str) -> str:
        """Start a thread that belongs to `owner` and return its id."""

    def owner_of(self, thread_id: str) -> str | None:
        """Return whose thread this is, or None when there is no such thread."""

    def next_seq(self, thread_id: str) -> int:
        """Take the thread's next sequence number: 1, 2, 3 and so on."""

    def append(self, thread_id: str, event: StoredEvent) -> None:
        """Keep an event for replay."""

    def events_after(self, thread_id: str, seq: int, limit: int) -> list[StoredEvent]:
        """Return at most `limit` events with a greater number, in order."""

    def begin_run(self, run_id: str, thread_id: str, question: str, request_id: str) -> None:
        """Keep what was asked."""

    def end_run(self, run_id: str) -> None:
        """Note that the run came to its end."""

    def unfinished_runs(self) -> list[UnfinishedRun]:
        """Return the runs that have begun and not ended, oldest first."""

    def previous_question(self, thread_id: str, run_id: str) -> str | None:
        """Return what was asked in this thread before this run."""

    def add_note(self, owner: str, text: str) -> None:
        """Keep a private note."""

    def find_notes(self, owner: str, words: Sequence[str], limit: int) -> list[str]:
        """Return the owner's newest notes that hold all words, else any of them; without words the newest."""

    def revoke(self, token_id: str, expires_at: float) -> None:
        """Refuse this token until it would have expired anyway (epoch seconds)."""

    def is_revoked(self, token_id: str) -> bool:
        """Return whether the token was revoked."""

    def commit(self) -> None:
        """Make everything so far survive the process, also where it is killed."""

    def close(self) -> None:
        """Write everything that is pending and let go of the files."""
