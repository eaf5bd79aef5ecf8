"""The watch of a whole machine: over literal files, and on the machine that runs this."""

import itertools
import os
import threading
from pathlib import Path

import pytest
from greenlight_gate.probes.host_watch import HostWatch

from support.tests.backend.users import eventually

STAT = "cpu  {user} 0 0 {idle} 0 0 0 0 0 0\n"
PROCESS = "{pid} (x) R 1 1 1 0 -1 4194304 900 0 0 0 {ticks} 0 0 0 20 0 5 0 100 1 1\n"


def written(proc: Path, user: int, idle: int, **ticks: int) -> Path:
    """`ticks`: of the processes p1, p2, ..."""
    proc.mkdir(exist_ok=True)
    (proc / "stat").write_text(STAT.format(user=user, idle=idle))
    (proc / "loadavg").write_text("1.0 1.0 1.0 1/99 9\n")
    for name, used in ticks.items():
        (proc / name[1:]).mkdir(exist_ok=True)
        (proc / name[1:] / "stat").write_text(PROCESS.format(pid=name[1:], ticks=used))
    return proc


def test_a_time_in_which_others_fill_the_machine_is_noticed_and_named(tmp_path: Path) -> None:
    watch = HostWatch(written(tmp_path / "proc", 1000, 1000, p5=100, p6=100))
    watch.start(5)
    watch.stop()
    # A process may end between the list of all and its own file.
    (tmp_path / "proc" / "7").mkdir()
    written(tmp_path / "proc", 1180, 1020, p5=180, p6=200)
    watch.look()
    before = watch.crowded[-1].ended_at
    written(tmp_path / "proc", 1360, 1020, p5=360, p6=200)
    watch.look()

    assert [each.why for each in watch.crowded] == [
        "other programs used 50% of its CPU time (25% are allowed when less than 10% is left), the suite and what it "
        "started 40%"
    ]
    assert watch.why(before - 1.0) == watch.crowded[0].why
    assert watch.why(before) == ""


@pytest.mark.parametrize(("target", "foreign"), [(6, []), (None, []), (7, ["other programs used 100% of its CPU"] * 2)])
def test_a_target_on_the_same_machine_is_looked_for_once_the_machine_is_full(
    tmp_path: Path, target: int | None, foreign: list[str]
) -> None:
    watch = HostWatch(written(tmp_path / "proc", 1000, 1000, p5=100, p6=100, p7=0))
    found: list[int | None] = []

    def find() -> int | None:
        found.append(target)
        return target

    watch.start(5, find)
    watch.stop()
    for seconds in (1, 2, 3):
        assert len(found) == min(seconds - 1, 1)
        written(tmp_path / "proc", 1000 + 200 * seconds, 1000, p6=100 + 200 * seconds)
        watch.look()

    assert [each.why[:35] for each in watch.crowded] == foreign


def test_the_machine_is_measured_on_once_the_target_is_found(tmp_path: Path) -> None:
    watch = HostWatch(written(tmp_path / "proc", 1000, 1000, p5=100, p6=100, p7=0))
    watch.start(5, lambda: 7)
    watch.stop()
    used = itertools.count(1200, 200)

    def is_crowded() -> bool:
        written(tmp_path / "proc", next(used), 1000, p6=100)
        watch.catch_up()
        return bool(watch.crowded)

    assert eventually(is_crowded, deadline_s=10)


def test_what_happened_while_it_rested_is_not_measured(tmp_path: Path) -> None:
    watch = HostWatch(written(tmp_path / "proc", 1000, 1000, p5=100))
    watch.start(5)
    watch.stop()
    for user in (1200, 1400):
        written(tmp_path / "proc", user, 1000, p5=100)
        watch.look()
    assert len(watch.crowded) == 2
    watch.rest()
    written(tmp_path / "proc", 1600, 1000, p5=100)
    watch.wake()

    # The last of before still counts: the machine is not idle because something begins.
    assert len(watch.crowded) == 1
    written(tmp_path / "proc", 1800, 1000, p5=100)
    watch.look()
    assert len(watch.crowded) == 2


def test_a_machine_without_proc_is_not_watched(tmp_path: Path) -> None:
    watch = HostWatch(tmp_path)
    watch.start(os.getpid())
    watch.catch_up()
    watch.stop()

    assert watch.crowded == []


def test_this_machine_can_be_watched_and_the_thread_ends() -> None:
    watch = HostWatch()
    watch.start(os.getpid())
    watch.look()
    watch.stop()
    watch.stop()

    assert "greenlight-host" not in {thread.name for thread in threading.enumerate()}
