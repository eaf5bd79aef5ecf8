"""What a profile infers or passes over never makes a verdict better than what was seen."""

import msgspec
import pytest
from greenlight_gate.bdd.matchers import observable
from greenlight_gate.bdd.matchers.event_patterns import completed, started, thinking
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import FIVE, Event, EventKind, each
from greenlight_gate.evidence.replay import Meter
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import Expect, Sent
from greenlight_gate.verdict.decision import decide
from greenlight_gate.verdict.facts import Facts, ScenarioOutcome, ScenarioResult, Verdict
from greenlight_gate.wire.capture import read_capture
from greenlight_gate.wire.profile import Profile

from support.tests.wire.recorded import PROFILES, Recorded, capture, shipped

ONE = (ScenarioResult("functional/a.feature:1", "a", "functional", ScenarioOutcome.PASSED),)


def test_a_decoy_that_is_taken_for_the_end_is_caught() -> None:
    text = (PROFILES / "agno.toml").read_text()
    two = 'when = { event = { in = ["WorkflowCompleted", "RunCompleted"] } }'
    decoy = text.replace('when = { event = "WorkflowCompleted" }', two)
    decoy = decoy.replace('in = ["RunCompleted", "RunContentCompleted"', 'in = ["RunContentCompleted"')
    assert decoy.count("RunCompleted") == text.count("RunCompleted")
    found = {rule for rule, _ in Recorded(Profile.from_toml(decoy), capture("agno")).findings}
    assert "LIFECYCLE-2" in found
    early = text.replace('when = { event = "ToolCallCompleted" }', 'when = { event = "ToolCallError" }')
    early = early.replace('when = { event = "WorkflowCompleted" }', 'when = { event = "ToolCallCompleted" }', 1)
    found = {rule for rule, _ in Recorded(Profile.from_toml(early), capture("agno")).findings}
    assert "LIFECYCLE-3" in found


def _measured(name: str) -> tuple[Profile, Meter]:
    profile = shipped(name)
    records, epoch_s = read_capture(capture(name), profile.spec)
    checker = TraceChecker(profile, TimeBudgets(), epoch_s)
    meter = Meter("unknown")
    checker.observe(meter)
    wanted = Expect(prompt="What is 17*23?", tools=1, hidden=(EventKind.THINKING,))
    for record in records:
        if record.connection == "bob-steals":
            continue
        asked = isinstance(record, Sent) and record.what == "start"
        judged = msgspec.structs.replace(record, expect=wanted) if asked else record
        meter.take(judged, checker.feed(judged), epoch_s)
    meter.end_of_trace()
    return profile, meter


def test_an_inferred_event_is_not_observed_and_has_to_be_answered_for() -> None:
    profile, meter = _measured("google-adk")
    seen = meter.observed()
    # What its model says before the tool is no thought, for the wire would say so.
    assert set(seen.kinds) == set(FIVE) - {EventKind.STARTED, EventKind.THINKING}
    assert (seen.five_shown, seen.five_expected) == (3, 3)
    assert seen.acknowledgement is None
    absent = {kind: f"not observable: {why}" for kind, why in profile.spec.absent.items()}
    facts = Facts(("functional",), "", ONE, (), seen, (), absent, {})
    decision = decide(facts)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "agent_started is declared absent and not accepted: not observable" in decision.reason
    accepted = decide(Facts(("functional",), "", ONE, (), seen, (), absent, {"agent_started": "that is how it is"}))
    assert accepted.verdict is Verdict.APPROVED
    assert accepted.reason.startswith("Accepted gap: agent_started (that is how it is).")
    assert "all but agent_started of the five events were observed" in accepted.reason
    (completeness,) = [criterion for criterion in accepted.criteria if criterion.id == "COMPLETENESS"]
    assert "not observable here: agent_started" in completeness.measured


def _question(*events: Event) -> UserRequest:
    question = UserRequest("Ada", "?", request="q", expect=Expect(), at=0.0)
    for at, event in enumerate(events):
        question.take(event, float(at))
    return question


def test_what_cannot_be_seen_is_not_exercised_and_never_passed() -> None:
    question = _question(
        Event(EventKind.STARTED, run="r", synthesised=True), Event(EventKind.COMPLETED, run="r", text="x")
    )
    assert [event.kind for event in question.events] == [EventKind.COMPLETED]
    assert question.run == "r"
    question.absent = {EventKind.STARTED: "it is not shown"}
    with pytest.raises(NotExercised, match="agent_started is not observable here: it is not shown"):
        observable.claim(question, started())
    observable.claim(question, completed())
    assert observable.claimable(question, [started(), completed()]) == [completed()]
    with pytest.raises(NotExercised):
        observable.claimable(question, [started()])
    with pytest.raises(NotExercised, match="does not promise agent_thinking"):
        observable.claim(question, thinking())
    question.expect = Expect(thinking=True)
    assert observable.claimable(question, [thinking()]) == [thinking()]


def test_pieces_and_foreign_frames_are_no_events() -> None:
    profile = shipped("jupyter")
    records, epoch_s = read_capture(capture("jupyter"), profile.spec)
    checker = TraceChecker(profile, TimeBudgets(), epoch_s)
    meter = Meter("unknown")
    checker.observe(meter)
    kinds = []
    for record in records:
        reading = checker.feed(record)
        meter.take(record, reading, epoch_s)
        kinds += [part.kind for part in each(reading) if isinstance(part, Event)]
    assert meter.observed().events == len(kinds) == 5 * 4
    assert meter.observed().unmapped == 0
