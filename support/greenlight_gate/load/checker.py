"""The streaming checker that the scenarios use, with an eye on the question that its person is waiting for."""

from collections.abc import Callable
from typing import Protocol

from greenlight_gate.events import Control, EventKind, Part, Unmapped
from greenlight_gate.findings import Finding
from greenlight_gate.load.meters import Meters
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.run_state import Request, RunState, TimeBudgets
from greenlight_gate.wire.profile import Profile


class Waiting(Protocol):
    """Somebody who waits for an answer."""

    def answered(self, run: RunState) -> None:
        """A run has ended; the rules have not forgotten it yet."""

    def told(self, control: Control, at: float) -> None:
        """A frame of the protocol came."""


class LoadChecker(ConnectionChecker):
    """Judges all, and tells `person` what concerns them. Nothing is sampled away.

    `stamps` holds the server's times of the events since it was emptied.
    """

    def __init__(
        self, profile: Profile, budgets: TimeBudgets, book: IdRegistry, connection: str, *, person: Waiting, name: str,
        meters: Meters, found: Callable[[Finding], None],
    ) -> None:  # fmt: skip
        super().__init__(profile, budgets, book, name, connection, epoch_s=meters.epoch_s, found=found)
        self.meters = meters
        self.stamps: list[float] = []
        self.run_judge.stamps = self.stamps
        self.desk.on_settled = person.answered
        self._told = person.told

    def opened(self, user: str | None, handshake_ms: float, n: int) -> None:
        """The upgrade succeeded: whoever reads by a profile that remembers begins anew."""
        super().opened(user, handshake_ms, n)
        self.reader.opened(user, {})

    def _take(self, reading: Part, at: float, n: int) -> None:
        meters = self.meters
        if type(reading) is Unmapped:
            meters.unmapped += 1
        elif type(reading) is Control:
            meters.controls += 1
        super()._take(reading, at, n)
        if type(reading) is Control:
            self._told(reading, at)


def expected_of(ask: Request, run: RunState | None) -> tuple[int, int]:
    """How many events a question asks for, and how many of them a run has shown."""
    expect = ask.expect
    assert expect is not None
    wants_tools = expect.tools if expect.end is EventKind.COMPLETED else 0
    due = 2 + expect.thinking + 2 * wants_tools
    if run is None:
        return due, 0
    shown = (run.started_at is not None) + min(run.thoughts, int(expect.thinking)) + (run.ended_by is not None)
    return due, shown + min(run.tools_begun, wants_tools) + min(run.tools_done, wants_tools)
