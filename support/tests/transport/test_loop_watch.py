"""What an event loop has missed: gaps between its looks, a machine that slept, a wall clock that was moved."""

import time

from greenlight_gate.transport.loop_watch import Clocks, ClockStep, LoopStall, LoopWatch


class CompiledProfile:
    """Three clocks that a test moves."""

    def __init__(self) -> None:
        self.now: Clocks | None = Clocks(100.0, 500.0, 1e9)

    def passes(self, monotonic: float = 0.0, boot: float = 0.0, wall: float = 0.0) -> None:
        assert self.now is not None
        self.now = Clocks(self.now.monotonic + monotonic, self.now.boot + boot, self.now.wall + wall)


def watched() -> tuple[CompiledProfile, LoopWatch]:
    machine = CompiledProfile()
    return machine, LoopWatch(lambda: machine.now)


def test_a_loop_that_runs_has_missed_nothing() -> None:
    machine, watch = watched()
    for _ in range(50):
        machine.passes(0.02, 0.02, 0.02)
        watch.tick()
    assert (watch.stalls, watch.steps) == ([], [])


def test_a_process_that_was_frozen() -> None:
    machine, watch = watched()
    machine.passes(7.0, 7.0, 7.0)
    watch.tick()
    assert watch.stalls == [LoopStall(107.0, 7.0)]
    assert watch.steps == []
    assert watch.lost_s(99.0) == 7.0
    assert watch.lost_s(105.0) == 2.0
    assert watch.lost_s(107.0) == 0.0


def test_a_machine_that_was_suspended_while_its_monotonic_clock_stood() -> None:
    machine, watch = watched()
    machine.passes(0.02, 7.02, 7.02)
    watch.tick()
    (stall,) = watch.stalls
    assert (stall.ended_at, round(stall.for_s, 6)) == (100.02, 7.0)
    (step,) = watch.steps
    assert round(step.by_s, 6) == 7.0


def test_a_wall_clock_that_was_moved_is_no_stall() -> None:
    machine, watch = watched()
    machine.passes(0.02, 0.02, -59.98)
    watch.tick()
    assert watch.stalls == []
    assert watch.steps == [ClockStep(100.02, -60.0)]
    watch.tick()
    assert len(watch.steps) == 1


def test_clocks_that_were_not_read_at_once_say_nothing() -> None:
    machine, watch = watched()
    machine.now = None
    watch.tick()
    assert (watch.stalls, watch.steps) == ([], [])


def test_the_clocks_of_this_machine() -> None:
    before = time.monotonic()
    watch = LoopWatch()
    assert before <= watch.looked_at <= time.monotonic()
