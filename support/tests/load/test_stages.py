"""Stages of a load: how many ask, and when requests are due."""

import argparse
from itertools import pairwise

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.cli.options import stages
from greenlight_gate.load.arrivals import staged_arrivals
from greenlight_gate.load.stages import Stages
from greenlight_gate.session.load_users import mix

from support.tests.backend.users import ENVIRONMENT
from support.tests.load.users import plan, run

RISE_HOLD_FALL = ((10.0, 50.0), (60.0, 50.0), (10.0, 0.0))


@pytest.mark.parametrize(
    ("at", "level"), [(0, 0), (5, 25), (10, 50), (69, 50), (75, 25), (79.9, 0.5), (80, 0), (1e6, 0)]
)
def test_the_level_is_a_straight_line_in_each_stage(at: float, level: float) -> None:
    assert Stages(RISE_HOLD_FALL).level(at) == pytest.approx(level)


@pytest.mark.parametrize(
    ("count", "at"), [(0, 0), (62.5, 5), (250, 10), (300, 11), (3250, 70), (3437.5, 75), (3500, None)]
)
def test_so_many_requests_are_due_as_the_level_says(count: float, at: float | None) -> None:
    """The area below the level: 250 in the rise, 3000 in the middle, 250 in the fall."""
    assert Stages(RISE_HOLD_FALL).moment(count) == (None if at is None else pytest.approx(at))


def test_a_stage_without_length_is_a_step() -> None:
    made = Stages(((0.0, 20.0), (5.0, 20.0)))

    assert (made.seconds, made.level(0), made.moment(0), made.moment(50)) == (5.0, 20.0, 0.0, 2.5)


def test_shards_share_the_requests_of_a_staged_rate() -> None:
    made = Stages(((2.0, 10.0), (2.0, 10.0)))
    shards = [list(staged_arrivals(made, 2, poisson=False, seed=1, first=first)) for first in (0, 1)]
    together = sorted(each for shard in shards for each in shard)
    at_random = list(staged_arrivals(made, 1, poisson=True, seed=3, first=0))

    assert len(together) == 30
    assert [len(shard) for shard in shards] == [15, 15]
    assert together[10:] == pytest.approx([2 + each / 10 for each in range(20)])
    assert all(before < after for before, after in pairwise(at_random))
    assert 10 < len(at_random) < 60


def test_only_so_many_users_ask_as_the_stages_say() -> None:
    """Two of six: in a load of one second each of them asks often, and the others never."""
    with BackendProcess.start(env=ENVIRONMENT) as backend:
        result = run(plan(backend.url, 6, runs_each=None, duration_s=1.0, stages=((0.0, 2.0), (1.0, 2.0))), shards=2)

    assert (result.connections_made, result.findings) == (6, 0)
    # Who has never asked has no canary to expect, and no answer: two users were ever waiting at once.
    assert 0 < max(counts.busy for counts in result.timeline) <= 2
    assert result.asked > 6


@pytest.mark.parametrize("text", ["", "10", "10:x", "x:10", "-1:5", "10:0", "0:5", "10:5,,"])
def test_what_are_no_stages_is_said(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected SECONDS:LEVEL for each stage"):
        stages(text)


def test_a_mix_has_each_prompt_as_often_as_its_weight_says_and_spread() -> None:
    assert mix(("a", "b"), (3, 1)) == ("a", "a", "b", "a")
    assert mix(("a", "b"), (30, 10)) == ("a", "a", "b", "a")
    assert mix(("a", "b", "c"), (1, 1, 1)) == ("a", "b", "c")
    assert sorted(mix(("a", "b", "c"), (7, 2, 1))) == ["a"] * 7 + ["b"] * 2 + ["c"]
