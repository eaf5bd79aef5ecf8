"""The rules against a model of the contract: legal traces are never accused, single changes by the responsible rule."""

import itertools
import random
from collections.abc import Callable
from typing import TypeVar

import msgspec
import pytest
from greenlight_gate.trace import Received, Sent
from hypothesis import given

from support.tests.rules.model import legal, scenes, seeds
from support.tests.rules.mutations import MUTATIONS, Event, Mutation, events, put, renumber
from support.tests.rules.talk import Talk

# Seeds: what hypothesis draws for a whole scene would begin with scenes in which nothing happens.
chances = seeds
_MOST_TRIES = 60
Found = TypeVar("Found")


def first(chance: random.Random, look: Callable[[Talk], Found | None], most: int = 25) -> tuple[Talk, Found]:
    """A legal trace in which there is what is looked for, and that."""
    for _ in range(_MOST_TRIES):
        talk = legal(chance, most)
        found = look(talk)
        if found:
            return talk, found
    raise AssertionError("the model does not make traces with this any more")


def judged(talk: Talk) -> set[str]:
    talk.records = [msgspec.structs.replace(record, n=n) for n, record in enumerate(talk.records, 1)]
    return talk.rules()


@given(scenes())
def test_what_the_contract_allows_is_never_accused(talk: Talk) -> None:
    assert talk.whole() == []


@pytest.mark.parametrize("change", MUTATIONS.values(), ids=MUTATIONS)
@given(chance=chances)
def test_a_single_change_is_objected_to_by_the_responsible_rule(change: Mutation, chance: random.Random) -> None:
    talk, rule = first(chance, lambda talk: change(talk, chance), 20)
    assert rule in judged(talk)


# After a line was lost -----------------------------------------------------------------------------------------------


def after_the_cut(chance: random.Random, least: int = 0) -> tuple[Talk, list[int]]:
    """Ada's answer is cut, and goes on in another tab; the places of what comes after the restore.

    `least`: so many events were missed meanwhile, or more.
    """
    steps = ["started", "thinking", "executing", "tool_done", "thinking", "completed"]
    seen, missed = chance.randint(1, 4), chance.randint(least, 2)
    talk = Talk().open().ask()
    for step in steps[:seen]:
        getattr(talk, step)()
    talk.cut("FIN", "in mid-answer").close()
    talk.open("Ada", "c2").restore("c2", seen, answered=False)
    for step in steps[seen : seen + missed]:
        getattr(talk, step)(connection="c2")
    talk.restored("c2")
    for step in steps[seen + missed :]:
        getattr(talk, step)(connection="c2")
    places = [i for i, r in enumerate(talk.records) if isinstance(r, Received) and r.connection == "c2"]
    return talk, [place for place in places if '"run_id"' in (received(talk, place).text or "")]


def received(talk: Talk, place: int) -> Received:
    record = talk.records[place]
    assert isinstance(record, Received)
    return record


@given(chances)
def test_an_answer_that_goes_on_after_a_cut_is_not_accused(chance: random.Random) -> None:
    assert after_the_cut(chance)[0].whole() == []


@given(chances)
def test_what_is_lost_over_a_cut_is_missed(chance: random.Random) -> None:
    talk, places = after_the_cut(chance)
    del talk.records[places[0]]
    assert "CONTINUITY-1" in judged(talk)


@given(chances)
def test_what_comes_again_after_a_cut_is_seen(chance: random.Random) -> None:
    talk, places = after_the_cut(chance)
    talk.records.insert(places[0] + 1, talk.records[places[0]])
    assert "CONTINUITY-2" in judged(talk)


@given(chances)
def test_what_comes_in_another_order_after_a_cut_is_seen(chance: random.Random) -> None:
    talk, places = after_the_cut(chance, least=1)
    one, other = received(talk, places[0]), received(talk, places[1])
    talk.records[places[0]] = msgspec.structs.replace(one, text=other.text)
    talk.records[places[1]] = msgspec.structs.replace(other, text=one.text)
    assert "CONTINUITY-2" in judged(talk)


# What may come in another order --------------------------------------------------------------------------------------


def unpaced(talk: Talk) -> Talk:
    """The same without questions whose events are judged for their times."""
    for index, record in enumerate(talk.records):
        if isinstance(record, Sent) and record.expect is not None:
            expect = msgspec.structs.replace(record.expect, paced=False)
            talk.records[index] = msgspec.structs.replace(record, expect=expect)
    return talk


def exchanged(talk: Talk, first: int, second: int) -> Talk:
    """Two records change places, and each gets the other's time."""
    one, other = talk.records[first], talk.records[second]
    talk.records[first] = msgspec.structs.replace(other, at=one.at)
    talk.records[second] = msgspec.structs.replace(one, at=other.at)
    return talk


@given(chances)
def test_neighbours_of_two_conversations_may_change_places(chance: random.Random) -> None:
    def neighbours(talk: Talk) -> list[tuple[int, int]]:
        found = events(talk)
        pairs = itertools.pairwise(found)
        return [(a.index, b.index) for a, b in pairs if a.thread != b.thread and b.index == a.index + 1]

    talk, pairs = first(chance, neighbours)
    assert judged(exchanged(unpaced(talk), *chance.choice(pairs))) == set()


@given(chances)
def test_what_a_user_sends_may_cross_what_comes(chance: random.Random) -> None:
    def crossings(talk: Talk) -> list[tuple[int, int]]:
        return [
            (index, index + 1)
            for index, (a, b) in enumerate(itertools.pairwise(talk.records))
            if isinstance(b, Sent) and b.what in ("ping", "invalid")
            if isinstance(a, Received) and '"run_id"' in (a.text or "")
        ]

    talk, pairs = first(chance, crossings)
    assert judged(exchanged(unpaced(talk), *chance.choice(pairs))) == set()


@given(chances)
def test_tools_that_work_side_by_side_may_finish_in_any_order(chance: random.Random) -> None:
    def side_by_side(talk: Talk) -> list[tuple[Event, Event]]:
        tools = [event for event in events(talk) if event.kind.startswith("tool_")]
        pairs = [(a, b) for a in tools for b in tools if a.index < b.index and a.run == b.run]
        return [
            (a, b)
            for a, b in pairs
            if all(e.kind == "tool_completed" for e in tools if e.run == a.run and a.index <= e.index <= b.index)
        ]

    talk, pairs = first(chance, side_by_side)
    one, other = chance.choice(pairs)
    put(talk, one, payload=other.body["payload"])
    put(talk, other, payload=one.body["payload"])
    renumber(talk)
    assert judged(unpaced(talk)) == set()
