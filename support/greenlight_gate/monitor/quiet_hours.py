"""Which alerts are due as notices: in quiet hours they wait, and what came and went meanwhile is none."""

from collections.abc import Callable, Iterable
from datetime import datetime

from greenlight_gate.monitor.alerts import Alert


class QuietHours:
    """The alerts that wait until quiet hours are over. `is_quiet`: whether notices wait at a time (epoch seconds)."""

    def __init__(self, is_quiet: Callable[[float], bool]) -> None:
        self._is_quiet = is_quiet
        # The latest alert of each pattern in quiet hours, and the patterns that are known to be going on.
        self._held: dict[str, Alert] = {}
        self._known: set[str] = set()

    def restore(self, alerts: Iterable[Alert], told_at: float) -> None:
        """Goes on after a restart, from the alerts of before. `told_at`: when notices were last told what waited."""
        for alert in alerts:
            at = datetime.fromisoformat(alert.time).timestamp()
            if at > told_at and self._is_quiet(at):
                self._hold(alert)
            else:
                self._is_news(alert)

    def due(self, new: Iterable[Alert], now: float) -> list[Alert]:
        """The alerts that are due now: what has changed in quiet hours comes first."""
        if self._is_quiet(now):
            for alert in new:
                self._hold(alert)
            return []
        waited, self._held = self._held, {}
        return [alert for alert in (*waited.values(), *new) if self._is_news(alert)]

    def _hold(self, alert: Alert) -> None:
        if alert.change != "worse" or alert.pattern not in self._held:
            self._held[alert.pattern] = alert

    def _is_news(self, alert: Alert) -> bool:
        """Whether an alert says what is not known, unless quiet hours have hidden what it changes."""
        was_known = alert.pattern in self._known
        if alert.change == "over":
            self._known.discard(alert.pattern)
        else:
            self._known.add(alert.pattern)
        return was_known == (alert.change != "begin")
