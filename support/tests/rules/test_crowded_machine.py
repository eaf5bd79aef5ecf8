"""On a machine that others fill, nothing that was only late is a finding; whatever is wrong in itself is one."""

from collections.abc import Callable

import pytest
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import Crowded, Expect

from support.tests.rules.talk import EPOCH_S, Talk, asked

WHY = "other programs used 62% of its CPU time"
PACED = Expect(prompt="Research it", thinking=True, paced=True)
Steps = Callable[[Talk], object]


def crowded(talk: Talk) -> Talk:
    return talk.add(Crowded, "", for_s=1.0, why=WHY)


def held_back(talk: Talk) -> None:
    """All but the start comes at the end of a long run, its tool as well."""
    talk.started().wait(2.0)
    for step in (talk.thinking, talk.executing, talk.tool_done, talk.completed):
        talk.at -= 0.09
        step()


# What only took long or did not come in time: the rules that object on a machine with nothing else to do.
LATE: list[tuple[str, Steps, set[str]]] = [
    ("no answer to the upgrade", lambda t: t.close("nobody", None, during="handshake", user="Ada", unanswered=True),
     {"CONNECTION-1"}),
    ("a slow upgrade", lambda t: t.open(handshake_ms=7_000.0), {"CONNECTION-1"}),
    ("no ready", lambda t: t.open(ready=False).timeout("ready", 5.0), {"CONNECTION-1"}),
    ("no pong", lambda t: t.open().send("ping", nonce="x").timeout("pong", 5.0), {"CONNECTION-2"}),
    ("no answer to the close", lambda t: t.open().timeout("close", 5.0), {"CONNECTION-3"}),
    ("a late start", lambda t: t.open().ask().wait(6.0).answer(), {"TIMELINESS-1"}),
    ("no start", lambda t: t.open().ask().timeout("start", 5.0, request="q1"),
     {"TIMELINESS-1", "LIFECYCLE-2", "CONNECTION-1"}),
    ("a silence", lambda t: t.open().ask().started().thinking().wait(6.0).executing().tool_done().completed(),
     {"TIMELINESS-2"}),
    ("no end", lambda t: t.open().ask().started().thinking().timeout("end", 6.0, request="q1", run="r1"),
     {"TIMELINESS-2", "LIFECYCLE-2"}),
    ("a long tool", lambda t: [t.open().ask().started().thinking().executing(),
                               *(t.wait(4.0).thinking() for _ in range(16)), t.tool_done().completed()],
     {"TIMELINESS-4"}),
    ("a late end after a stop", lambda t: t.open().ask().started().send("stop", run="r1").wait(3.0).stopped(),
     {"TIMELINESS-5"}),
    ("a late completion after a stop",
     lambda t: t.open().ask().started().thinking().executing().tool_done().send("stop", run="r1").wait(3.0).completed(),
     {"LIFECYCLE-6"}),
    ("a late end of a tool",
     lambda t: t.open().ask().started().thinking().executing().wait(3.0).tool_done(took_ms=100).completed(),
     {"TIMELINESS-6"}),
    ("all at the end", lambda t: held_back(t.open().ask(expect=PACED)), {"TIMELINESS-3"}),
    ("no restore", lambda t: t.open().ask().answer().close("nobody", None).open(connection="c2")
     .restore("c2", 5, answered=False).timeout("restored", 5.0, "c2"), {"CONTINUITY-1", "CONNECTION-3"}),
    ("no refusal of bad input", lambda t: t.open().send("invalid").timeout("refusal", 5.0), {"REFUSAL-4"}),
    ("an ignored request for another's thread",
     lambda t: t.open().ask(foreign="Bashir", thread="t-9").timeout("refusal", 5.0), {"REFUSAL-2"}),
]  # fmt: skip
# What is wrong in itself, however much time there was.
WRONG: list[tuple[str, Steps, set[str]]] = [
    ("refused with a reason", lambda t: t.close("server", None, during="handshake", status=503, user="Ada"),
     {"CONNECTION-1"}),
    ("let in without a token", lambda t: t.open(ready=False, unwelcome="no token").timeout("refusal", 5.0),
     {"REFUSAL-1"}),
    ("an event twice", lambda t: t.open().ask().started().thinking().executing().tool_done().completed().completed(),
     {"LIFECYCLE-2"}),
    ("a wrong answer", lambda t: t.open().ask().started().thinking().executing().tool_done().completed(result="Who?"),
     {"CONTENT-4"}),
    ("another user's run", lambda t: t.open().ask().open("Bashir", "c2").ask("q2", connection="c2")
     .answer().started("r1", connection="c2", seq=9), {"ISOLATION-2"}),
    ("ended by the server in mid-run", lambda t: t.open().ask().started().thinking().close("server", 1011),
     {"LIFECYCLE-2"}),
]  # fmt: skip


def checked(steps: Steps, *, busy: bool) -> TraceChecker:
    talk = Talk()
    if busy:
        crowded(talk)
    steps(talk)
    checker = TraceChecker(talk.profile, talk.budgets, EPOCH_S)
    for record in talk.records:
        checker.feed(record)
    checker.finish()
    return checker


@pytest.mark.parametrize(("steps", "rules"), [case[1:] for case in LATE], ids=[case[0] for case in LATE])
def test_what_was_only_late_is_no_finding_on_a_crowded_machine_and_one_on_an_idle_one(
    steps: Steps, rules: set[str]
) -> None:
    idle, busy = checked(steps, busy=False), checked(steps, busy=True)
    late = {rule for rule in rules if rule != "CONNECTION-3" or "CONTINUITY-1" not in rules}

    assert {finding.rule for finding in idle.findings} == rules
    assert {finding.rule for finding in idle.findings if finding.late} == late
    assert {finding.rule for finding in busy.findings} == rules - late
    assert set(busy.registry.stalls.unjudged) == late
    said = str(busy.registry.stalls)
    assert said.startswith(f"this machine was busy: {WHY}, so that {min(late)} (")
    assert said.endswith(" cannot be judged; run again when it is idle")


@pytest.mark.parametrize(("steps", "rules"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_in_itself_is_a_finding_on_any_machine(steps: Steps, rules: set[str]) -> None:
    for busy in (False, True):
        checker = checked(steps, busy=busy)
        assert {finding.rule for finding in checker.findings} >= rules
        assert not rules & set(checker.registry.stalls.unjudged)


def test_what_was_late_before_the_machine_was_crowded_is_a_finding() -> None:
    talk = crowded(asked().wait(6.0).started().wait(2.1)).thinking().wait(6.0).executing().tool_done().completed()

    assert talk.rules() == {"TIMELINESS-1"}


@pytest.mark.parametrize(("later_s", "rules"), [(0.0, set()), (1.9, set()), (2.1, {"TIMELINESS-1"})])
def test_a_busy_time_excuses_what_was_late_in_it_and_in_the_second_before(later_s: float, rules: set[str]) -> None:
    talk = crowded(asked().wait(6.0).started().wait(later_s)).thinking().executing().tool_done().completed()

    assert talk.rules() == rules


def test_what_is_wrong_is_a_finding_also_where_the_same_rule_was_broken_by_lateness_before() -> None:
    talk = crowded(Talk().open().ask().timeout("start", 5.0, request="q1")).ask("q2").wait(1).close("server", 1011)

    assert talk.rules() == {"LIFECYCLE-2", "CONNECTION-1"}


def given_up(reason: str, *, busy: bool) -> TraceChecker:
    def steps(talk: Talk) -> Talk:
        return talk.open().ask().started().thinking().close("server", 1011, reason=reason)

    return checked(steps, busy=busy)


@pytest.mark.parametrize("reason", ["keepalive ping timeout", "no pong", "Heartbeat timed out", "idle for too long"])
def test_a_user_who_was_given_up_for_silence_is_a_finding_on_an_idle_machine_only(reason: str) -> None:
    idle, busy = given_up(reason, busy=False), given_up(reason, busy=True)

    assert {finding.rule for finding in idle.findings} == {"LIFECYCLE-2"}
    assert (busy.findings, dict(busy.registry.stalls.unjudged)) == ([], {"CONNECTION-3": 1})


def test_a_user_who_was_given_up_for_silence_before_they_asked_was_connected() -> None:
    def steps(talk: Talk) -> Talk:
        return talk.open().close("server", 1011, reason="keepalive ping timeout")

    assert {finding.rule for finding in checked(steps, busy=False).findings} == {"CONNECTION-1"}
    assert checked(steps, busy=True).findings == []


def test_a_user_who_was_given_up_for_another_reason_is_a_finding_on_any_machine() -> None:
    busy = given_up("internal error", busy=True)

    assert ({finding.rule for finding in busy.findings}, busy.registry.stalls.unjudged) == ({"LIFECYCLE-2"}, {})


class Settled:
    """Keeps the outcomes of requests."""

    def __init__(self) -> None:
        self.excused: list[bool] = []

    def on_settled(self, outcome: Outcome) -> None:
        self.excused.append(outcome.excused)


@pytest.mark.parametrize("busy", [False, True])
def test_an_answer_that_was_waited_for_in_vain_on_a_crowded_machine_counts_for_nothing(*, busy: bool) -> None:
    talk = (crowded(Talk()) if busy else Talk()).open().ask().timeout("start", 5.0, request="q1")
    checker, settled = TraceChecker(talk.profile, talk.budgets, EPOCH_S), Settled()
    checker.observe(settled)
    for record in talk.records:
        checker.feed(record)

    assert settled.excused == [busy]
