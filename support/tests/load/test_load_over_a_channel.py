"""Loads over a channel, on the same virtual users: the embedded backend, whose channel says where requests go."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.load.plan import LoadPlan, PlannedUser
from greenlight_gate.targets.access import Access
from greenlight_gate.targets.settings import load_target, profile_text

from support.tests.backend.changing import Changing
from support.tests.backend.users import ENVIRONMENT
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer, Wire
from support.tests.load.users import BUDGETS, IMPATIENT, SUM, figures, planned, run

EVENTS = 6
PROFILE = profile_text("agent-events-channel", Path())[1]


def plan_for(url: str, users: int = 5, **values: Any) -> LoadPlan:
    target = load_target("embedded-channel", ENVIRONMENT).at(url)
    target = msgspec.structs.replace(target, prompts=msgspec.structs.replace(target.prompts, with_tool=SUM))
    access = Access(target, ENVIRONMENT)

    async def set_up(user: PlannedUser) -> PlannedUser:
        persona = next(each for each in target.users(users) if each.name == user.user)
        return msgspec.structs.replace(user, persona=persona, token=await access.token_for(persona))

    async def all_set_up() -> list[PlannedUser]:
        return [await set_up(user) for user in plain]

    plain = planned(target, users, values.pop("prompts", ("with_tool",)))
    usual: dict[str, Any] = {"budgets": BUDGETS, "clock": "same-host", "runs_each": 3, "target": target}
    known = tuple(asyncio.run(all_set_up()))
    return LoadPlan(id="test", profile_toml=PROFILE, users=known, **{**usual, **values})


def test_each_user_asks_as_often_as_planned_and_all_is_counted(backend: BackendProcess) -> None:
    came = run(plan_for(backend.http_url, 8, runs_each=4))

    assert (came.users, came.connections_tried, came.connections_made) == (8, 8, 8)
    assert (came.asked, came.runs, came.events, came.five_shown) == (32, 32, 32 * EVENTS, 32)
    assert (came.expected_events, came.arrived_events, came.success_percent) == (32 * 5, 32 * 5, 100.0)
    assert (came.counts, came.offences, came.lost, came.short, came.dropped) == ({}, [], (), (), 0)
    assert figures(came.raw).samples == figures(came.whole).samples == 32


def test_each_sees_the_own_canary_and_nobody_elses(backend: BackendProcess) -> None:
    came = run(plan_for(backend.http_url, 6, prompts=("remember", "recall")))
    assert (came.canaries_expected, came.canaries_seen, came.counts) == (6, 6, {})


@pytest.mark.parametrize(
    ("defect", "rule"),
    [
        ("channel_misses_the_first_event", "LIFECYCLE-1"), ("channel_mixes_users", "ISOLATION-2"),
        ("stream_of_another_content_type", "CONNECTION-1"), ("duplicate_delivery", "CONTINUITY-2"),
        ("messages_beside_a_channel_unanswered", "CONNECTION-1"),
    ],
)  # fmt: skip
def test_no_rule_is_sampled_away(changing: Changing, defect: str, rule: str) -> None:
    with changing.broken(defect) as broken:
        came = run(plan_for(broken.http_url, 3, prompts=("remember", "recall"), runs_each=2, budgets=IMPATIENT))
    assert rule in came.counts, came.counts
    assert rule in {offence.finding.rule for offence in came.offences}


def test_an_answer_whose_channel_has_ended_is_not_whole(changing: Changing) -> None:
    with changing.broken("channel_ends_with_an_answer") as broken:
        came = run(plan_for(broken.http_url, 2, runs_each=2, budgets=IMPATIENT))
    assert (came.connections_made, came.asked, came.runs, came.counts) == (
        2,
        2,
        0,
        {"LIFECYCLE-2": 2},
    )


def test_a_user_who_reads_nothing_hurts_nobody(backend: BackendProcess) -> None:
    came = run(plan_for(backend.http_url, 3, slow=1, runs_each=None, duration_s=0.6, think_s=0.1))
    assert (came.connections_made, came.counts) == (3, {})
    assert came.runs == came.asked > 0


def test_no_message_is_sent_to_another_origin() -> None:
    async def greet(wire: Wire) -> None:
        assert wire.path == "/events"
        await wire.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for said in ({"type": "endpoint", "endpoint": "http://h/"}, {"type": "connection_established"}):
            await wire.raw(b"data: %b\n\n" % json.dumps(said).encode())
        await does.forever(wire)

    with HostileServer(greet, does.health()) as server:
        came = run(plan_for(f"http://127.0.0.1:{server.port}", 2))
    assert (came.connections_made, came.asked, came.short, came.counts) == (0, 0, (), {"CONNECTION-1": 2})
    assert "of another origin" in came.offences[0].finding.actual
