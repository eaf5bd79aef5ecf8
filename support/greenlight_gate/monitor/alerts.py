"""Alerts: a failure pattern has begun, become worse (it lasts), or ended. Each is reported once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import msgspec

from greenlight_gate.findings import Severity
from greenlight_gate.verdict.failure_patterns import Occurrence

# A pattern that has not occurred for so long has ended.
QUIET_S = 30.0
_HOUR_S = 3600.0


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
# For how long a pattern has not occurred at a time: (its name, when it did last, that time).
Unseen = Callable[[str, float, float], float]


def _since_then(_: str, last_at: float, now: float) -> float:
    return now - last_at


class _Active(msgspec.Struct):
    """A pattern that is going on. `told_s`: how long it had lasted when that was reported last."""

    since: float
    last_at: float
    level: str
    measured: str
    threshold: str
    quiet_s: float
    told_s: float = 0.0
    is_restored: bool = False


class Alerts:
    """The active patterns. A continuing one is not reported again; after `QUIET_S` without it, it has recovered.

    `worse_after_s`: it is reported again each time when it has lasted for one of these, in seconds. `unseen_s`: for how
    long a pattern has not occurred, where not all the time counts in which nobody has seen it.
    """

    def __init__(self, tell: OnAlert, worse_after_s: Sequence[float] = (), unseen_s: Unseen = _since_then) -> None:
        self.tell = tell
        self._unseen_s = unseen_s
        self.count = 0
        self._worse_after_s = worse_after_s
        self._showing: dict[str, _Active] = {}
        self._over: dict[str, float] = {}

    @property
    def active(self) -> tuple[str, ...]:
        """The names of the active patterns."""
        return tuple(self._showing)

    def restore(self, told: Iterable[Alert], quiet_s: float) -> None:
        """Goes on after a restart, from the alerts that were reported before, in their order."""
        for alert in told:
            at, name = datetime.fromisoformat(alert.time).timestamp(), alert.pattern
            known = self._showing.get(name)
            if alert.change == "over":
                self._showing.pop(name, None)
                self._over[name] = at
            elif known is None:
                self._showing[name] = _Active(
                    at, at, alert.level, alert.measured, alert.threshold, quiet_s, is_restored=True
                )  # fmt: skip
            else:
                known.last_at, known.told_s = at, at - known.since

    def look(
        self, seen: Sequence[Occurrence], now: float, quiet_s: Mapping[str, float] = MappingProxyType({})
    ) -> None:  # fmt: skip
        """The new alerts at this time (seconds since the epoch). Patterns are those of the whole session.

        `quiet_s`: of patterns that have recovered after another time than `QUIET_S`.
        """
        for occurrence in seen:
            name, active = occurrence.pattern, self._showing.get(occurrence.pattern)
            quiet = quiet_s.get(name, QUIET_S)
            if active is not None:
                # One that is only remembered, in a longer window by now, takes no longer to be over.
                if active.is_restored or occurrence.last_at > active.last_at:
                    active.last_at, active.measured, active.quiet_s = occurrence.last_at, occurrence.measured, quiet
                    active.is_restored = False
                self._lasts(active, occurrence, now)
            elif occurrence.last_at > self._over.get(name, -1.0):
                level = "critical" if occurrence.severity is Severity.CRITICAL else "warning"
                self._showing[name] = _Active(
                    now, occurrence.last_at, level, occurrence.measured, occurrence.threshold, quiet
                )  # fmt: skip
                self._tell(Alert(_utc(now), level, name, occurrence.measured, occurrence.threshold, occurrence.hint))
        for name, active in list(self._showing.items()):
            unseen_s = self._unseen_s(name, active.last_at, now)
            if unseen_s > active.quiet_s:
                del self._showing[name]
                self._over[name] = active.last_at
                said = f"not seen for {unseen_s:.0f} s; before: {active.measured}"
                self._tell(Alert(_utc(now), "recovered", name, said, active.threshold, "Nothing.", "over"))

    def _lasts(self, active: _Active, seen: Occurrence, now: float) -> None:
        """Reports that a pattern goes on, where it has lasted for long by now."""
        lasted_s = active.last_at - active.since
        if any(active.told_s < after_s <= lasted_s for after_s in self._worse_after_s):
            active.told_s = lasted_s
            said = f"for {lasted_s / _HOUR_S:.0f} h: {active.measured}"
            self._tell(Alert(_utc(now), active.level, seen.pattern, said, active.threshold, seen.hint, "worse"))

    def _tell(self, alert: Alert) -> None:
        self.count += 1
        self.tell(alert)


def _utc(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")


class AlertLog:
    """alerts.log: each alert is written to disk as one line before the next. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def __call__(self, alert: Alert) -> None:
        """Appends one line."""
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(alert) + b"\n")
