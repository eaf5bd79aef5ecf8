"""Whose work fills a machine: literal samples of /proc in, shares out."""

import pytest
from greenlight_gate.measure.host_load import HostLoad, HostSample, between, sample

# Two CPUs, in ticks of 10 ms: user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice.
BEFORE = """cpu  10000 100 4000 90000 500 0 400 50 0 0
cpu0 5000 50 2000 45000 250 0 200 25 0 0
intr 5 1 2
procs_running 2
"""
# PID 10 is the suite, 11 its backend, 12 a child of that, 20 another program and 21 its child.
PROCESSES = (
    "10 (greenlight run) S 1 10 10 0 -1 4194304 900 0 0 0 {suite} 100 0 0 20 0 5 0 100 1 1",
    "11 (python (x) y) S 10 10 10 0 -1 4194304 900 0 0 0 {backend} 50 7 3 20 0 5 0 100 1 1",
    "12 (a b) R 11 10 10 0 -1 4194304 900 0 0 0 {child} 0 0 0 20 0 5 0 100 1 1",
    "20 (make) R 1 20 20 0 -1 4194304 900 0 0 0 {other} 0 0 0 20 0 5 0 100 1 1",
    "21 (cc1) R 20 20 20 0 -1 4194304 900 0 0 0 0 0 0 0 20 0 5 0 100 1 1",
)


def sampled(stat: str, own: tuple[int, ...] = (10,), ticks: dict[str, int] | None = None) -> HostSample:
    used = {"suite": 1000, "backend": 500, "child": 0, "other": 300, **(ticks or {})}
    return sample(stat, [line.format(**used) for line in PROCESSES], own, 100.0)


def after(user: int, system: int = 0, idle: int = 0, *, softirq: int = 0, steal: int = 0) -> str:
    """BEFORE, and so many ticks later."""
    return f"cpu  {10000 + user} 100 {4000 + system} {90000 + idle} 500 0 {400 + softirq} {50 + steal} 0 0\n"


def test_a_sample_is_read_and_the_suites_processes_are_added() -> None:
    assert sampled(BEFORE) == HostSample(141.0, 905.0, 1050.5, 0.5, 16.6)
    assert sampled(BEFORE, (11, 20)).own_s == 8.6
    assert sampled(BEFORE, (99,)).own_s == 0.0


@pytest.mark.parametrize("stat", ["", "cpu  1 2 3\n", "intr 1 2 3 4 5 6 7 8 9\n"])
def test_what_is_no_stat_file_is_no_sample(stat: str) -> None:
    with pytest.raises(ValueError, match="CPU line of /proc/stat"):
        sampled(stat)


@pytest.mark.parametrize(
    ("stat", "ticks", "load", "is_crowded"),
    [
        # Two busy loops on two CPUs: the suite gets what is left.
        (after(180, 20), {"suite": 1040, "other": 460}, (1.0, 0.8, 0.0, 0.2), True),
        # The suite and its backend, and what they have started, fill the machine themselves.
        (after(150, 44, 6), {"suite": 1090, "backend": 560, "child": 40}, (0.97, 0.02, 0.0, 0.95), False),
        # Interrupts serve the suite's own frames: they are nobody's.
        (after(130, 10, 0, softirq=60), {"suite": 1090, "backend": 545}, (1.0, 0.025, 0.0, 0.675), False),
        # Others use half of the machine, and a quarter is idle: the suite got all that it wanted.
        (after(140, 10, 50), {"suite": 1050}, (0.75, 0.5, 0.0, 0.25), False),
        # The machine's own host runs others on its CPUs.
        (after(100, 20, 10, steal=70), {"suite": 1110}, (0.95, 0.05, 0.35, 0.55), True),
        # A process that ended without being waited for takes its time with it.
        (after(0, 0, 200), {"suite": 900}, (0.0, 0.0, 0.0, 0.0), False),
    ],
)
def test_the_shares_of_two_seconds_of_cpu_time(
    stat: str, ticks: dict[str, int], load: tuple[float, float, float, float], *, is_crowded: bool
) -> None:
    found = between(sampled(BEFORE), sampled(stat, ticks=ticks))

    assert found is not None
    assert (found.used, found.foreign, found.stolen, found.own) == pytest.approx(load)
    assert found.is_crowded is is_crowded


def test_without_time_between_them_two_samples_say_nothing() -> None:
    assert between(sampled(BEFORE), sampled(BEFORE)) is None


def test_a_crowded_machine_in_words() -> None:
    assert str(HostLoad(used=1.0, foreign=0.62, stolen=0.09, own=0.29)) == (
        "other programs used 62% of its CPU time, 9% were taken by its host (25% are allowed when less than 10% is "
        "left), the suite and what it started 29%"
    )
    assert "host" not in str(HostLoad(used=1.0, foreign=0.62, stolen=0.0, own=0.38))
