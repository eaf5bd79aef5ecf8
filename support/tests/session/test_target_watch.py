"""Watching: literal rounds through a whole watch, and real rounds against the bundled backend."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.evidence.judge import judge
from greenlight_gate.evidence.monitor_day import folders_of, rounds_in
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.measure.host_load import CrowdedTime
from greenlight_gate.monitor.alerts import Alert
from greenlight_gate.monitor.round import Round, RoundObserver, RoundOutcome
from greenlight_gate.monitor.schedule import MonitorSchedule
from greenlight_gate.session.interruption import Interruption
from greenlight_gate.session.synthetic_user import PARTS, Played, SyntheticUser
from greenlight_gate.session.target_watch import Player, TargetWatch
from greenlight_gate.session.validation_session import SessionPlan, ValidationSession
from greenlight_gate.targets.settings import Misconfigured

from support.tests.backend.changing import Changing
from support.tests.backend.users import SECRET

BEGIN = datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()
NOBODY = "ws://127.0.0.1:9/ws"
TARGET = """
name = "watched"
url = "{url}"
prompts = "reference"
health = "{health}"
clock = "same-host"
auth = {{ obtain = "mint", send = "bearer", secret_env = "CHAT_JWT_SECRET", audience = "chat" }}
budgets = {{ grace_s = 0.05 }}
"""


class SkippingClock:
    """Skips what is slept."""

    def __init__(self, begin: float = BEGIN) -> None:
        self.time = begin

    def now(self) -> float:
        return self.time

    def sleep_until(self, at: float) -> None:
        self.time = max(self.time, at)


class Written:
    """Plays literal rounds: of each, the rules that object. `stop_after`: interrupted in the round after so many."""

    def __init__(self, *rules: Sequence[str], stop_after: int | None = None) -> None:
        self.rules = list(rules)
        self.stop_after = stop_after
        self.played = 0

    def play(self, number: int, began_epoch_s: float, scenario: str) -> Played:
        if self.played == self.stop_after:
            raise KeyboardInterrupt
        rules = self.rules[self.played] if self.played < len(self.rules) else ()
        self.played += 1
        findings = tuple(
            Finding(rule, Severity.CRITICAL, "It holds.", "this", "that", "Ada", "c1", f"{scenario} {n}")
            for n, rule in enumerate(rules)
        )
        outcome = RoundOutcome.FAILED if rules else RoundOutcome.PASSED
        return Played(
            Round(
                number=number, began_epoch_s=began_epoch_s, took_s=0.5, outcome=outcome, findings=findings,
                connections=3, runs={"agent_completed": 7},
            ),
            None,
        )  # fmt: skip


class Observer(RoundObserver):
    def __init__(self, fails_at: int | None = None) -> None:
        self.rounds: list[Round] = []
        self.alerts: list[Alert] = []
        self.notices: list[Alert] = []
        self.going_on: list[str] = []
        self.fails_at = fails_at

    def on_round(self, one: Round) -> None:
        self.rounds.append(one)
        if one.number == self.fails_at:
            raise ValueError("no room")

    def on_alert(self, alert: Alert) -> None:
        self.alerts.append(alert)

    def on_notice(self, alert: Alert) -> None:
        self.notices.append(alert)

    def on_restart(self, going_on: Sequence[Alert]) -> None:
        self.going_on += [alert.pattern for alert in going_on]

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(alert.pattern, alert.change) for alert in self.notices]


@contextlib.contextmanager
def prepared(
    folder: Path, url: str = NOBODY, monitor: str = "", text: str = TARGET
) -> Iterator[ValidationSession]:  # fmt: skip
    target = folder / "watched.toml"
    health = "" if ":9/" in url else "/health"
    target.write_text(text.format(url=url, health=health) + monitor, encoding="utf-8")
    plan = SessionPlan(environment=str(target), output_dir=folder / "reports", environ={"CHAT_JWT_SECRET": SECRET})
    suite = ValidationSession(plan)
    suite.prepare()
    try:
        yield suite
    finally:
        suite.stop()


def watched(
    suite: ValidationSession, user: Player, rounds: int, *observers: Observer, clock: SkippingClock | None = None,
    tell_fault: Callable[[str], None] = lambda _: None,
) -> TargetWatch:  # fmt: skip
    watch = TargetWatch(
        suite, user, clock or SkippingClock(), MonitorSchedule(suite.target.monitor), observers=observers,
        tell_fault=tell_fault,
    )  # fmt: skip
    with contextlib.suppress(KeyboardInterrupt):
        watch.run(Interruption(), rounds)
    return watch


LOST = ("LIFECYCLE-2", "LIFECYCLE-2")


def test_rounds_alerts_and_recovery_reach_observers_and_the_disk(tmp_path: Path) -> None:
    seen = Observer()
    with prepared(tmp_path) as suite:
        watch = watched(suite, Written((), LOST, LOST, LOST), 10, seen)

    assert watch.outcomes == {RoundOutcome.PASSED: 7, RoundOutcome.FAILED: 3}
    assert [one.number for one in seen.rounds] == list(range(1, 11))
    assert [one.began_epoch_s - BEGIN for one in seen.rounds] == [60.0 * each for each in range(10)]
    assert seen.told == [("MISSING_EVENT_SEQUENCES", "begin"), ("MISSING_EVENT_SEQUENCES", "over")]
    (folder,) = folders_of(tmp_path / "reports", "watched", datetime(2026, 1, 5).date())
    assert list(rounds_in(folder)) == seen.rounds
    lines = (folder / "alerts.log").read_bytes().splitlines()
    assert [msgspec.json.decode(line, type=Alert) for line in lines] == seen.alerts
    assert "round 2 failed" in (folder / "validation_execution.log").read_text("utf-8")


def test_an_interrupted_round_leaves_nothing_and_a_restart_goes_on(tmp_path: Path) -> None:
    before, after = Observer(), Observer()
    with prepared(tmp_path) as suite:
        watched(suite, Written((), LOST, LOST, stop_after=3), 9, before)
        clock = SkippingClock(BEGIN + 180)
        watched(suite, Written(LOST, (), (), (), ()), 5, after, clock=clock)

    assert ([one.number for one in before.rounds], [one.number for one in after.rounds]) == (
        [1, 2, 3], [4, 5, 6, 7, 8],
    )  # fmt: skip
    # What had begun before goes on, and is over in the end.
    assert (before.told, after.told) == (
        [("MISSING_EVENT_SEQUENCES", "begin")], [("MISSING_EVENT_SEQUENCES", "over")],
    )  # fmt: skip
    assert (before.going_on, after.going_on) == ([], ["MISSING_EVENT_SEQUENCES"])


def test_patterns_of_before_a_restart_are_remembered(tmp_path: Path) -> None:
    seen = Observer()
    with prepared(tmp_path) as suite:
        watched(suite, Written(("LIFECYCLE-2",), ("LIFECYCLE-2",)), 2)
        watched(suite, Written(("LIFECYCLE-2",)), 1, seen, clock=SkippingClock(BEGIN + 120))

    assert seen.told == [("MISSING_EVENT_SEQUENCES", "begin")]


def test_each_day_has_a_folder_and_the_one_before_is_sealed(tmp_path: Path) -> None:
    with prepared(tmp_path) as suite:
        watched(suite, Written(), 4, clock=SkippingClock(datetime(2026, 1, 5, 23, 58, tzinfo=UTC).timestamp()))

    first, second = folders_of(tmp_path / "reports", "watched", datetime(2026, 1, 1).date())
    assert [[one.number for one in rounds_in(folder)] for folder in (first, second)] == [[1, 2], [1, 2]]
    assert [(folder / "evidence/manifest.json").exists() for folder in (first, second)] == [True, False]
    reasons = [judge(folder).decision.reason for folder in (first, second)]
    assert ["the day is not sealed" in reason for reason in reasons] == [False, True]
    # It was watched to its end, and how busy the suite was is known.
    assert [judge(folder).measurements is None for folder in (first, second)] == [False, True]
    assert "was not running" not in reasons[0]


def test_a_folder_that_is_no_day_costs_nothing_but_a_line_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "reports/monitor_day_2026-01-04_watched").mkdir(parents=True)
    with prepared(tmp_path) as suite:
        watched(suite, Written(), 4, clock=SkippingClock(datetime(2026, 1, 5, 23, 58, tzinfo=UTC).timestamp()))

    odd, first, second = folders_of(tmp_path / "reports", "watched", datetime(2026, 1, 1).date())
    assert list(odd.iterdir()) == []
    assert [[one.number for one in rounds_in(folder)] for folder in (first, second)] == [[1, 2], [1, 2]]
    logs = [(folder / "validation_execution.log").read_text("utf-8") for folder in (first, second)]
    assert [f"{odd} is no day of a monitor, and is left as it is: " in log for log in logs] == [True, False]


def test_another_url_begins_with_no_pattern(tmp_path: Path) -> None:
    again, other = Observer(), Observer()
    with prepared(tmp_path) as suite:
        watched(suite, Written(LOST, LOST), 2)
    with prepared(tmp_path, NOBODY.replace("/ws", "/other")) as suite:
        watched(suite, Written(LOST[:1], (), (), (), (), ()), 6, other, clock=SkippingClock(BEGIN + 120))
    with prepared(tmp_path) as suite:
        watched(suite, Written((), (), (), ()), 4, again, clock=SkippingClock(BEGIN + 600))

    assert (other.told, again.told) == ([], [("MISSING_EVENT_SEQUENCES", "over")])
    assert len(list((tmp_path / "reports").glob("monitor_day_*"))) == 2


QUIET = '\n[monitor]\nquiet_hours = ["12:00-12:10"]\n'


def test_alerts_of_quiet_hours_wait_until_these_are_over(tmp_path: Path) -> None:
    seen, spared = Observer(), Observer()
    with prepared(tmp_path, monitor=QUIET) as suite:
        watched(suite, Written(*(LOST for _ in range(30))), 12, seen)
        assert seen.told == [("MISSING_EVENT_SEQUENCES", "begin")]
        assert len(seen.rounds) == 12
        # At once on the disk, the page and the metrics; a notice comes with the first round after the quiet hours.
        assert seen.alerts[0].time.startswith("2026-01-05T12:01:00")
        assert [(alert.pattern, alert.change) for alert in seen.alerts] == seen.told
        (folder,) = folders_of(tmp_path / "reports", "watched", datetime(2026, 1, 5).date())
        assert len((folder / "alerts.log").read_bytes().splitlines()) == 1
    (tmp_path / "other").mkdir()
    with prepared(tmp_path / "other", monitor=QUIET) as suite:
        watched(suite, Written(LOST, LOST), 12, spared)
    assert spared.told == []
    assert [alert.change for alert in spared.alerts] == ["begin", "over"]
    # What was told before is told to be over, whatever came and went meanwhile.
    (tmp_path / "third").mkdir()
    third, gap = Observer(), [() for _ in range(5)]
    with prepared(tmp_path / "third", monitor=QUIET.replace("12:00-12:10", "12:02-12:25")) as suite:
        watched(suite, Written(LOST, LOST, *gap, LOST, LOST, *gap), 28, third)
    assert third.told == [("MISSING_EVENT_SEQUENCES", "begin"), ("MISSING_EVENT_SEQUENCES", "over")]
    assert third.notices[1].time[11:16] == "12:12"


def test_a_notice_that_waits_in_quiet_hours_outlives_a_restart(tmp_path: Path) -> None:
    quiet, again, after, later = Observer(), Observer(), Observer(), Observer()
    with prepared(tmp_path, monitor=QUIET) as suite:
        watched(suite, Written(LOST, LOST), 2, quiet)
        watched(suite, Written(LOST), 1, again, clock=SkippingClock(BEGIN + 120))
        watched(suite, Written(LOST), 1, after, clock=SkippingClock(BEGIN + 600))
        watched(suite, Written(LOST), 1, later, clock=SkippingClock(BEGIN + 660))

    assert ([alert.change for alert in quiet.alerts], quiet.told, again.told) == (["begin"], [], [])
    # Told once, however often the monitor is started.
    assert (after.told, later.told) == ([("MISSING_EVENT_SEQUENCES", "begin")], [])


MAINTENANCE = '\n[[monitor.maintenance]]\nwhen = "mon 12:02-12:05"\nwhy = "backup"\n'


def test_nothing_is_played_in_maintenance(tmp_path: Path) -> None:
    seen, user = Observer(), Written()
    with prepared(tmp_path, monitor=MAINTENANCE) as suite:
        watched(suite, user, 7, seen)

    assert [one.outcome for one in seen.rounds] == ["passed"] * 2 + ["skipped"] * 3 + ["passed"] * 2
    assert (user.played, seen.rounds[2].why) == (4, "maintenance: backup")


def test_an_observer_that_fails_costs_nobody_else_anything(tmp_path: Path) -> None:
    bad, good, faults = Observer(fails_at=2), Observer(), list[str]()
    with prepared(tmp_path) as suite:
        watched(suite, Written(), 4, bad, good, tell_fault=faults.append)

    assert ([one.number for one in bad.rounds], [one.number for one in good.rounds]) == ([1, 2], [1, 2, 3, 4])
    assert faults == ["Observer failed, and is left out from now on: ValueError('no room')"]


def test_a_second_monitor_of_the_same_day_is_refused(tmp_path: Path) -> None:
    with prepared(tmp_path) as suite:

        class Second(Observer):
            def on_round(self, one: Round) -> None:
                super().on_round(one)
                with pytest.raises(Misconfigured, match="another monitor of this target writes to it"):
                    watched(suite, Written(), 1)

        assert watched(suite, Written(), 1, seen := Second()).outcomes.total() == 1
        assert len(seen.rounds) == 1


# Real rounds ---------------------------------------------------------------------------------------------------------


def real(folder: Path, url: str, rounds: int = 1) -> list[Round]:
    seen: list[Any] = [Observer()]
    with prepared(folder, url) as suite:
        watched(suite, SyntheticUser(suite, PARTS), rounds, *seen)
    (observer,) = seen
    return list(observer.rounds)


def test_a_healthy_backend_passes_all_parts(tmp_path: Path, backend: BackendProcess) -> None:
    first, second = real(tmp_path, backend.url, 2)

    for one in (first, second):
        assert (one.outcome, one.why, one.findings, one.evidence) == (RoundOutcome.PASSED, "", (), "")
        assert set(one.parts) == {"with_tool", "without_tool", "isolation", "reconnect"}
        assert (one.runs, one.connections, one.refused, one.dropped) == ({"agent_completed": 7}, 3, 0, 0)
        # That of the lost connection says nothing of the backend's time.
        assert (len(one.run_ms), len(one.silence_ms), one.reconnects) == (6, 6, 1)
        assert len(one.acknowledgement_ms) == 7
        assert len(one.delivery_ms) > 20
        assert max(one.run_ms) >= max(one.silence_ms) > 0


@pytest.mark.parametrize(
    ("defect", "rule"), [("thinking_missing", "LIFECYCLE-4"), ("replay_duplicates", "CONTINUITY-2")]
)
def test_a_defect_fails_the_round_with_a_trace_that_proves_it(
    tmp_path: Path, changing: Changing, defect: str, rule: str
) -> None:
    with changing.broken(defect) as process:
        # On a busy machine a round may miss nothing while its user is away.
        failed = [one for one in real(tmp_path, process.url, 3) if one.outcome is RoundOutcome.FAILED]

    found = {finding.rule for one in failed for finding in one.findings}
    assert rule in found, failed
    (folder,) = folders_of(tmp_path / "reports", "watched", datetime(2026, 1, 5).date())
    assert all((tmp_path / "reports" / one.evidence).is_file() for one in failed)
    assert {each.finding.rule for each in judge(folder).findings} == found


def test_one_users_data_in_the_others_answer_fails_the_round(tmp_path: Path, changing: Changing) -> None:
    with changing.broken("canary_base64") as process:
        (one,) = real(tmp_path, process.url)

    assert "ISOLATION-1" in {finding.rule for finding in one.findings}, one


def test_what_was_only_late_on_a_busy_machine_is_not_judged(tmp_path: Path, backend: BackendProcess) -> None:
    idle, busy = Observer(), Observer()
    hasty = TARGET.replace("grace_s = 0.05", "grace_s = 0.05, start_s = 0.0001")
    with prepared(tmp_path, backend.url, text=hasty) as suite:
        watched(suite, SyntheticUser(suite, PARTS[:2]), 1, idle)
        suite.host.crowded.append(CrowdedTime(time.monotonic() + 3_600, 1.0, "other programs used 90%"))
        watched(suite, SyntheticUser(suite, PARTS[:2]), 3, busy)

    assert [one.outcome for one in idle.rounds] == [RoundOutcome.FAILED]
    assert {one.outcome for one in busy.rounds} == {RoundOutcome.BROKEN}
    assert {one.why for one in busy.rounds} == {
        "this machine was busy: other programs used 90%, so that TIMELINESS-1 (2) cannot be judged; run again when it "
        "is idle"
    }
    assert busy.alerts == []


def test_where_nobody_listens_the_round_is_unreachable(tmp_path: Path) -> None:
    (one,) = real(tmp_path, NOBODY)

    assert (one.outcome, one.connections, one.refused, one.runs) == (RoundOutcome.UNREACHABLE, 2, 2, {})
    assert len(one.troubles) == 2
