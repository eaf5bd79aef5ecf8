"""A load over real sockets on the embedded backend: everything is counted, checked and measured."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.evidence.replay import read_conversation
from greenlight_gate.load.channel import LocalDirectorChannel
from greenlight_gate.load.director import Director, State
from greenlight_gate.measure.load_result import merged
from greenlight_gate.rules.engine.deadlines import TimeBudgets

from support.tests.backend.changing import Changing
from support.tests.backend.users import ENVIRONMENT
from support.tests.load.users import IMPATIENT, PROFILE, figures, plan, run

EVENTS = 6


def test_closed_each_user_asks_as_often_as_planned(backend: BackendProcess) -> None:
    came = run(plan(backend.url, 8, runs_each=4))

    assert (came.users, came.connections_tried, came.connections_made) == (8, 8, 8)
    assert (came.asked, came.runs, came.events, came.five_shown) == (32, 32, 32 * EVENTS, 32)
    assert (came.expected_events, came.arrived_events, came.success_percent) == (32 * 5, 32 * 5, 100.0)
    assert (came.counts, came.offences, came.lost, came.short, came.dropped) == ({}, [], (), (), 0)
    assert came.corrected is None
    assert figures(came.raw).samples == figures(came.whole).samples == 32
    assert figures(came.delivery).samples == 32 * EVENTS


def test_closed_with_time_to_think(backend: BackendProcess) -> None:
    came = run(plan(backend.url, 2, runs_each=None, duration_s=0.5, think_s=0.2))

    assert 2 <= came.runs <= 6
    assert came.counts == {}


def test_open_questions_come_at_their_rate_whatever_happens(backend: BackendProcess) -> None:
    came = run(plan(backend.url, 5, runs_each=None, duration_s=1.0, arrival="open", rate=40))

    assert came.asked + came.dropped == 40
    assert came.runs == came.asked
    assert figures(came.corrected).samples == figures(came.raw).samples
    assert figures(came.corrected).avg_ms >= figures(came.raw).avg_ms


def test_each_sees_the_own_canary_and_nobody_elses(backend: BackendProcess) -> None:
    came = run(plan(backend.url, 6, prompts=("remember", "recall")))

    assert (came.canaries_expected, came.canaries_seen, came.counts) == (6, 6, {})


def test_compression_on_request(backend: BackendProcess) -> None:
    came = run(plan(backend.url, 3, compress=True))

    assert (came.runs, came.events, came.counts) == (9, 9 * EVENTS, {})


def test_two_shards_are_one_load(backend: BackendProcess) -> None:
    came = run(plan(backend.url, 7), shards=2)

    assert (came.users, came.runs, came.events, came.counts) == (7, 21, 21 * EVENTS, {})
    assert figures(came.raw).samples == 21


def test_merged_is_the_sum_and_keeps_the_worst(backend: BackendProcess) -> None:
    one, other = run(plan(backend.url, 2)), run(plan(backend.url, 3))
    one.busy, other.busy, other.lost = 0.9, 0.2, ("shard 2 died",)
    one.lag_ms_p99, other.lag_ms_p99 = 1.0, 25.0

    both = merged([one, other])

    assert (both.runs, both.events, both.users) == (15, 15 * EVENTS, 5)
    assert (both.busy, both.saturated, both.lost) == (
        0.9,
        "90% busy (85% are allowed) and 25 ms late at p99 (20 ms are allowed)",
        ("shard 2 died",),
    )
    assert figures(both.raw).samples == 15
    assert figures(both.raw).max_ms == max(figures(one.raw).max_ms, figures(other.raw).max_ms)


@pytest.mark.parametrize(
    ("defect", "rule"),
    [
        ("started_missing", "LIFECYCLE-1"), ("completed_missing", "LIFECYCLE-2"), ("thinking_missing", "LIFECYCLE-4"),
        ("tool_completed_missing", "PAIRING-2"), ("run_id_null", "IDENTITY-1"), ("nan_in_json", "CONTENT-2"),
        ("duplicate_delivery", "CONTINUITY-2"), ("broadcast_to_all", "ISOLATION-2"), ("canary_base64", "ISOLATION-1"),
        ("invalid_utf8", "CONTENT-2"), ("binary_frame", "CONTENT-2"), ("canned_answer", "CONTENT-4"),
    ],
)  # fmt: skip
def test_no_rule_is_sampled_away(changing: Changing, defect: str, rule: str) -> None:
    with changing.broken(defect) as broken:
        came = run(plan(broken.url, 3, prompts=("remember", "recall"), runs_each=2, budgets=IMPATIENT))

    assert rule in came.counts, came.counts
    assert came.counts[rule] >= 1
    assert rule in {offence.finding.rule for offence in came.offences}
    assert came.findings == sum(came.counts.values())


def test_a_tool_that_hangs_is_waited_for_once(changing: Changing) -> None:
    budgets = TimeBudgets(start_s=1.0, silence_s=0.2, tool_s=1.5, run_s=10.0)
    with changing.broken("tool_never_returns") as broken:
        first = run(plan(broken.url, 2, runs_each=2, budgets=budgets))
        again = run(plan(broken.url, 2, runs_each=1, budgets=budgets, hung_tools=first.hung_tools))

    assert first.hung_tools == again.hung_tools == ("calculator",)
    # Each user waited for the whole budget of the tool once, and then no longer than for anything else.
    assert (first.counts["TIMELINESS-4"], first.counts["TIMELINESS-2"]) == (2, 4)
    assert (again.counts.get("TIMELINESS-4", 0), again.counts["TIMELINESS-2"]) == (0, 2)
    assert first.counts["LIFECYCLE-2"] == 4


def test_the_first_offenders_can_be_read_with_their_frames(changing: Changing, tmp_path: Path) -> None:
    with changing.broken("tool_name_missing") as broken:
        came = run(plan(broken.url, 4, runs_each=5))

    assert came.counts["PAIRING-3"] >= 20
    assert len([offence for offence in came.offences if offence.finding.rule == "PAIRING-3"]) == 3
    first = came.offences[0]
    path = tmp_path / first.trace
    path.write_bytes(came.traces[first.trace])
    numbers = {record.n for record, _ in read_conversation(path, PROFILE)}
    assert set(first.finding.evidence) <= numbers


def test_a_line_that_is_cut_by_us_is_nobodys_fault(backend: BackendProcess) -> None:
    came = run(plan(backend.url, 4, prompts=("long_running",), runs_each=None, duration_s=0.1, break_off=True))

    assert (came.asked, came.runs, came.counts, came.expected_events) == (4, 0, {}, 0)


def test_nobody_is_there() -> None:
    came = run(plan("ws://127.0.0.1:9/ws", 3, budgets=IMPATIENT))

    assert (came.connections_tried, came.connections_made, came.asked) == (3, 0, 0)
    assert set(came.counts) == {"CONNECTION-1"}


def test_slow_lines_ask_nothing_and_hurt_nobody(backend: BackendProcess) -> None:
    came = run(plan(backend.url, 5, slow=2, runs_each=None, duration_s=1.0, think_s=0.1))

    assert came.asked == came.runs > 0
    assert (came.counts, came.expected_events) == ({}, came.runs * 5)


@pytest.mark.parametrize("values", [{"think_s": 0.05}, {"arrival": "open", "rate": 40.0}], ids=["closed", "open"])
def test_who_watches_ends_it_before_its_time_and_what_is_under_way_is_waited_for(
    backend: BackendProcess, values: dict[str, Any]
) -> None:
    def ends(state: State) -> None:
        state.enough = any(shard.counts.events for shard in state.shards.values())

    with ThreadPoolExecutor(1) as pool:
        made = plan(backend.url, 3, runs_each=None, duration_s=600.0, **values)
        came = Director(made, [pool], LocalDirectorChannel(), ends).run()

    assert came.asked == came.runs > 0
    assert (came.counts, came.interrupted, came.expected_events) == ({}, False, came.runs * 5)
    assert came.seconds < 300


def test_a_load_of_a_backend_that_has_gone_is_over() -> None:
    with BackendProcess.start(env=ENVIRONMENT) as backend, ThreadPoolExecutor(1) as pool:

        def kill(state: State) -> None:
            if any(shard.counts.events for shard in state.shards.values()):
                os.kill(backend.pid, signal.SIGKILL)

        made = plan(backend.url, 3, runs_each=None, duration_s=600.0, think_s=0.05)
        came = Director(made, [pool], LocalDirectorChannel(), kill).run()

    assert came.events > 0
    assert came.counts["CONNECTION-3"] == 3
    assert came.seconds < 300
