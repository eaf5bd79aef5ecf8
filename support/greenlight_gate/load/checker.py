"""The streaming checker of the scenarios for one connection of a load, which counts for the shard's meters as well."""

from collections.abc import Callable, Mapping
from typing import Any

from greenlight_gate.events import Control, Part, Unmapped
from greenlight_gate.findings import Finding
from greenlight_gate.load.meters import Meters
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.outcome import Observer
from greenlight_gate.trace import Responded
from greenlight_gate.wire.profile import Profile


class LoadChecker(ConnectionChecker):
    """Judges every message of a connection; nothing is sampled.

    `user` observes how requests are settled, `on_control` gets control messages. `stamps` holds the server's times of
    the events since it was emptied.
    """

    def __init__(
        self, profile: Profile, budgets: TimeBudgets, registry: IdRegistry, connection: str, *, user: Observer,
        name: str, meters: Meters, found: Callable[[Finding], None], on_control: Callable[[Control, float], None],
    ) -> None:  # fmt: skip
        super().__init__(profile, budgets, registry, name, connection, epoch_s=meters.epoch_s, found=found)
        self.meters = meters
        self.stamps: list[float] = []
        self.run_judge.stamps = self.stamps
        self.observe(user)
        self._on_control = on_control

    def opened_with(
        self, values: Mapping[str, Any], user_id: str | None, handshake_ms: float, n: int, *, unchosen: int
    ) -> None:  # fmt: skip
        """The upgrade succeeded, with these captured and given values: a reader that remembers begins anew."""
        self.opened(user_id, handshake_ms, n, unchosen=unchosen)
        self.reader.opened(user_id, values)

    def responded(self, response: Responded) -> Control | None:
        """The response to an HTTP request; an error is a message of its own."""
        error = super().responded(response)
        self.meters.messages += error is not None
        return error

    def _take(self, reading: Part, at: float, n: int) -> None:
        meters = self.meters
        if type(reading) is Unmapped:
            meters.unmapped += 1
        elif type(reading) is Control:
            meters.controls += 1
        super()._take(reading, at, n)
        if type(reading) is Control:
            self._on_control(reading, at)
