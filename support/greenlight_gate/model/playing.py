"""What the model sends for a conversation, piece by piece, whatever the wire format."""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from greenlight_gate.model.conversation import Conversation
from greenlight_gate.model.script import Script, ScriptedAnswer, ScriptStep, filled, repeated

_WORDS = re.compile(r"\S+\s*|\s+")
_MOST_PIECES = 200
_SAME_ID = "call_1"


class Think(NamedTuple):
    """A part of the model's reasoning."""

    text: str


class Say(NamedTuple):
    """A part of its answer."""

    text: str


class CallTool(NamedTuple):
    """It calls a tool; its arguments follow. `id`: "" for a new one."""

    name: str
    id: str


class Arguments(NamedTuple):
    """A part of the arguments of the latest call, which are JSON."""

    text: str


class Wait(NamedTuple):
    """It sends nothing for so many seconds; None: nothing more."""

    for_s: float | None


class Endless(NamedTuple):
    """It says the same again and again, until the client leaves."""

    text: str


class Broken(NamedTuple):
    """A chunk that is no JSON, after which the stream ends."""


class BreakOff(NamedTuple):
    """The connection breaks off."""


class RefuseWith(NamedTuple):
    """An HTTP status in place of an answer."""

    status: int


class Finish(NamedTuple):
    """The answer ends: stop, tool_calls, length or content_filter."""

    reason: str


Piece = Think | Say | CallTool | Arguments | Wait | Endless | Broken | BreakOff | RefuseWith | Finish


class Play(NamedTuple):
    """The pieces of one call; `answer`: of the script, None if it has none; `fault`: the one that is in it."""

    pieces: tuple[Piece, ...]
    answer: ScriptedAnswer | None
    fault: str


def play(script: Script, conversation: Conversation, before: int = 0) -> Play:
    """What is sent for a conversation. `before`: how many calls for the same message have had their fault."""
    found = ((answer, answer.found_in(conversation.asked)) for answer in script.answers)
    answer, groups = next(((answer, groups) for answer, groups in found if groups is not None), (None, {}))
    if answer is None:
        return Play((*_pieces(script.otherwise, Say), Finish("stop")), None, "")
    turns = answer.turns
    turn = turns[min(conversation.rounds, len(turns) - 1)]
    values = {
        **groups,
        "asked": conversation.asked,
        "previous": conversation.previous,
        "result": conversation.results[-1] if conversation.results else "",
        "results": " ".join(conversation.results),
    }
    pieces = _turn(turn, values)
    fault = answer.fault if not answer.fault_times or before < answer.fault_times else ""
    is_last = conversation.rounds >= len(turns) - 1
    faulty = _with_fault(fault, pieces, script, is_first=not conversation.rounds, is_last=is_last) if fault else None
    return Play(tuple(faulty or pieces), answer, fault if faulty else "")


def _turn(turn: Sequence[ScriptStep], values: dict[str, str]) -> list[Piece]:
    pieces: list[Piece] = []
    finish = "tool_calls" if any(step.call for step in turn) else "stop"
    for step in turn:
        if step.think:
            pieces += _pieces(filled(step.think, values) + "\n", Think)
        elif step.say:
            pieces += _pieces(repeated(step, values), Say)
        elif step.call:
            arguments = json.dumps(_filled_in(step.arguments, values), ensure_ascii=False)
            pieces += [CallTool(step.call, filled(step.id, values)), *_pieces(arguments, Arguments)]
        elif step.wait_s:
            pieces.append(Wait(step.wait_s))
        elif step.finish:
            finish = step.finish
    return [*pieces, Finish(finish)]


def _pieces(text: str, kind: type[Think] | type[Say] | type[Arguments]) -> list[Piece]:
    """A text in pieces of a word or some words, as a model sends it."""
    words = _WORDS.findall(text)
    each = max(1, -(-len(words) // _MOST_PIECES))
    return [kind("".join(words[at : at + each])) for at in range(0, len(words), each)]


def _filled_in(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, str):
        return filled(value, values)
    if isinstance(value, dict):
        return {key: _filled_in(item, values) for key, item in value.items()}
    return [_filled_in(item, values) for item in value] if isinstance(value, list) else value


def _with_fault(
    fault: str, pieces: list[Piece], script: Script, *, is_first: bool, is_last: bool
) -> list[Piece] | None:
    """A turn with a fault in it; None if the fault belongs into another turn."""
    calls = [index for index, piece in enumerate(pieces) if isinstance(piece, CallTool)]
    if fault in ("rate_limit", "server_error", "slow_start"):
        first: dict[str, list[Piece]] = {
            "rate_limit": [RefuseWith(429)],
            "server_error": [RefuseWith(500)],
            "slow_start": [Wait(script.late_s), *pieces],
        }
        return first[fault] if is_first else None
    if fault in ("truncated_arguments", "duplicate_call_ids", "wrong_finish"):
        return _with_wrong_calls(fault, pieces) if calls else None
    if not is_last:
        return None
    said = [index for index, piece in enumerate(pieces) if isinstance(piece, Say)]
    half = pieces[: said[len(said) // 2]] if said else pieces[:-1]
    ends: dict[str, list[Piece]] = {
        "cut": [*half, BreakOff()],
        "stall": [*half, Wait(None)],
        "endless": [*half, Endless("and ")],
        "malformed_chunk": [*half, Broken()],
        "length": [*half, Finish("length")],
        "content_filter": [*half, Finish("content_filter")],
        "empty": [Finish("stop")],
    }
    return ends[fault]


def _with_wrong_calls(fault: str, pieces: list[Piece]) -> list[Piece]:
    if fault == "duplicate_call_ids":
        return [CallTool(piece.name, _SAME_ID) if isinstance(piece, CallTool) else piece for piece in pieces]
    if fault == "wrong_finish":
        return [Finish("stop") if isinstance(piece, Finish) else piece for piece in pieces]
    last = max(index for index, piece in enumerate(pieces) if isinstance(piece, Arguments))
    return [*pieces[:last], Arguments(pieces[last].text[: len(pieces[last].text) // 2]), *pieces[last + 1 :]]  # type: ignore[union-attr]
