"""Loads by HTTP, on the same virtual users: server-sent events of the embedded backend, and lines of JSON."""

import itertools
import json
from typing import Any

import msgspec
import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.load.director import Director
from greenlight_gate.load.executors import processes
from greenlight_gate.load.plan import LoadPlan, PlannedPrompt, PlannedUser
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.targets.settings import load_target
from greenlight_gate.trace import Expect

from support.tests.backend.changing import Changing
from support.tests.backend.users import ENVIRONMENT
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer, Wire
from support.tests.load.users import BUDGETS, IMPATIENT, SSE, SUM, figures, planned, run
from support.tests.wire.small import SMALL

EVENTS = 6


def plan_for(url: str, users: int = 5, **values: Any) -> LoadPlan:
    target = load_target("embedded-sse", ENVIRONMENT).at(url)
    target = msgspec.structs.replace(target, prompts=msgspec.structs.replace(target.prompts, with_tool=SUM))
    prompts = values.pop("prompts", ("with_tool",))
    usual: dict[str, Any] = {"budgets": BUDGETS, "clock": "same-host", "runs_each": 3}
    return LoadPlan(id="test", profile_toml=SSE, users=planned(target, users, prompts), **{**usual, **values})


def test_each_user_asks_as_often_as_planned_and_all_is_counted(backend: BackendProcess) -> None:
    came = run(plan_for(backend.http_url, 8, runs_each=4))

    assert (came.users, came.connections_tried, came.connections_made) == (8, 8, 8)
    assert (came.asked, came.runs, came.events, came.five_shown) == (32, 32, 32 * EVENTS, 32)
    assert (came.expected_events, came.arrived_events, came.success_percent) == (32 * 5, 32 * 5, 100.0)
    assert (came.counts, came.offences, came.lost, came.short, came.dropped) == ({}, [], (), (), 0)
    assert figures(came.raw).samples == figures(came.whole).samples == 32
    assert figures(came.delivery).samples == 32 * EVENTS


def test_open_requests_come_at_their_rate_and_stages_follow_each_other(backend: BackendProcess) -> None:
    came = run(plan_for(backend.http_url, 5, runs_each=None, duration_s=1.0, arrival="open", rate=40))
    assert came.asked + came.dropped == 40
    assert (came.runs, came.counts) == (came.asked, {})

    came = run(plan_for(backend.http_url, 3, runs_each=None, duration_s=0.6, stages=((0.3, 3), (0.3, 0)), think_s=0.05))
    assert came.runs == came.asked > 0
    assert came.counts == {}


def test_two_processes_are_one_load(backend: BackendProcess) -> None:
    with processes(2) as (executors, channels):
        came = Director(plan_for(backend.http_url, 6, own_process=True), executors, channels).run()
    assert (came.users, came.runs, came.events, came.counts, came.lost) == (6, 18, 18 * EVENTS, {}, ())


def test_a_user_who_thinks_for_longer_than_a_connection_is_kept_connects_anew(backend: BackendProcess) -> None:
    came = run(plan_for(backend.http_url, 2, runs_each=2, think_s=1.2))
    assert (came.runs, came.connections_made, came.counts, came.lost) == (4, 2, {}, ())


def test_each_sees_the_own_canary_and_nobody_elses(backend: BackendProcess) -> None:
    came = run(plan_for(backend.http_url, 6, prompts=("remember", "recall")))
    assert (came.canaries_expected, came.canaries_seen, came.counts) == (6, 6, {})


@pytest.mark.parametrize(
    ("defect", "rule"),
    [
        ("stream_ends_without_the_end_event", "LIFECYCLE-2"), ("stream_of_another_content_type", "CONNECTION-1"),
        ("stream_cut_after_its_last_event", "CONNECTION-3"), ("data_lines_without_their_field", "CONTENT-2"),
        ("duplicate_delivery", "CONTINUITY-2"), ("canary_base64", "ISOLATION-1"),
        ("answers_sent_on_the_newest_stream", "ISOLATION-2"),
    ],
)  # fmt: skip
def test_no_rule_is_sampled_away(changing: Changing, defect: str, rule: str) -> None:
    with changing.broken(defect) as broken:
        came = run(plan_for(broken.http_url, 3, prompts=("remember", "recall"), runs_each=2, budgets=IMPATIENT))
    assert rule in came.counts, came.counts
    assert rule in {offence.finding.rule for offence in came.offences}
    assert came.events >= 0


LINES = (
    SMALL.replace("[send.start]", '[send.start]\nhttp = { path = "/ask" }')
    + """
[[event]]
when = { type = "muse" }
is = "agent_thinking"
text = "text"
[connection]
transport = "ndjson"
"""
)


def lines_of(answer: str) -> LoadResult:
    """A load on a server that answers each request with three lines of JSON, in two pieces."""
    runs = itertools.count()

    async def talk(wire: Wire) -> None:
        while True:
            body = await wire.reader.readexactly(int(wire.headers["content-length"]))
            assert json.loads(body) == {"type": "ask", "text": "how much is it?"}
            run_id = f"run-{next(runs)}"
            said = [
                {"type": "started"},
                {"type": "muse", "text": "let me see"},
                {"type": "final", "answer": "it is 42"},
            ]
            text = "\n".join(json.dumps({**each, "run_id": run_id}) for each in said).encode()
            head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
            await wire.raw(head.encode() + b"%x\r\n%b\r\n" % (50, text[:50]))
            await wire.raw(b"%x\r\n%b\r\n0\r\n\r\n" % (len(text) - 50, text[50:]))
            await wire.read_request()

    with HostileServer(talk, does.health()) as server:
        asked = PlannedPrompt("how much is it?", Expect(contains=((answer,),)))
        url = f"http://127.0.0.1:{server.port}"
        users = tuple(PlannedUser(name, None, url, (asked,)) for name in ("Ada", "Bashir"))
        return run(LoadPlan(id="test", profile_toml=LINES, users=users, budgets=BUDGETS, runs_each=2))


def test_lines_of_json_are_read_and_judged() -> None:
    came = lines_of("42")
    assert (came.asked, came.runs, came.events, came.counts) == (4, 4, 12, {})
    assert set(lines_of("43").counts) == {"CONTENT-4"}
