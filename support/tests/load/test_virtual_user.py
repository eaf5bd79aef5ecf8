"""One virtual user without a connection: what it asks, what it keeps, and when it gives up."""

import msgspec
import pytest
from greenlight_gate.events import EventKind
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.load.offenders import Offenders
from greenlight_gate.measure.load_result import LoadResult, merged
from greenlight_gate.trace import Expect
from greenlight_gate.transport.interface import Ending

from support.tests.load.test_frozen_shard import Shard
from support.tests.rules.talk import TOOL_QUESTION

TOOL = {"tool_name": "weather", "tool_call_id": "k1"}


def sent(shard: Shard) -> bytes:
    """The record of the latest request."""
    (record,) = [line for line in shard.user._trace().splitlines() if b'"what":"start"' in line]
    return record


def test_each_prompt_is_sent_once_and_then_those_that_may_be_repeated() -> None:
    shard = Shard(prompts=3, again_from=1)
    frames = [sent(shard)]
    for _ in range(5):
        shard.user.put(None)
        frames.append(sent(shard))

    assert [[number for number in range(3) if b"(%d)" % number in frame] for frame in frames] == [
        [0], [1], [2], [1], [2], [1],
    ]  # fmt: skip


def test_the_next_request_names_the_thread_of_the_answer() -> None:
    shard = Shard().comes("agent_started", message="on it").rest()
    assert b'"t1"' not in sent(shard)

    shard.user.put(None)

    assert b'"t1"' in sent(shard)


@pytest.mark.parametrize(
    ("expect", "failed"),
    [
        (TOOL_QUESTION, 1),
        (msgspec.structs.replace(TOOL_QUESTION, failing_tool=True), 0),
        (msgspec.structs.replace(TOOL_QUESTION, end=EventKind.FAILED), 0),
    ],
)
def test_a_run_has_failed_where_it_was_to_complete(expect: Expect, failed: int) -> None:
    shard = Shard(expect).comes("agent_started", message="on it")
    shard.comes("agent_failed", error_code="X", error_message="the model is busy")

    assert (shard.context.meters.runs, shard.context.meters.failed) == (1, failed)


def test_a_tool_has_its_own_budget_and_is_remembered_if_it_hangs() -> None:
    shard = Shard().comes("agent_started", message="on it").comes("tool_executing", 0.001, **TOOL, parameters={})
    user, deadlines = shard.user, shard.context.deadlines

    user.check_deadline(shard.passes(30.0).at)
    assert (user.ask is None, deadlines.hung) == (False, set())
    user.check_deadline(shard.passes(32.0).at)
    assert (user.ask is None, deadlines.hung) == (True, {"weather"})


def test_a_slow_user_is_not_given_up() -> None:
    shard = Shard()
    shard.user.is_slow = True

    shard.user.check_deadline(shard.passes(1000.0).at)

    assert shard.user.ask is not None


def test_of_the_reads_since_a_request_the_latest_are_kept() -> None:
    shard = Shard().comes("agent_started", message="on it")
    for number in range(100):
        shard.comes("agent_thinking", reasoning="let me see", step_number=number)

    assert len(shard.user._kept) == 64
    assert b'"step_number": 99' in shard.user._kept[-1][2][0]


@pytest.mark.parametrize(("reason", "late"), [("keepalive ping timeout", True), ("something went wrong", False)])
def test_what_follows_where_the_backend_gave_up_a_silent_user_may_be_the_doing_of_a_busy_generator(
    reason: str, *, late: bool
) -> None:
    shard = Shard()

    shard.user.on_close(Ending("server", 1011, reason), shard.at)
    shard.user.finish()

    found = [offence.finding for offence in shard.context.offenders.offences]
    assert [(finding.rule, finding.late) for finding in found if finding.rule == "LIFECYCLE-2"] == [
        ("LIFECYCLE-2", late)
    ]  # fmt: skip
    assert all(finding.late is late for finding in found)


def test_what_is_late_leaves_room_for_what_is_wrong() -> None:
    offenders = Offenders("s1")
    for number in range(20):
        offenders.take(finding_of("LIFECYCLE-2", late=number < 10), bytes)

    assert [offence.finding.late for offence in offenders.offences] == [True, True, True, False, False, False]
    assert len(offenders.traces) == 6
    assert offenders.by_rule == {"LIFECYCLE-2": 20}
    merged_offences = merged([LoadResult(offences=offenders.offences, traces=offenders.traces)]).offences
    assert sorted(offence.finding.late for offence in merged_offences) == [False] * 3 + [True] * 3


def finding_of(rule: str, *, late: bool) -> Finding:
    return Finding(rule, Severity.CRITICAL, "a requirement", "one end", "none", late=late)
