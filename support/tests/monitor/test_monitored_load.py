"""A live monitor hears loads as well: real loads on a real backend, in this process and in others."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.load.director import Director
from greenlight_gate.load.executors import processes
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.monitor import Alert, create_monitoring_session
from greenlight_gate.monitor.monitoring_summary import MonitoringSummary

from support.tests.backend.changing import Changing
from support.tests.load.users import IMPATIENT, embedded, plan, run


def assert_all_was_seen(seen: MonitoringSummary, came: LoadResult) -> None:
    connections = seen.connections
    assert (seen.questions, seen.events, seen.messages) == (came.asked, came.events, came.messages)
    assert (connections.tried, connections.made) == (came.connections_tried, came.connections_made)
    # How fast something was while the generator itself was too busy, as on a crowded machine, is not said.
    counted = [sum(counts.delays.values()) for counts in came.timeline]
    timed = [now - before for before, now in pairwise([0, *counted])]
    assert counted[-1] == came.events
    samples = seen.latency.samples if seen.latency is not None else 0
    assert samples == sum(timed) - sum(
        late for late, counts in zip(timed, came.timeline, strict=True) if counts.hindered
    )


def test_a_load_in_ones_own_asyncio_code(backend: BackendProcess) -> None:
    made = plan(backend.url, 6, runs_each=None, duration_s=0.6, think_s=0.05)

    async def own_code() -> LoadResult:
        return await asyncio.to_thread(run, made)

    with create_monitoring_session("x") as monitor:
        came = asyncio.run(own_code())
    before = monitor.summary()
    run(plan(backend.url, 2))

    assert_all_was_seen(before, came)
    assert before.connections.open_most == 6
    assert 1 <= before.answers_under_way_most <= 6
    assert (before.connections.refused, before.connections.dropped, before.patterns, before.findings) == (0, 0, (), {})
    assert sum(stretch.events > 0 for stretch in before.stretches) >= 2
    assert monitor.summary() == before


def test_shards_in_other_processes(backend: BackendProcess) -> None:
    with create_monitoring_session("x") as monitor, processes(2) as (executors, correlation):
        came = Director(plan(backend.url, 6, own_process=True), executors, correlation).run()

    assert came.runs == 18
    assert_all_was_seen(monitor.summary(), came)


def test_two_loads_at_once_are_told_apart_and_added_up(backend: BackendProcess) -> None:
    with create_monitoring_session("x") as monitor, ThreadPoolExecutor(2) as pool:
        one, other = pool.map(run, [plan(backend.url, 3, runs_each=4), plan(backend.url, 5, runs_each=4)])

    seen = monitor.summary()
    assert seen.questions == one.asked + other.asked == 32
    assert seen.events == one.events + other.events


@pytest.mark.parametrize(
    ("defect", "values", "pattern"),
    [
        ("connections_capped=3", {}, "CONNECTION_INSTABILITY"),
        ("dies_mid_run_without_a_word", {"budgets": IMPATIENT}, "CONNECTION_INSTABILITY"),
        ("tool_completed_missing", {"budgets": IMPATIENT}, "MISSING_EVENT_SEQUENCES"),
        ("broadcast_to_all", {}, "USER_ISOLATION_VIOLATION"),
        ("silent_gap=1", {"budgets": IMPATIENT, "runs_each": 1}, "SILENT_STALLS"),
    ],
)
def test_what_goes_wrong_under_load_is_a_pattern(
    changing: Changing, defect: str, values: dict[str, Any], pattern: str
) -> None:
    with changing.broken(defect) as broken:
        # On a crowded machine the generator may be too busy to hold it against anybody that something is late.
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            told: list[Alert] = []
            with create_monitoring_session("x") as monitor:
                monitor.subscribe(on_alert=told.append)
                came = run(plan(broken.url, 8, **values))
            if pattern in monitor.summary().patterns or not any(counts.hindered for counts in came.timeline):
                break

    assert pattern in monitor.summary().patterns
    assert [alert.pattern for alert in told if alert.level != "recovered"] == list(monitor.summary().patterns)


def test_what_comes_after_the_last_answer_is_seen_as_well(changing: Changing) -> None:
    with changing.broken("events_after_completed=200") as broken, create_monitoring_session("x") as monitor:
        came = run(plan(broken.url, 8, runs_each=1))

    assert_all_was_seen(monitor.summary(), came)
    assert monitor.summary().patterns == ("ORDER_DISORDER",)


def test_who_is_on_the_way_in_is_not_refused(changing: Changing) -> None:
    with changing.broken("handshake_slow=0.8") as slow, create_monitoring_session("x") as monitor:
        came = run(plan(slow.url, 8, runs_each=1))

    assert_all_was_seen(monitor.summary(), came)
    assert (monitor.summary().connections.refused, monitor.summary().patterns) == (0, ())


@pytest.mark.parametrize("prompt", ["failing_tool", "failing_agent"])
def test_answers_that_have_to_fail_are_no_errors(backend: BackendProcess, prompt: str) -> None:
    with create_monitoring_session("x") as monitor:
        came = run(plan(backend.url, 8, prompts=(prompt,)))

    assert (came.runs, monitor.summary().errors, monitor.summary().patterns) == (24, 0, ())


def test_answers_that_fail_are_a_burst_of_errors(backend: BackendProcess) -> None:
    made = plan(backend.url, 8)
    text = embedded(backend.url).question("failing_agent", "")
    fails = (msgspec.structs.replace(made.users[0].questions[0], text=text),)
    planned = tuple(msgspec.structs.replace(planned, questions=fails) for planned in made.users)

    with create_monitoring_session("x") as monitor:
        run(msgspec.structs.replace(made, users=planned))

    assert monitor.summary().errors == 24
    assert monitor.summary().patterns == ("ERROR_BURST",)
