"""Alerts: a failure pattern has begun, become worse (it lasts), or ended. Each is reported once."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from greenlight_gate.findings import Severity
from greenlight_gate.verdict.failure_patterns import PATTERNS, Occurrence

# A pattern that has not occurred for so long has ended.
QUIET_S = 30.0


class Alert(msgspec.Struct, frozen=True):
    """One line of alerts.log. `level`: critical, warning or recovered; `time` is UTC, as in ISO 8601.

    `change`: the pattern has begun, lasts for longer than it should ("worse"), or is over.
    """

    time: str
    level: str
    pattern: str
    measured: str
    threshold: str
    what_to_do: str
    change: Literal["begin", "worse", "over"] = "begin"

    def __str__(self) -> str:
        if self.level == "recovered":
            return f"{self.pattern} recovered: {self.measured}"
        return f"{self.pattern} ({self.level}): {self.measured}. {self.what_to_do}"


OnAlert = Callable[[Alert], None]


class Alerts:
    """The active patterns. A continuing one is not reported again; after `QUIET_S` without it, it has recovered."""

    def __init__(self, tell: OnAlert) -> None:
        self.tell = tell
        self.count = 0
        self._showing: dict[str, Occurrence] = {}
        self._over: dict[str, float] = {}

    def look(self, seen: Sequence[Occurrence], now: float) -> None:
        """The new alerts at this time (seconds since the epoch). Patterns are those of the whole session."""
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
    """alerts.log: each alert is written to disk as one line before the next. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def __call__(self, alert: Alert) -> None:
        """Appends one line."""
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(alert) + b"\n")
