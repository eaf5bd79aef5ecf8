"""A day of `greenlight monitor` in minutes: memory, CPU, and an hour in which the backend has a defect.

    python -m support.benchmarks.monitor_day [HOURS]

The clock is handed in: what would be slept is skipped, the rounds are real, against the bundled backend in a process of
its own. A defect is switched on through its admin call from hour 12 to hour 13 (the middle of a shorter day). Wanted:
at most 5 MB more at the end than after the first hour, at most 1 % of a core, an alert in the first minutes of the
defect, its recovery in the first minutes after it, and no other.
"""

import gc
import json
import os
import secrets
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import psutil
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.evidence.judge import judge
from greenlight_gate.evidence.monitor_day import folders_of, rounds_in
from greenlight_gate.monitor.alerts import Alert
from greenlight_gate.monitor.round import Round, RoundObserver, RoundOutcome
from greenlight_gate.monitor.schedule import MonitorSchedule
from greenlight_gate.session.interruption import Interruption
from greenlight_gate.session.synthetic_user import PARTS, SyntheticUser
from greenlight_gate.session.target_watch import TargetWatch
from greenlight_gate.session.validation_session import SessionPlan, ValidationSession

_HOUR_S, _EVERY_S = 3_600, 60
_BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
_DEFECT = "thinking_missing"
_MOST_GROWTH_MB, _MOST_PERCENT = 5.0, 1.0
_IDLE_S = 20.0
_MB = 1e6

_TARGET = """
name = "day"
url = "{url}"
prompts = "reference"
clock = "same-host"
auth = {{ obtain = "mint", send = "bearer", secret_env = "CHAT_JWT_SECRET", audience = "chat" }}
# The rounds follow one another at once: what comes late is waited for shortly.
budgets = {{ grace_s = 0.02 }}
"""


class SkippingClock:
    """A clock that runs as the machine's, and skips what is slept."""

    def __init__(self, begin: datetime) -> None:
        self._ahead_s = begin.timestamp() - time.monotonic()

    def now(self) -> float:
        """The time now."""
        return time.monotonic() + self._ahead_s

    def sleep_until(self, at: float) -> None:
        """It is that time now."""
        self._ahead_s += max(0.0, at - self.now())


class Day(RoundObserver):
    """Observes the rounds, switches the defect, and measures."""

    def __init__(self, backend: BackendProcess, admin_token: str, hours: int) -> None:
        self.alerts: list[Alert] = []
        self.by_hour: dict[int, Counter[RoundOutcome]] = {}
        self.rss_mb: dict[int, float] = {}
        self._backend = backend
        self._admin_token = admin_token
        self.defect_hour = min(12, hours // 2)
        self._active = False

    def on_round(self, one: Round) -> None:
        """One round."""
        hour = int((one.began_epoch_s - _BEGIN.timestamp()) // _HOUR_S)
        self.by_hour.setdefault(hour, Counter())[one.outcome] += 1
        next_hour = int((one.began_epoch_s + _EVERY_S - _BEGIN.timestamp()) // _HOUR_S)
        if next_hour > hour:
            gc.collect()
            self.rss_mb[next_hour] = psutil.Process().memory_info().rss / _MB
        if (next_hour == self.defect_hour) != self._active:
            self._active = not self._active
            self._switch([_DEFECT] if self._active else [])

    def on_alert(self, alert: Alert) -> None:
        """One alert."""
        self.alerts.append(alert)

    def _switch(self, defects: list[str]) -> None:
        call = urllib.request.Request(
            f"{self._backend.http_url}/admin/defects", json.dumps({"defects": defects}).encode(), method="PUT",
            headers={"Authorization": f"Bearer {self._admin_token}"},
        )  # fmt: skip
        with urllib.request.urlopen(call) as reply:
            if reply.status != 200:
                raise SystemExit(f"the defect could not be switched: {reply.read()!r}")


def cpu_s() -> float:
    """CPU seconds of this process."""
    return time.process_time()


def main(hours: int) -> None:
    """Plays the day, and prints the figures."""
    environ = {"CHAT_JWT_SECRET": secrets.token_urlsafe(48), "ADMIN": secrets.token_urlsafe(32)}
    with (
        tempfile.TemporaryDirectory() as place,
        BackendProcess.start(env={**os.environ, **environ}, admin_token_env="ADMIN") as backend,
    ):
        target = Path(place) / "day.toml"
        target.write_text(_TARGET.format(url=backend.url), encoding="utf-8")
        suite = ValidationSession(
            SessionPlan(environment=str(target), output_dir=Path(place) / "reports", environ=environ)
        )
        suite.prepare()
        try:
            _play(suite, Day(backend, environ["ADMIN"], hours), hours)
        finally:
            suite.stop()


def _play(suite: ValidationSession, day: Day, hours: int) -> None:
    idle_from, began = cpu_s(), time.monotonic()
    time.sleep(_IDLE_S)
    idle = (cpu_s() - idle_from) / (time.monotonic() - began)
    clock = SkippingClock(_BEGIN)
    watch = TargetWatch(
        suite, SyntheticUser(suite, PARTS), clock, MonitorSchedule(suite.target.monitor, _EVERY_S), observers=[day]
    )
    rounds = hours * _HOUR_S // _EVERY_S + 1  # the last one begins the day after
    played_from, began = cpu_s(), time.monotonic()
    watch.run(Interruption(), rounds)
    took_s, used_s = time.monotonic() - began, cpu_s() - played_from
    percent = (idle + used_s / rounds / _EVERY_S) * 100
    print(f"{rounds} rounds of {hours} h in {took_s:.0f} s: {dict(watch.outcomes)}")
    growth = day.rss_mb[hours] - day.rss_mb[1]
    print(
        f"memory: {day.rss_mb[1]:.1f} MB after the first hour, {day.rss_mb[hours]:.1f} MB at the end, {growth:+.1f} MB"
    )
    print(f"  by hour: {' '.join(f'{mb:.1f}' for mb in day.rss_mb.values())}")
    print(f"CPU: {used_s / rounds * 1e3:.1f} ms a round, {idle * 100:.2f} % between rounds")
    print(f"  at --every {_EVERY_S}: {percent:.2f} % of a core")
    for hour in (day.defect_hour - 1, day.defect_hour, day.defect_hour + 1):
        print(f"hour {hour}: {dict(day.by_hour.get(hour, {}))}")
    for alert in day.alerts:
        print(f"alert {alert.time} {alert.change}: {alert.pattern} ({alert.level}): {alert.measured}")
    _history(suite)
    changes = [(alert.pattern, alert.change) for alert in day.alerts]
    met = {
        "memory": growth <= _MOST_GROWTH_MB, "CPU": percent <= _MOST_PERCENT,
        "alert and recovery": changes == [("MISSING_EVENT_SEQUENCES", "begin"), ("MISSING_EVENT_SEQUENCES", "over")],
        "only the hour of the defect failed": [hour for hour, seen in day.by_hour.items() if set(seen) != {"passed"}]
        == [day.defect_hour],
    }  # fmt: skip
    print("; ".join(f"{what}: {'met' if is_met else 'NOT MET'}" for what, is_met in met.items()))
    if not all(met.values()):
        raise SystemExit(1)


def _history(suite: ValidationSession) -> None:
    """What is left on the disk."""
    for folder in folders_of(suite.plan.output_dir, suite.target.name, _BEGIN.date()):
        files = [path for path in folder.rglob("*") if path.is_file()]
        kept = sum(path.stat().st_size for path in files) / _MB
        began = time.monotonic()
        verdict = judge(folder).decision.verdict
        print(
            f"{folder.name}: {sum(1 for _ in rounds_in(folder))} rounds, "
            f"{len(list((folder / 'evidence/traces').glob('*')))} traces, {kept:.1f} MB, "
            f"{'sealed' if (folder / 'evidence/manifest.json').exists() else 'open'}, "
            f"judged {verdict} in {time.monotonic() - began:.1f} s"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
