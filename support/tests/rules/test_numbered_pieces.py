"""Pieces of an answer have numbers of their own in a gap-free sequence, as events have."""

import json
from collections.abc import Sequence

import pytest
from greenlight_gate.findings import Finding
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.run_state import Request
from greenlight_gate.trace import Expect
from greenlight_gate.wire.profile import Profile

from support.tests.wire.small import SMALL

NUMBERED = (
    SMALL.replace('run = "run_id"', 'run = "run_id"\nthread = "thread"\nseq = "seq"')
    + """
[promises]
gap_free_seq = true
[[event]]
when = { type = "piece" }
is = "agent_completed"
collapse = "always"
text = "text"
"""
)


def findings(*frames: tuple[str, int]) -> list[str]:
    """The rules that an answer of these frames (type, number) breaks, without those of events that are missing."""
    return [finding.rule for finding in judged(frames)[0] if finding.rule.startswith("CONTINUITY")]


def judged(frames: Sequence[tuple[str, int]]) -> tuple[list[Finding], IdRegistry]:
    found: list[Finding] = []
    registry = IdRegistry()
    checker = ConnectionChecker(
        Profile.from_toml(NUMBERED), TimeBudgets(), registry, "Ada", "c1", epoch_s=0.0, found=found.append
    )
    checker.opened(None, 1.0, 1)
    checker.asked(Request(2, 0.0, None, None, Expect()))
    receive(checker, frames)
    return found, registry


def receive(checker: ConnectionChecker, frames: Sequence[tuple[str, int]]) -> None:
    for n, (kind, seq) in enumerate(frames, 3):
        frame = {"type": kind, "run_id": "r", "thread": "t", "seq": seq, "text": "a", "answer": "a"}
        checker.received(json.dumps(frame).encode(), n / 100, n)


@pytest.mark.parametrize(
    ("frames", "rules"),
    [
        ([("started", 1), ("piece", 2), ("piece", 3), ("final", 4)], []),
        ([("started", 1), ("piece", 2), ("piece", 4), ("final", 5)], ["CONTINUITY-3"]),
        ([("started", 1), ("piece", 2), ("final", 4)], ["CONTINUITY-3"]),
        ([("started", 1), ("piece", 2), ("piece", 2), ("final", 3)], ["CONTINUITY-3"]),
    ],
)
def test_each_piece_takes_the_next_number(frames: list[tuple[str, int]], rules: list[str]) -> None:
    assert findings(*frames) == rules


@pytest.mark.parametrize(("frames", "rules"), [([("piece", 3), ("final", 4)], []), ([("final", 4)], ["CONTINUITY-1"])])
def test_pieces_that_come_first_after_a_restore_count_as_well(frames: list[tuple[str, int]], rules: list[str]) -> None:
    found, registry = judged([("started", 1), ("piece", 2)])
    checker = ConnectionChecker(
        Profile.from_toml(NUMBERED), TimeBudgets(), registry, "Ada", "c2", epoch_s=0.0, found=found.append
    )
    checker.opened(None, 1.0, 1)
    checker.restoring("t", 2, 0.5)
    receive(checker, frames)
    assert [finding.rule for finding in found if finding.rule.startswith("CONTINUITY")] == rules
