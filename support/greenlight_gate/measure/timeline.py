"""What happened in a session, gathered as it comes: live, and again in a replay."""

from collections.abc import Mapping

from greenlight_gate.measure.rule_counts import RuleCount
from greenlight_gate.measure.run_tracks import RunTracks
from greenlight_gate.measure.time_series import TimeSeries, TimeWindow


class Timeline:
    """What happened in a session, or goes on happening. `offset_s`: the server's clock less ours; None: not known.

    Latency is from the server's stamp to the receipt where the clock is known, else from the question to agent_started.
    `names` are those of scenarios, by their keys.
    """

    def __init__(self, offset_s: float | None, names: Mapping[str, str] | None = None) -> None:
        self.offset_s = offset_s
        self.names = names or {}
        self.windows = TimeSeries()
        self.tracks = RunTracks()
        self.broken: dict[str, RuleCount] = {}
        self.errors: list[tuple[float, str]] = []
        self.troubles: list[tuple[float, str]] = []
        self.open = self.busy = 0
        self.ended_at = 0.0
        self.latest: TimeWindow
        self.begin = self.end = 0.0

    def window(self, at: float) -> TimeWindow:
        """The window of a moment (seconds since the epoch)."""
        if not self.begin <= at < self.end:
            self.latest, self.begin, self.end = self.windows.at(at)
            # Open connections and open runs continue into the next window.
            self.latest.open_most = max(self.latest.open_most, self.open)
            self.latest.busy_most = max(self.latest.busy_most, self.busy)
        self.ended_at = max(self.ended_at, at)
        return self.latest


def remember(kept: list[tuple[float, str]], one: tuple[float, str]) -> None:
    """Keeps the latest of them, a thousand and a few: enough for every threshold."""
    kept.append(one)
    if len(kept) > 2_000:
        del kept[:1_000]
