"""Watching a target all day: rounds by the schedule, their evidence day by day, patterns, alerts and observers."""

import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol

import msgspec

from greenlight_gate.evidence.monitor_day import (
    CAVEAT,
    InUse,
    MonitorDay,
    folders_of,
    is_of,
    rounds_in,
    seal_earlier_days,
)
from greenlight_gate.evidence.output_folder import keep_out_of_git, log_to
from greenlight_gate.evidence.safe_files import append_line, bounded_lines, open_regular
from greenlight_gate.evidence.session_folder import LOG
from greenlight_gate.monitor.alerts import Alert, Alerts
from greenlight_gate.monitor.clock import Clock
from greenlight_gate.monitor.quiet_hours import QuietHours
from greenlight_gate.monitor.round import Round, RoundObserver, RoundOutcome
from greenlight_gate.monitor.schedule import MonitorSchedule
from greenlight_gate.monitor.windows import RoundWindows, scenario_of
from greenlight_gate.report.monitoring_files import ALERTS
from greenlight_gate.session.interruption import Interruption
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.session.suite_cpu import SuiteLoad
from greenlight_gate.session.synthetic_user import Played
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.targets.errors import Misconfigured, TargetFault

# A pattern that lasts is reported again after an hour, and after a day.
WORSE_AFTER_S = (3_600.0, 86_400.0)
# Tokens that were used are known, so that they are kept out of the evidence; of days there would be too many.
_RENEW_S = 3_600.0
log = logging.getLogger("greenlight")


class Player(Protocol):
    """Who plays the rounds (`greenlight_gate.session.synthetic_user.SyntheticUser`)."""

    def play(self, number: int, began_epoch_s: float, scenario: str) -> Played:
        """Plays one round; `scenario` is what it is called in its trace."""


class TargetWatch:
    """Plays rounds until it is interrupted. `outcomes` counts those of this process.

    `suite` is prepared. An observer that raises is logged, told by `tell_fault`, and left out from then on.
    `tell_folder` gets the folder of each day before its first round.
    """

    def __init__(
        self, suite: ValidationSession, user: Player, clock: Clock, schedule: MonitorSchedule, *,
        observers: Sequence[RoundObserver] = (),
        tell_fault: Callable[[str], None] = lambda _: None, tell_folder: Callable[[Path], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.outcomes: Counter[RoundOutcome] = Counter()
        self._suite = suite
        self._user = user
        self._clock = clock
        self._schedule = schedule
        self._observers = list(observers)
        self._tell_fault = tell_fault
        self._tell_folder = tell_folder
        # That of the latest day, also when it is closed.
        self.folder: Path | None = None
        self._windows = RoundWindows(suite.target.thresholds, schedule.longest_every_s)
        self._alerts = Alerts(self._alerted, WORSE_AFTER_S, self._windows.unseen_s)
        self._quiet_hours = QuietHours(schedule.is_quiet)
        self._new: list[Alert] = []
        self._day: MonitorDay | None = None
        self._date: date | None = None
        self._log: logging.Handler | None = None
        self._load: SuiteLoad
        self._number = 0
        self._renew_at = 0.0
        self._has_begun = False
        # Folders of earlier days that cannot be sealed, of which the log has said so.
        self._left: set[Path] = set()

    def run(self, interruption: Interruption, rounds: int | None = None) -> None:
        """Plays rounds, or only so many. Raises KeyboardInterrupt when it is interrupted.

        Raises Misconfigured for a folder that is in use or cannot be written.
        """
        clock, due, played = self._clock, self._clock.now(), 0
        self._restore(due)
        try:
            while True:
                with interruption.held():
                    self._change_day(clock.now())
                self._play(clock.now(), interruption)
                played += 1
                if rounds is not None and played >= rounds:
                    return
                due = self._schedule.next_due(due, clock.now())
                clock.sleep_until(due)
        finally:
            self._close()

    # One round -------------------------------------------------------------------------------------------------------

    def _play(self, now: float, interruption: Interruption) -> None:
        if now >= self._renew_at:
            self._suite.renew_access()
            self._renew_at = now + _RENEW_S
        trace, why = None, self._schedule.maintenance(now)
        one = Round(number=self._number + 1, began_epoch_s=now, took_s=0.0, outcome=RoundOutcome.SKIPPED, why=why)
        if not why:
            one, trace = self._user.play(one.number, now, scenario_of(one))
        with interruption.held():
            self._number = one.number
            if self._day is not None:
                with self._costing("evidence"):
                    one = self._day.add(one, trace)
            self.outcomes[one.outcome] += 1
            if one.outcome is not RoundOutcome.PASSED:
                log.warning("round %s %s: %s", one.number, one.outcome, one.why)
            self._windows.take(one)
            self._observe(lambda observer: observer.on_round(one))
            # In maintenance nothing is played, so that a pattern can neither go on nor be over.
            if not why:
                self._look(self._clock.now())

    def _look(self, now: float) -> None:
        recent = self._windows.patterns()
        self._alerts.look(
            [each.occurrence for each in recent], now, {each.occurrence.pattern: each.quiet_s for each in recent}
        )
        new, self._new = self._new, []
        for alert in new:
            self._tell(alert)
        for alert in self._quiet_hours.due(new, now):
            self._notify(alert)

    def _tell(self, alert: Alert) -> None:
        self._observe(lambda observer: observer.on_alert(alert))

    def _notify(self, alert: Alert) -> None:
        self._observe(lambda observer: observer.on_notice(alert))

    def _alerted(self, alert: Alert) -> None:
        log.warning("%s", alert)
        self._new.append(alert)
        if self._day is not None:
            with self._costing(ALERTS):
                append_line(self._day.folder / ALERTS, msgspec.json.encode(alert))

    def _observe(self, call: Callable[[RoundObserver], None]) -> None:
        for observer in list(self._observers):
            try:
                call(observer)
            except Exception as error:
                log.exception("%s failed, and is left out from now on", type(observer).__name__)
                self._observers.remove(observer)
                self._tell_fault(f"{type(observer).__name__} failed, and is left out from now on: {error!r}")

    @contextlib.contextmanager
    def _costing(self, what: str) -> Iterator[None]:
        """A disk that is full costs what is written here, and not the watch."""
        try:
            yield
        except OSError as error:
            log.warning("%s cannot be read or written: %s", what, error)
            self._tell_fault(f"{what} cannot be read or written: {error}")

    # Days --------------------------------------------------------------------------------------------------------

    def _restore(self, now: float) -> None:
        """What the patterns and the alerts remember of the rounds before."""
        output_dir, environment = self._suite.plan.output_dir, self._suite.target.name
        today = self._schedule.day(now)
        since = now - self._windows.longest_s
        told: list[Alert] = []
        told_at = 0.0
        for folder in folders_of(output_dir, environment, today - timedelta(days=4)):
            if not is_of(folder, self._suite.lasting_url):
                continue
            with self._costing(str(folder)):
                for one in rounds_in(folder):
                    at = one.began_epoch_s
                    if since <= at <= now:
                        self._windows.take(one)
                    if one.outcome is not RoundOutcome.SKIPPED and not self._schedule.is_quiet(at):
                        told_at = max(told_at, at)
                told += alerts_in(folder)
        self._alerts.restore(told, self._windows.quiet_s)
        self._quiet_hours.restore(told, told_at)
        active = self._alerts.active
        if going_on := tuple({alert.pattern: alert for alert in told if alert.pattern in active}.values()):
            self._observe(lambda observer: observer.on_restart(going_on))

    def _change_day(self, now: float) -> None:
        """Seals the folder of the day before, and opens that of today. Raises Misconfigured for one in use."""
        today = self._schedule.day(now)
        if today == self._date:
            return
        plan = self._suite.plan
        if self._day is not None:
            with self._costing("evidence"):
                self._day.seal(now, self._load.so_far())
        self._close()
        keep_out_of_git(plan.output_dir)
        unhealthy = self._health()
        try:
            day = MonitorDay.of(plan.output_dir, today, self._suite.judged_target("", now, caveats=(CAVEAT,)))
            (day.folder / ALERTS).touch()
            self._log = log_to(day.folder / LOG)
        except InUse as error:
            raise Misconfigured(str(error)) from error
        except OSError as error:
            said = f"--output-dir {plan.output_dir}: cannot be written ({error.strerror})"
            if not self._has_begun:
                raise Misconfigured(said) from error
            # A disk that is full at midnight ends nothing: the next round tries again.
            self._tell_fault(said)
            return
        self._day, self._date, self._has_begun = day, today, True
        self._number = day.last_number
        self.folder = day.folder
        self._tell_folder(day.folder)
        self._load = SuiteLoad(self._suite.backend_pids)
        if unhealthy:
            log.warning("%s", unhealthy)
        log.info("the day begins" if not self._number else f"goes on after round {self._number} of the day")
        self._leave(day.left)
        self._seal_earlier_days(today, now)

    def _seal_earlier_days(self, today: date, now: float) -> None:
        with self._costing("a day before"):
            plan = self._suite.plan
            sealed, left = seal_earlier_days(plan.output_dir, self._suite.target.name, today, now)
            for folder in sealed:
                log.info("sealed %s", folder)
            self._leave(left)

    def _leave(self, left: Mapping[Path, str]) -> None:
        """Names once, in the log, each folder that is no day of a monitor."""
        for folder, why in left.items():
            if folder not in self._left:
                log.warning("%s is no day of a monitor, and is left as it is: %s", folder, why)
        self._left |= left.keys()

    def _health(self) -> str:
        """Asks for the version that the target reports. Returns why it cannot, which the rounds are to show."""
        try:
            self._suite.await_health()
        except (Misconfigured, TargetFault, SuiteFault) as error:
            return str(error)
        return ""

    def _close(self) -> None:
        if self._day is not None:
            self._day.close()
            self._day = None
        if self._log is not None:
            log.removeHandler(self._log)
            self._log.close()
            self._log = None


def alerts_in(folder: Path) -> list[Alert]:
    """The alerts of a day, those that can be read. Raises OSError."""
    path = folder / ALERTS
    if not path.exists():
        return []
    told = []
    with open_regular(path) as file:
        for line in bounded_lines(file):
            with contextlib.suppress(msgspec.MsgspecError):
                told.append(msgspec.json.decode(line, type=Alert))
    return told
