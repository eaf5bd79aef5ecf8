"""Who owns what: the runs, threads and users that were seen, with the person they were first seen at.

One book serves all connections that are judged together. Of ended runs a few words are kept for a bounded time, so
that what arrives late is still known.
"""

from support.rules.state import Ended, Run, Stage, Thread

_MOST_ENDED = 65_536


class Book:
    """Shared memory of several connections."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.ended: dict[str, Ended] = {}
        self.threads: dict[str | None, Thread] = {}
        self.users: dict[str, str] = {}
        self.windows: dict[str, set[str]] = {}

    def thread(self, thread_id: str, person: str) -> Thread:
        """The thread, claimed for the person if nobody had it before."""
        thread = self.threads.get(thread_id)
        if thread is None:
            thread = self.threads[thread_id] = Thread(person)
        return thread

    def owner(self, run_id: str) -> str | None:
        """The person whose run it is or was, if that is known."""
        run = self.runs.get(run_id) or self.ended.get(run_id)
        return run.person if run is not None else None

    def end(self, run: Run, event_id: str | None) -> None:
        """Turns an open run into a few words; the oldest words are forgotten."""
        self.runs.pop(run.id, None)
        if run.ended_by is not None and run.ended_at is not None:
            self.ended[run.id] = Ended(
                run.person, run.connection, run.request, run.thread, run.user, run.first_n, run.last_n,
                run.ended_at, run.ended_by, event_id,
            )  # fmt: skip
        if len(self.ended) > _MOST_ENDED:
            del self.ended[next(iter(self.ended))]

    def revive(self, run_id: str) -> Run | None:
        """An ended run in its last stage, for judging what arrives after its end."""
        words = self.ended.get(run_id)
        if words is None:
            return None
        run = Run(run_id, words.person, words.connection, words.last_n, words.at, None)
        run.request, run.thread, run.user = words.request, words.thread, words.user
        run.first_n, run.stage, run.ended_by, run.ended_at = words.first_n, Stage.ENDED, words.by, words.at
        if words.event_id is not None:
            run.event_ids.add(words.event_id)
        return run

    def alone(self, person: str) -> bool:
        """Whether the person has at most one connection open."""
        return len(self.windows.get(person, ())) <= 1
