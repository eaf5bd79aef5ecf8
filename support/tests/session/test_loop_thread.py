"""The loop thread: results and exceptions pass through, nothing hangs, nothing goes on behind one's back."""

import asyncio
import contextlib
import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterator

import pytest
from greenlight_gate.cli.main import _end_at_signals
from greenlight_gate.session.interruption import Interruption, interruptible
from greenlight_gate.session.loop_thread import LoopThread, SuiteFault


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread()
    thread.start()
    yield thread
    thread.stop()


class Sleeper:
    """Waits for ever, and says that it began and whether it was cancelled."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.cancelled = threading.Event()

    async def wait(self) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


async def _answer() -> int:
    return 391


async def _fail(error: Exception) -> None:
    raise error


def test_the_result_comes_back(loop: LoopThread) -> None:
    assert loop.call(_answer(), 5) == 391
    assert loop.post(_answer()).result(5) == 391


@pytest.mark.parametrize("error", [ValueError("theirs"), TimeoutError("a wait of theirs")])
def test_an_exception_passes_through_as_it_is(loop: LoopThread, error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        loop.call(_fail(error), 5)


def test_past_the_deadline_it_is_the_suites_fault_and_cancelled(loop: LoopThread) -> None:
    sleeper = Sleeper()

    with pytest.raises(SuiteFault) as error:
        loop.call(sleeper.wait(), 0.05)

    assert str(error.value) == "Suite fault: an operation of the suite did not finish within 0.05 s"
    assert sleeper.cancelled.wait(5)
    assert loop.call(_answer(), 5) == 391


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interruption_cancels_what_was_waited_for(loop: LoopThread, number: signal.Signals) -> None:
    sleeper = Sleeper()
    main = threading.main_thread().ident
    assert main is not None

    def press() -> None:
        if sleeper.began.wait(60):
            signal.pthread_kill(main, number)

    presser = threading.Thread(target=press)
    with interruptible(None) as interruption:
        presser.start()
        with pytest.raises(KeyboardInterrupt):
            loop.call(sleeper.wait(), 90)
    presser.join()

    assert interruption.reason == number.name
    assert sleeper.cancelled.wait(5)


def test_the_time_limit_interrupts_and_leaves_no_alarm(loop: LoopThread) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]

    # It may come before anything is waited for.
    with pytest.raises(KeyboardInterrupt), interruptible(0.2) as interruption:
        loop.call(Sleeper().wait(), 90)

    assert interruption.reason == "time limit of 0.2 s"
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]


def test_in_a_finalizer_an_interruption_waits_for_its_end(loop: LoopThread, recwarn: pytest.WarningsRecorder) -> None:
    ended = threading.Event()

    class Dying:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)
            ended.set()

    def die() -> None:
        Dying()
        # It may come before anything is waited for.
        loop.call(Sleeper().wait(), 90)

    with interruptible(None) as interruption, pytest.raises(KeyboardInterrupt):
        die()

    assert ended.is_set()
    assert interruption.reason == "SIGTERM"
    assert list(recwarn) == []


def test_an_interruption_that_a_weak_reference_swallows_comes_again(
    loop: LoopThread, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python calls such a callback wherever an object dies, and prints what it raises instead of raising it."""

    class Dying:
        pass

    def die() -> None:
        dying = Dying()
        kept = weakref.ref(dying, lambda _: signal.raise_signal(signal.SIGTERM))
        del dying
        assert kept() is None
        loop.call(Sleeper().wait(), 90)

    before = sys.unraisablehook
    with interruptible(None) as interruption, pytest.raises(KeyboardInterrupt):
        die()

    assert interruption.reason == "SIGTERM"
    assert sys.unraisablehook is before
    assert "Exception ignored" not in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGALRM], ids=lambda number: number.name)
def test_what_is_held_is_done_whole_before_an_interruption_is_raised(number: signal.Signals) -> None:
    reasons = []

    def do_it_whole(interruption: Interruption) -> None:
        with interruption.held():
            signal.raise_signal(number)
            signal.raise_signal(signal.SIGTERM)
            reasons.append(interruption.reason)

    with interruptible(1000) as interruption, pytest.raises(KeyboardInterrupt):
        do_it_whole(interruption)

    assert reasons == [""]
    assert interruption.reason == ("time limit of 1000 s" if number is signal.SIGALRM else number.name)


def test_an_interruption_before_or_after_is_not_raised_again_by_what_is_held() -> None:
    with interruptible(None) as interruption:
        with interruption.held():
            pass
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with interruption.held():
            signal.raise_signal(signal.SIGTERM)

    assert interruption.reason == "SIGINT"


def test_a_second_signal_is_ignored(loop: LoopThread) -> None:
    with interruptible(None) as interruption:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert loop.call(_answer(), 5) == 391

    assert interruption.reason == "SIGTERM"


def test_an_interruption_that_was_swallowed_is_raised_where_the_next_scenario_begins() -> None:
    with interruptible(None) as interruption:
        interruption.check()
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
            interruption.check()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_that_an_import_has_swallowed_begins_no_run(number: signal.Signals) -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        # What was started in the background ignores Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _end_at_signals()
        with interruptible(None):
            pass
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(number)
        with pytest.raises(KeyboardInterrupt), interruptible(None):
            pass
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_without_a_loop_nothing_is_awaited() -> None:
    with pytest.raises(SuiteFault, match="the loop thread is not running"):
        LoopThread().post(_answer())


def test_stopping_cancels_what_is_left() -> None:
    thread, sleeper = LoopThread(), Sleeper()
    thread.start()
    thread.post(sleeper.wait())
    assert sleeper.began.wait(5)

    thread.stop()
    thread.stop()

    assert sleeper.cancelled.is_set()
    assert [each.name for each in threading.enumerate() if each.name == "greenlight-loop" and each.is_alive()] == []


def test_a_loop_that_is_free_says_so_again_and_again() -> None:
    loop = LoopThread()
    loop.start()
    try:
        first = loop.watch.looked_at
        deadline = time.monotonic() + 10
        while loop.watch.looked_at == first:
            assert time.monotonic() < deadline, "it never ticks"
        assert loop.watch.looked_at > first
    finally:
        loop.stop()
