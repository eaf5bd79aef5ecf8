"""What fits a target: how many cuts at its measured pace, and how many users and answers at once by its limits."""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from greenlight_gate.targets.sections import Limits

_CUTS_AT_ONCE = 24
# The old and the new connection of a user are open together if the old one is dead but not closed.
CONNECTIONS_EACH = 2
# Each cut asks twice: the conversation's id has to be known before an answer is cut at its beginning.
_ANSWERS_EACH = 2
# How long all cuts of one answer may take together.
MOST_S = 600.0
# An answer that began later than this may have waited for another one.
_NOTICEABLE_S = 0.1
Place = TypeVar("Place")
Way = TypeVar("Way")


def users_at_once(limits: Limits, most: int) -> int:
    """How many users may be connected, and ask, at the same time: up to `most`."""
    return min(most, limits.max_connections, limits.max_concurrent_runs or most)


def what_limits(limits: Limits, count: int) -> tuple[str, str] | None:
    """Which limit so many users at once exceed: its key, and in words, as "allows 8 connections at a time"."""
    if count > limits.max_connections:
        return "limits.max_connections", f"allows {limits.max_connections} connections at a time"
    if limits.max_concurrent_runs and count > limits.max_concurrent_runs:
        return "limits.max_concurrent_runs", f"makes {limits.max_concurrent_runs} answers at a time"
    return None


def cuts_at_once(limits: Limits) -> int:
    """How many cuts run at the same time."""
    connected = (limits.max_connections - 1) // CONNECTIONS_EACH
    return max(1, min(_CUTS_AT_ONCE, connected, limits.max_concurrent_runs or _CUTS_AT_ONCE))


def cuts_take_s(cuts: int, at_once: int, answer_s: float) -> float:
    """How long so many cuts take, at the pace of a target whose answer takes `answer_s`."""
    return -(-cuts // at_once) * _ANSWERS_EACH * answer_s


def cuts_that_fit(at_once: int, answer_s: float) -> int:
    """How many cuts fit into `MOST_S`."""
    return int(MOST_S // (_ANSWERS_EACH * answer_s)) * at_once if answer_s > 0 else 1_000_000


def thinned(places: Sequence[Place], ways: Sequence[Way], most: int) -> list[tuple[Place, Way]]:
    """All places in all ways, or as many of them as fit: spread over the answer, each way as often as the others."""
    each = min(most // len(places), len(ways)) if places else 0
    if each == len(ways):
        return [(place, way) for place in places for way in ways]
    if each:
        return [(place, ways[(n + k) % len(ways)]) for n, place in enumerate(places) for k in range(each)]
    return [(places[n * len(places) // most], ways[n % len(ways)]) for n in range(most)]


class MadeAnswer(NamedTuple):
    """One of several answers that were asked for at once: when it was asked, began and ended, in seconds.

    Infinity stands for what never came.
    """

    asked_at: float
    began_at: float
    ended_at: float


def made_at_once(answers: Sequence[MadeAnswer]) -> int | None:
    """How many answers are made at the same time, where exactly the others waited; None where that is not to be seen.

    An answer has waited if another one has both begun and ended since it was asked, before it began itself.
    """
    most = max(
        (sum(other.began_at <= each.began_at < other.ended_at for other in answers) for each in answers), default=0
    )
    waited = sum(any(_waited(each, other) for other in answers if other is not each) for each in answers)
    return most if waited and waited == len(answers) - most else None


def _waited(answer: MadeAnswer, other: MadeAnswer) -> bool:
    late = answer.began_at - answer.asked_at > _NOTICEABLE_S
    return (
        late and answer.asked_at <= other.began_at and other.ended_at <= answer.began_at and other.ended_at < math.inf
    )
