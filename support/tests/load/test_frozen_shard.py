"""A shard that stood still judges and measures no time across that; moments are given, nothing is waited for."""

import json
from datetime import UTC, datetime

import pytest
from greenlight_gate.load.plan import LoadPlan, PlannedPrompt, PlannedUser, Share
from greenlight_gate.load.shard_context import ShardContext
from greenlight_gate.load.virtual_user import VirtualUser
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.trace import Expect
from greenlight_gate.transport.interface import Accepted, Ending

from support.tests.load.users import PROFILE
from support.tests.rules.talk import ANSWER, TOOL_QUESTION, Talk


class Shard:
    """One user whose shard is frozen between two reads."""

    def __init__(self, expect: Expect = TOOL_QUESTION, *, prompts: int = 1, again_from: int = 0) -> None:
        asked = tuple(PlannedPrompt(f"What is the weather in Oslo? ({number})", expect) for number in range(prompts))
        ada = PlannedUser("Ada", "user-ada", "ws://127.0.0.1:1/ws", asked, again_from)
        plan = LoadPlan(id="p", profile_toml=PROFILE, users=(ada,), budgets=TimeBudgets(), clock="same-host")
        self.context = ShardContext(Share(plan, 0, 1, plan.budgets), "s1")
        self.user = VirtualUser(ada, self.context, 1, lambda user, at: None)
        self.talk = Talk()
        self.at = self.context.watch.looked_at
        self.user.on_open(Accepted((), None, b""), self.at)
        self.reads({"type": "connection_established", "user_id": "user-ada"})
        self.user.put(None)
        self.at = self.user.last_at

    def stalls_are_told(self) -> "Shard":
        self.context.on_stall = lambda stall: self.user.stalled(stall.ended_at, stall.for_s)
        return self

    def never_looks(self) -> "Shard":
        """As if nobody noticed."""
        self.context.watch.stall_s = float("inf")
        self.context.watch.looked_at = float("inf")
        return self

    def reads(self, body: dict[str, object]) -> None:
        self.user.on_texts([json.dumps(body).encode()], self.at)
        self.user.on_read(self.at)

    def comes(self, kind: str, sent_ago_s: float = 0.001, **payload: object) -> "Shard":
        sent = datetime.fromtimestamp(self.context.meters.epoch_s + self.at - sent_ago_s, UTC)
        stamp = sent.isoformat(timespec="microseconds").replace("+00:00", "Z")
        self.reads(self.talk.body(kind, payload, request=self.user.request, timestamp=stamp))
        return self

    def passes(self, seconds: float) -> "Shard":
        self.at += seconds
        return self

    def rest(self) -> "Shard":
        tool = {"tool_name": "weather", "tool_call_id": "k1"}
        self.comes("agent_thinking", 5.0, reasoning="let me see", step_number=1)
        self.comes("tool_executing", 4.0, **tool, parameters={"city": "Oslo"})
        self.comes("tool_completed", 3.0, **tool, status="ok", result="rain", execution_time_ms=3)
        return self.comes("agent_completed", 2.0, result=ANSWER, execution_time_ms=12)


def answered(shard: Shard) -> Shard:
    return shard.passes(0.01).comes("agent_started", message="on it").passes(8.0).rest()


def test_a_shard_that_was_frozen_accuses_nobody_and_measures_nothing_of_it() -> None:
    shard = answered(Shard().stalls_are_told())
    meters = shard.context.meters
    assert shard.user.checker.counts == {}
    assert meters.runs == 1
    assert [meters.whole.sum_us, meters.silence.sum_us, meters.raw.sum_us] == [0, 0, 0]
    assert meters.delivery.histogram().samples == 1


def test_without_a_look_at_the_clock_it_would() -> None:
    shard = answered(Shard().never_looks())
    meters = shard.context.meters
    assert shard.user.checker.counts == {"TIMELINESS-2": 1}
    assert meters.delivery.histogram().samples == 5
    assert meters.whole.sum_us > 8e6


@pytest.mark.parametrize(("frozen_s", "lost"), [(8.0, 0), (0.5, 1)])
def test_a_user_who_was_given_up_meanwhile_is_no_loss(frozen_s: float, lost: int) -> None:
    shard = Shard().stalls_are_told().passes(0.01).comes("agent_started", message="on it").passes(frozen_s)
    shard.user.on_close(Ending("server", 1011, "keepalive ping timeout", b""), shard.at)
    shard.user.finish()
    assert shard.context.meters.connections_lost == lost
    assert bool(shard.user.checker.counts) is bool(lost)
    assert bool(shard.context.registry.stalls.unjudged) is not bool(lost)


def test_the_trace_of_a_user_holds_the_stall() -> None:
    shard = Shard().stalls_are_told().passes(0.01).comes("agent_started", message="on it").passes(8.0)
    shard.comes("agent_thinking", 5.0, reasoning="let me see", step_number=1)
    records = [json.loads(line)["record"] for line in shard.user._trace().splitlines()[1:]]
    assert records == ["opened", "sent", "received", "stalled", "received"]
