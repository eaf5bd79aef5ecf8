"""What a server may do with its frames, and what it may not: byte by byte, from a server that does as it is told."""

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from greenlight_gate.load.channel import LocalDirectorChannel
from greenlight_gate.load.plan import shares
from greenlight_gate.load.shard import Shard
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.targets.sections import Tls

from support.tests.hostile import conduct as does
from support.tests.hostile.certificate import Authority
from support.tests.hostile.conduct import Talk
from support.tests.hostile.server import CONTINUATION, PING, TEXT, HostileServer
from support.tests.load.users import BUDGETS, IMPATIENT, plan, run, strangers

_HEALTHY = does.health()


def load_of(answer: does.Say, **values: Any) -> Any:
    with HostileServer(does.conversation(answer), _HEALTHY) as server:
        usual: dict[str, Any] = {"runs_each": 1, "budgets": IMPATIENT if answer is does.saying_nothing else BUDGETS}
        return run(strangers(plan(server.url, 1, **{**usual, **values})))


async def torn(talk: Talk) -> None:
    """Each frame byte by byte, in fragments, with pings in between: all of it is legal."""
    events: list[dict[str, Any]] = []
    say = talk.wire.say

    async def collect(value: Any) -> None:
        events.append(value)

    talk.wire.say = collect  # type: ignore[method-assign]
    await talk.begin()
    await talk.finish()
    talk.wire.say = say  # type: ignore[method-assign]
    for event in events:
        payload = json.dumps(event).encode()
        await talk.wire.frame(TEXT, payload[:7], fin=False)
        await talk.wire.frame(PING, b"are you there?")
        await talk.wire.frame(CONTINUATION, payload[7:90], fin=False)
        await talk.wire.frame(CONTINUATION, payload[90:])
        await asyncio.sleep(0)


def test_fragments_and_pings_in_between_are_legal() -> None:
    came = load_of(torn)

    assert (came.runs, came.events, came.counts) == (1, 5, {})


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        (does.bad_opcode, "CONTENT-2"), (does.binary, "CONTENT-2"), (does.huge_frame, "CONTENT-2"),
        (does.inserting(b'{"type": "agent\xff\xfe"}'), "CONTENT-2"), (does.hanging_up, "CONNECTION-3"),
        (does.ending(2000), "CONNECTION-3"), (does.ending(4400, "enough"), "LIFECYCLE-2"),
        (does.saying_nothing, "TIMELINESS-1"), (does.echo_of_the_token, "CONTENT-5"),
    ],
)  # fmt: skip
def test_what_is_not_allowed_is_found(answer: does.Say, rule: str) -> None:
    came = load_of(answer)

    assert rule in came.counts, came.counts


@pytest.mark.parametrize("status", ["401 Unauthorized", "302 Found", "200 OK"])
def test_a_door_that_stays_shut(status: str) -> None:
    with HostileServer(does.page(status), _HEALTHY) as server:
        came = run(plan(server.url, 2, budgets=IMPATIENT))

    assert (came.connections_tried, came.connections_made) == (2, 0)
    assert came.counts == {"CONNECTION-1": 2}
    assert status[:3] in came.offences[0].finding.actual


def test_a_load_lacks_the_users_who_could_not_connect_while_the_suite_stood_still() -> None:
    with HostileServer(does.forever, _HEALTHY) as server:
        hurried = msgspec.structs.replace(plan(server.url, 1), budgets=TimeBudgets(handshake_s=0.1))
        shard = Shard(shares(hurried, 1)[0], LocalDirectorChannel().channel())
        # Later than whatever began.
        shard.context.stalled_at = math.inf
        came = asyncio.run(connected(shard))

    assert (came.connections_tried, came.counts) == (0, {})
    assert came.short == ("the suite itself stood still while users connected, who then asked nothing",)


async def connected(shard: Shard) -> LoadResult:
    await shard._connect()
    return shard._fill(LoadResult())


def test_never_ready_and_never_upgraded() -> None:
    for door in (does.never_ready, does.forever):
        with HostileServer(door, _HEALTHY) as server:
            came = run(plan(server.url, 1, budgets=IMPATIENT))

        assert (came.connections_made, set(came.counts)) == (0, {"CONNECTION-1"})


def test_tls_with_an_authority_of_its_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.server_context("127.0.0.1")
    with HostileServer(does.conversation(does.rightly), _HEALTHY, context) as server:
        ways: tuple[dict[str, Any], ...] = (
            {"tls": Tls(ca_file=str(authority.ca_file))},
            {"tls": Tls(insecure_skip_verification=True)},
        )
        for values in ways:
            came = run(strangers(plan(server.url, 1, runs_each=1, **values)))
            assert (came.runs, came.counts) == (1, {})
        distrusted = run(strangers(plan(server.url, 1, runs_each=1)))
        assert (distrusted.connections_made, set(distrusted.counts)) == (0, {"CONNECTION-1"})
