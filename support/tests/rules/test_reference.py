"""The streaming checker finds what a slow and obvious judge of whole traces finds, and nothing else."""

import random
from typing import ClassVar
from unittest import mock

import msgspec
import pytest
from greenlight_gate.rules.engine import connection_checker
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.finding_sink import FindingSink
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import Received, Sent
from hypothesis import given, settings

from support.tests.hypothesis_profiles import examples
from support.tests.rules.model import CANARIES, legal, seeds
from support.tests.rules.mutations import MUTATIONS, is_event
from support.tests.rules.reference import COVERED, Breach, Reference
from support.tests.rules.talk import EPOCH_S, PROFILE, Talk

# Some rules are broken in one trace of a hundred.
MOST_EXAMPLES = max(examples(600), settings().max_examples)


class EveryBreach(FindingSink):
    """A ledger that keeps all breaches, and not only the first of each rule and run."""

    kept: ClassVar[list[tuple[str, RunState | None, int]]] = []

    def report(
        self, rule: str, expected: str, actual: str, *evidence: int, run: RunState | None = None, about: str = "",
        late: bool = False,
    ) -> None:  # fmt: skip
        self.kept.append((rule, run, evidence[0]))
        super().report(rule, expected, actual, *evidence, run=run, about=about, late=late)


def both(talk: Talk) -> tuple[set[Breach], set[Breach]]:
    """What the streaming checker says of a trace, and what the reference says."""
    reference = Reference(talk.records, talk.budgets, EPOCH_S, CANARIES)
    with mock.patch.object(connection_checker, "FindingSink", EveryBreach), mock.patch.object(EveryBreach, "kept", []):
        streaming = TraceChecker(PROFILE, talk.budgets, EPOCH_S)
        for record in talk.records:
            streaming.feed(record)
        streaming.finish()
        kept = EveryBreach.kept
    expected = reference.judge()
    found = set()
    for rule, run, n in kept:
        concerns = run.id if run is not None and run.parent else reference.concerned(n if run is None else run.first_n)
        cut_off = rule == "ISOLATION-1" and concerns in reference.users
        if rule in COVERED and concerns not in reference.uncovered and not cut_off:
            found.add((rule, concerns))
    return found, expected


def lose_after_a_restore(talk: Talk, chance: random.Random) -> str | None:
    """What should come first where a conversation is restored never comes."""
    restores = [i for i, r in enumerate(talk.records) if isinstance(r, Sent) and r.what == "restore" and not r.foreign]
    following = [i for i in restores if i + 2 < len(talk.records) and is_event(received(talk, i + 1))]
    if not following:
        return None
    del talk.records[chance.choice(following) + 1]
    return "CONTINUITY-1"


def received(talk: Talk, index: int) -> str:
    record = talk.records[index]
    return (record.text or "") if isinstance(record, Received) else ""


def changed(chance: random.Random) -> tuple[Talk, list[str]]:
    """A trace of several users, broken in up to four ways and judged by budgets that may be tight."""
    talk = legal(chance, 30)
    changes = {**MUTATIONS, "lose_after_a_restore": lose_after_a_restore}
    names = chance.choices(sorted(changes), k=chance.randint(0, 4))
    done = [name for name in names if changes[name](talk, chance) is not None]
    talk.records = [msgspec.structs.replace(record, n=n) for n, record in enumerate(talk.records, 1)]
    talk.budgets = TimeBudgets(
        start_s=chance.choice((0.4123, 5.0)), silence_s=chance.choice((0.7123, 5.0)),
        tool_s=chance.choice((1.123, 60.0)), run_s=chance.choice((2.123, 300.0)),
        clock_skew_s=chance.choice((4.9871, 300.0)), stop_s=chance.choice((0.3123, 2.0)),
    )  # fmt: skip
    return talk, done


@settings(max_examples=MOST_EXAMPLES)
@given(seeds)
def test_both_find_the_same(chance: random.Random) -> None:
    talk, changes = changed(chance)
    streaming, reference = both(talk)
    assert streaming == reference, changes


def test_a_number_that_comes_under_the_run_id_of_another_user_is_no_gap() -> None:
    talk = Talk().open().open("Bashir", "c2").ask("q2", connection="c2")
    talk.started("r2", request="q2", thread="t2", user="user-bashir", connection="c2")
    talk.ask().started().thinking("r2").executing().tool_done().completed()

    streaming, reference = both(talk)
    assert streaming == reference
    assert {rule for rule, concerns in streaming if concerns == "q1"} == {"ISOLATION-2"}


def test_a_frame_that_is_cut_off_behind_the_user_id_of_another_user_belongs_to_them() -> None:
    talk = Talk().open().open("Bashir", "c2").frame('{"type": "tool_completed", "user_id": "user-ada", "seq":', "c2")

    streaming, reference = both(talk)
    assert streaming == reference == {("CONTENT-2", "c2"), ("ISOLATION-2", "c2")}


def test_each_rule_that_is_covered_is_broken_in_some_of_the_traces() -> None:
    broken: set[str] = set()
    for seed in range(2_000):
        talk, _ = changed(random.Random(seed))
        broken |= {rule for rule, _ in both(talk)[1]}
        if broken == COVERED:
            return
    pytest.fail(f"nothing breaks {COVERED - broken}")
