"""The streaming checker that the scenarios use, with an eye on the question that its person is waiting for."""

from collections.abc import Callable
from typing import Protocol

from greenlight_gate.events import Control, Part, Unmapped
from greenlight_gate.findings import Finding
from greenlight_gate.load.meters import Meters
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.outcome import Observer
from greenlight_gate.wire.profile import Profile


class Waiting(Observer, Protocol):
    """Somebody who waits for an answer."""

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
        self.observe(person)
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
