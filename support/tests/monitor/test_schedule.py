"""When rounds are due, when they are left out, and when notices wait."""

import tomllib
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from greenlight_gate.monitor.clock import WallClock
from greenlight_gate.monitor.schedule import MonitorSchedule
from greenlight_gate.targets.errors import Misconfigured, convert
from greenlight_gate.targets.sections import MonitorSection

BERLIN = ZoneInfo("Europe/Berlin")
SECTION = """
every_s = 60
timezone = "Europe/Berlin"
quiet_hours = ["22:00-06:00", "sat-sun 00:00-24:00"]

[[schedule]]
when = "mon-fri 08:00-18:00"
every_s = 30

[[maintenance]]
when = "sun 23:30-00:30"
why = "backup"

[[maintenance]]
begins = 2026-03-03T02:00:00+00:00
ends = 2026-03-03T04:00:00+00:00
why = "move"

[[maintenance]]
begins = 2026-03-04T02:00:00
ends = 2026-03-04T04:00:00
why = "local"
"""


def read(text: str) -> MonitorSection:
    return convert(tomllib.loads(text), MonitorSection, "x.toml")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


@pytest.mark.parametrize(
    ("when", "every_s", "is_quiet", "maintenance"),
    [
        # 2026-03-02 is a Monday.
        ("2026-03-02 07:59", 60, False, ""),
        ("2026-03-02 08:00", 30, False, ""),
        ("2026-03-02 18:00", 60, False, ""),
        ("2026-03-02 22:00", 60, True, ""),
        ("2026-03-03 05:59", 60, True, ""),
        ("2026-03-03 03:00", 60, True, "maintenance: move"),
        ("2026-03-03 02:59", 60, True, ""),
        ("2026-03-04 02:00", 60, True, "maintenance: local"),
        ("2026-03-04 04:00", 60, True, ""),
        ("2026-03-07 12:00", 60, True, ""),
        ("2026-03-08 23:30", 60, True, "maintenance: backup"),
        ("2026-03-09 00:29", 60, True, "maintenance: backup"),
        ("2026-03-09 00:30", 60, True, ""),
        ("2026-03-09 06:00", 60, False, ""),
    ],
)
def test_at_a_time(when: str, every_s: float, is_quiet: bool, maintenance: str) -> None:
    schedule = MonitorSchedule(read(SECTION))
    moment = at(when)
    assert (schedule.every_s(moment), schedule.is_quiet(moment), schedule.maintenance(moment)) == (
        every_s, is_quiet, maintenance,
    )  # fmt: skip


def test_the_day_is_that_of_the_time_zone() -> None:
    schedule = MonitorSchedule(read(SECTION))
    assert [str(schedule.day(at(f"2026-03-0{day} {time}"))) for day, time in ((2, "23:59"), (3, "00:00"))] == [
        "2026-03-02", "2026-03-03",
    ]  # fmt: skip


def test_an_option_replaces_all_intervals() -> None:
    schedule = MonitorSchedule(read(SECTION), 10)
    assert (schedule.every_s(at("2026-03-02 08:00")), schedule.longest_every_s) == (10, 10)
    assert MonitorSchedule(read(SECTION)).longest_every_s == 60


def test_rounds_keep_their_rhythm_and_missed_ones_are_left_out() -> None:
    schedule = MonitorSchedule(MonitorSection(), 60)
    assert [schedule.next_due(1_000, now) for now in (1_000.5, 1_059.9, 1_060, 1_150, 990)] == [
        1_060, 1_060, 1_120, 1_180, 1_050,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('timezone = "Mars/Olympus"', "timezone: expected the name of a time zone, such as .*'Mars/Olympus' is none"),
        ('quiet_hours = ["22-06"]', "quiet_hours.0.: expected times such as .*, but '22-06' came"),
        ('quiet_hours = ["25:00-06:00"]', "quiet_hours.0.: expected times such as"),
        ('quiet_hours = ["06:00-06:00"]', "quiet_hours.0.: expected times such as"),
        ('schedule = [{ when = "mon-day 08:00-18:00", every_s = 30 }]', "when: expected times such as"),
        ('schedule = [{ when = "08:00-18:00", every_s = 1 }]', "schedule.0..every_s: expected"),
        ('maintenance = [{ why = "x" }]', "when: expected either `when` .each week. or both .* there is neither"),
        ('maintenance = [{ why = "x", begins = 2026-03-03T02:00:00 }]', "when: expected either"),
        (
            'maintenance = [{ why = "x", begins = 2026-03-03T02:00:00, ends = 2026-03-03T01:00:00 }]',
            "ends: expected a time after `begins`, but it is 2026-03-03 01:00:00",
        ),
        (
            'maintenance = [{ why = "x", begins = 2026-03-03T02:00:00Z, ends = 2026-03-03T03:00:00 }]',
            "ends: expected an offset in both",
        ),
        ("evry_s = 60", "expected .*every_s"),
    ],
)
def test_what_cannot_be_read_is_one_line(text: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        read(text)


def test_a_clock_that_is_set_back_delays_the_next_round_by_one_interval_at_most() -> None:
    time, slept = 1_000_000.0, 0.0

    def sleep(seconds: float) -> None:
        nonlocal time, slept
        slept += seconds
        time += seconds
        if slept == 20.0:
            time -= 7 * 86_400.0

    clock, schedule = WallClock(lambda: time, sleep), MonitorSchedule(read("every_s = 60"))
    due = schedule.next_due(clock.now(), clock.now())
    clock.sleep_until(due)
    assert slept == 60.0
    # Nor is the round after that one late.
    clock.sleep_until(schedule.next_due(due, clock.now()))
    assert slept == 120.0
    clock.sleep_until(clock.now() - 1.0)
    assert slept == 120.0
