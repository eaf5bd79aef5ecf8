"""Rounds in, patterns and alerts out: over minutes, hours and days, and again after a restart."""

from typing import Any

import pytest
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.measure.thresholds import Thresholds
from greenlight_gate.monitor.alerts import Alert, Alerts
from greenlight_gate.monitor.round import Round, RoundOutcome
from greenlight_gate.monitor.windows import RoundWindows, scenario_of

MINUTE, HOUR = 60.0, 3600.0
BEGIN = 1_767_571_200.0  # 2026-01-05 00:00 UTC


def found(rule: str, run: str) -> Finding:
    return Finding(rule, Severity.CRITICAL, "so it must be", "this", "that", "Ada", "c1", run, (3,))


def played(at: float, *rules: str, **more: Any) -> Round:
    """A round at so many seconds after `BEGIN`, with one finding of each of these rules, each in a run of its own."""
    findings = tuple(found(rule, f"{at}-{number}") for number, rule in enumerate(rules))
    fields = {
        "outcome": RoundOutcome.FAILED if rules else RoundOutcome.PASSED, "connections": 3,
        "runs": {"agent_completed": 7},
    } | more  # fmt: skip
    return Round(number=1, began_epoch_s=BEGIN + at, took_s=0.5, findings=findings, **fields)


def seen(windows: RoundWindows) -> dict[str, tuple[str, str]]:
    return {each.occurrence.pattern: (each.window, each.occurrence.measured) for each in windows.patterns()}


def after(*rounds: Round, every_s: float = 60) -> dict[str, tuple[str, str]]:
    windows = RoundWindows(Thresholds(), every_s)
    for one in rounds:
        windows.take(one)
    return seen(windows)


def test_each_pattern_shows_in_the_shortest_window_that_has_it() -> None:
    lost = "LIFECYCLE-2"
    quiet = [played(each * MINUTE) for each in range(5)]
    assert after(*quiet) == {}
    # Twice is no pattern, three times within minutes, hours or days is.
    assert after(*quiet, played(6 * MINUTE, lost, lost)) == {}
    assert after(played(0, lost), played(60, lost), played(120, lost)) == {
        "MISSING_EVENT_SEQUENCES": ("minutes", "3 answers: LIFECYCLE-2 3 times")
    }
    assert after(played(0, lost), played(HOUR, lost), played(2 * HOUR, lost)) == {
        "MISSING_EVENT_SEQUENCES": ("hours", "3 answers: LIFECYCLE-2 3 times")
    }
    assert after(played(0, lost), played(15 * HOUR, lost), played(30 * HOUR, lost)) == {
        "MISSING_EVENT_SEQUENCES": ("days", "3 answers: LIFECYCLE-2 3 times")
    }
    assert after(played(0, lost), played(80 * HOUR, lost), played(80.5 * HOUR), played(81 * HOUR, lost)) == {}


def test_one_leak_is_enough() -> None:
    assert after(played(0, "ISOLATION-1")) == {"USER_ISOLATION_VIOLATION": ("minutes", "1 answer: ISOLATION-1 1 time")}


def test_an_outage_is_a_pattern_after_two_rounds() -> None:
    away = {
        "outcome": RoundOutcome.UNREACHABLE, "connections": 2, "refused": 2, "runs": {},
        "troubles": ("'x', Ada: refused (Connection refused)", "'x', Bashir: refused (Connection refused)"),
    }  # fmt: skip
    assert after(played(0), played(60, "CONNECTION-1", **away)) == {}
    assert after(played(0), played(60, "CONNECTION-1", **away), played(120, "CONNECTION-1", **away)) == {
        "CONNECTION_INSTABILITY": ("minutes", "0 connections lost, 4 refused, of 7 attempts")
    }


def test_latency_is_sustained_over_rounds_and_not_within_one() -> None:
    slow = {"delivery_ms": (250.0,) * 60}
    for every_s in (10.0, 60.0, 600.0, 3600.0, 86_400.0):
        assert after(played(0), played(every_s, **slow), played(2 * every_s), every_s=every_s) == {}, every_s
    (told,) = after(played(0), played(60, **slow), played(120, **slow)).values()
    assert told == ("minutes", "250 ms on average for 61 s (allowed: 100 ms), 120 events")
    # Without a common clock, it is that of acknowledgements.
    slow = {"acknowledgement_ms": (250.0,) * 60}
    assert set(after(played(0, **slow), played(60, **slow))) == {"SUSTAINED_HIGH_LATENCY"}


def test_rounds_that_fail_by_rules_of_no_pattern_are_one() -> None:
    wrong = [played(each * MINUTE, "CONTENT-1") for each in range(3)]
    assert after(*wrong[:2]) == {}
    assert after(*wrong) == {"FAILED_ROUNDS": ("minutes", "the last 3 rounds failed: CONTENT-1")}
    assert after(*wrong[:2], played(2 * MINUTE), wrong[2]) == {}
    # Where a pattern has all these rules, that rounds fail says nothing more; of another rule it does.
    both = [played(each * MINUTE, "LIFECYCLE-2", "CONTENT-1") for each in range(3)]
    assert set(after(*(played(each * MINUTE, "LIFECYCLE-2") for each in range(3)))) == {"MISSING_EVENT_SEQUENCES"}
    assert after(*both)["FAILED_ROUNDS"] == ("minutes", "the last 3 rounds failed: CONTENT-1")
    # What was not played says nothing, neither good nor bad.
    skipped = played(2 * MINUTE, outcome=RoundOutcome.SKIPPED)
    assert set(after(*wrong[:2], skipped, wrong[2])) == {"FAILED_ROUNDS"}


@pytest.mark.slow
def test_an_hour_of_a_defect_is_one_alert_one_reminder_and_one_recovery() -> None:
    windows, told = RoundWindows(Thresholds(), 60), list[Alert]()
    alerts = Alerts(told.append, worse_after_s=(HOUR,))
    for minute in range(24 * 60):
        broken = ("LIFECYCLE-2",) * 2 if 600 <= minute <= 661 else ()
        windows.take(played(minute * MINUTE, *broken))
        recent = windows.patterns()
        quiet = {each.occurrence.pattern: each.quiet_s for each in recent}
        alerts.look([each.occurrence for each in recent], BEGIN + minute * MINUTE, quiet)

    assert [(alert.time[11:16], alert.change, alert.level) for alert in told] == [
        ("10:01", "begin", "critical"), ("11:01", "worse", "critical"), ("11:05", "over", "recovered"),
    ]  # fmt: skip
    assert told[1].measured.startswith("for 1 h: ")


ALL = ("with_tool", "without_tool", "isolation", "reconnect")
LOST = ("LIFECYCLE-2", "LIFECYCLE-2")
AWAY: dict[str, Any] = {
    "outcome": RoundOutcome.UNREACHABLE, "connections": 2, "refused": 2, "runs": {},
    "troubles": ("'x', Ada: refused (Connection refused)",),
}  # fmt: skip


def rounds(first: int, *rules: str, count: int = 200, **more: Any) -> list[Round]:
    """So many rounds, a minute apart, from this minute on."""
    return [played((first + each) * MINUTE, *rules, **{"planned": ALL} | more) for each in range(count)]


@pytest.mark.parametrize(
    ("shows", "between"),
    [
        (rounds(-1, *LOST, count=3), rounds(2, **AWAY)),
        (rounds(-1, count=3, delivery_ms=(250.0,) * 60), rounds(2, **AWAY)),
        # A pause: no round for hours, then one.
        (rounds(-1, *LOST, count=3), rounds(600, count=1)),
        # The part that showed it is left out, or no round comes as far as that.
        (rounds(-1, "ISOLATION-1", count=3), rounds(2, planned=("with_tool",))),
        (rounds(-1, "CONTENT-1", count=3), rounds(2, planned=("with_tool",))),
        (rounds(-1, "ISOLATION-1", count=3), rounds(2, "CONTENT-1", parts=("with_tool",))),
        (rounds(-1, *LOST, count=3), rounds(2, outcome=RoundOutcome.BROKEN)),
    ],
)  # fmt: skip
def test_a_pattern_is_over_only_after_rounds_that_could_have_shown_it(shows: list[Round], between: list[Round]) -> None:
    windows, told = RoundWindows(Thresholds(), 60), list[Alert]()
    alerts = Alerts(told.append, unseen_s=windows.unseen_s)

    def play(rounds: list[Round]) -> list[str]:
        told.clear()
        for one in rounds:
            windows.take(one)
            recent = windows.patterns()
            quiet = {each.occurrence.pattern: each.quiet_s for each in recent}
            alerts.look([each.occurrence for each in recent], one.began_epoch_s, quiet)
        return [alert.change for alert in told if alert.pattern == begun[0]] if begun else []

    begun: list[str] = []
    play(shows)
    begun += [told[-1].pattern]
    assert "over" not in play(between)
    last = int((between[-1].began_epoch_s - BEGIN) // MINUTE)
    assert play(rounds(last + 1, count=10)) == ["over"]


def test_alerts_go_on_after_a_restart() -> None:
    told = list[Alert]()
    before, after_it = Alerts(told.append), list[Alert]()
    windows = RoundWindows(Thresholds(), 60)
    for minute in range(3):
        windows.take(played(minute * MINUTE, "LIFECYCLE-2", "LIFECYCLE-2"))
    occurrences = [each.occurrence for each in windows.patterns()]
    before.look(occurrences, BEGIN + 120)
    assert [alert.change for alert in told] == ["begin"]

    restarted = Alerts(after_it.append)
    restarted.restore(told, 180.0)
    restarted.look(occurrences, BEGIN + 180, {"MISSING_EVENT_SEQUENCES": 180.0})
    assert (after_it, restarted.active) == ([], ("MISSING_EVENT_SEQUENCES",))
    restarted.look([], BEGIN + 400)
    assert [alert.change for alert in after_it] == ["over"]
    # Nor is what was over before it told again.
    again = Alerts(after_it.append)
    again.restore([*told, *after_it], 180.0)
    again.look(occurrences, BEGIN + 420)
    assert ([alert.change for alert in after_it], again.active) == (["over"], ())


def test_what_is_remembered_does_not_grow() -> None:
    windows = RoundWindows(Thresholds(), 60)
    for hour in range(24 * 14):
        windows.take(played(hour * HOUR, "LIFECYCLE-2", errors=("x",) * 5))
    kept = [len(window._timelines) for window in windows._windows]
    assert kept == [1, 2, 2]


def test_a_clock_that_is_set_back_loses_no_round() -> None:
    assert after(played(80 * HOUR), *(played(each, "LIFECYCLE-2") for each in (0, 60, 120))) == {
        "MISSING_EVENT_SEQUENCES": ("minutes", "3 answers: LIFECYCLE-2 3 times")
    }


def test_a_round_is_called_by_its_time() -> None:
    assert scenario_of(played(3723)) == "round of 2026-01-05 01:02:03Z"
