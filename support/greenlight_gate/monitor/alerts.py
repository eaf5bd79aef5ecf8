"""Alerts: a failure pattern begins, gets worse, or has recovered. Each is reported once."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from greenlight_gate.findings import Severity
from greenlight_gate.verdict.failure_patterns import PATTERNS, Occurrence

# A pattern that has not been seen again for so long is over.
QUIET_S = 30.0


class Alert(msgspec.Struct, frozen=True):
    """One line of alerts.log. `level`: critical, warning or recovered; `time` is UTC, as in ISO 8601."""

    time: str
    level: str
    pattern: str
    measured: str
    threshold: str
    what_to_do: str

    def __str__(self) -> str:
        if self.level == "recovered":
            return f"{self.pattern} recovered: {self.measured}"
        return f"{self.pattern} ({self.level}): {self.measured}. {self.what_to_do}"


Told = Callable[[Alert], None]


class Alerts:
    """Which patterns are active. They are not reported again while they go on; after `QUIET_S` they have recovered."""

    def __init__(self, tell: Told) -> None:
        self.tell = tell
        self.count = 0
        self._showing: dict[str, Occurrence] = {}
        self._over: dict[str, float] = {}

    def look(self, seen: Sequence[Occurrence], now: float) -> None:
        """What shows at this moment (seconds since the epoch). Patterns are of the whole course, so they stay seen."""
        for occurrence in seen:
            name = occurrence.pattern
            if name in self._showing:
                self._showing[name] = occurrence
            elif occurrence.last_at > self._over.get(name, -1.0):
                self._showing[name] = occurrence
                self._alert(occurrence, now)
        for name, occurrence in list(self._showing.items()):
            if now - occurrence.last_at > QUIET_S:
                del self._showing[name]
                self._over[name] = occurrence.last_at
                quiet = f"not seen for {now - occurrence.last_at:.0f} s"
                self._tell("recovered", name, f"{quiet}; before: {occurrence.measured}", now)

    def _alert(self, occurrence: Occurrence, now: float) -> None:
        level = "critical" if occurrence.severity is Severity.CRITICAL else "warning"
        self._tell(level, occurrence.pattern, occurrence.measured, now)

    def _tell(self, level: str, name: str, measured: str, now: float) -> None:
        self.count += 1
        pattern = PATTERNS[name]
        time = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
        hint = "Nothing." if level == "recovered" else pattern.hint
        self.tell(Alert(time, level, name, measured, pattern.threshold, hint))


class AlertLog:
    """alerts.log: each alert is a line on the disk before the next one can come. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def __call__(self, alert: Alert) -> None:
        """Appends one line."""
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(alert) + b"\n")
