"""In how many ways a healthy backend may say the same: each is still the same event, and the same JSON."""

import json
import random
from typing import Any

import pytest
from greenlight_gate.backend.variation import Variation
from greenlight_gate.backend.wire_variants import escaped, reshaped
from hypothesis import given
from hypothesis import strategies as st

BODY: dict[str, Any] = {
    "type": "tool_completed", "run_id": "r1", "timestamp": "2026-01-01T00:00:01.500000Z",
    "payload": {"tool_name": "notes", "result": "it's \"fine\"\n"},
}  # fmt: skip
PAYLOAD = BODY["payload"]
ROOT = {"type": "tool_completed", "run_id": "r1", "timestamp": "2026-01-01T00:00:01.500000Z"}
INNER = {"event": "tool_completed", "run_id": "r1", "timestamp": "2026-01-01T00:00:01.500000Z"}


@pytest.mark.parametrize(
    ("shape", "whole"),
    [
        ("payload", BODY),
        ("data", {**ROOT, "data": PAYLOAD}),
        ("root", {**ROOT, **PAYLOAD}),
        ("run inside", {"type": ROOT["type"], "timestamp": ROOT["timestamp"], "payload": {"run_id": "r1", **PAYLOAD}}),
        ("wrapped", {"type": "system_message", "data": {**INNER, "payload": PAYLOAD}}),
        ("wrapped flat", {"type": "system_message", "data": {**INNER, **PAYLOAD}}),
    ],
)
def test_an_event_in_another_shape(shape: str, whole: dict[str, Any]) -> None:
    assert reshaped(BODY, shape, renamed=False) == whole


def test_tools_and_results_by_their_other_names() -> None:
    renamed = reshaped(BODY, "payload", renamed=True)
    assert renamed == {**ROOT, "payload": {"tool": "notes", "results": 'it\'s "fine"\n'}}


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_other_letters_say_the_same(value: Any) -> None:
    text = json.dumps(value)
    assert json.loads(escaped(text, random.Random(7))) == value


def test_some_letters_are_escaped_and_none_that_are_already() -> None:
    text = escaped('{"caf\\u00e9": "aaaaaaaaaaaaaaaaaaaaaaaa\\n"}', random.Random(7))
    assert "\\u0061" in text
    assert text.startswith('{"caf\\u00e9": "')
    assert text.endswith('\\n"}')


def test_without_a_seed_nothing_varies() -> None:
    usual = Variation()
    assert (usual.event('{"any": "text"}'), usual.answer("Rain."), usual.pause_s(0.5)) == (
        '{"any": "text"}',
        "Rain.",
        0.5,
    )
    assert (usual.thoughts(["Hm."], needed=False), usual.parts("whole"), usual.tool_delay_s()) == (
        ["Hm."],
        ["whole"],
        0,
    )
    assert usual.encoded({"a": "é"}) == '{"a":"é"}'


def test_the_same_seed_gives_the_same_ways() -> None:
    text = json.dumps(BODY)
    one, other = Variation.drawn(3), Variation.drawn(3)
    assert [one.event(text) for _ in range(20)] == [other.event(text) for _ in range(20)]
    assert (one.shapes, one.stamps, one.names) == (other.shapes, other.stamps, other.names)
    assert Variation.drawn(4).shapes != one.shapes


def test_the_time_of_an_event_in_each_of_its_forms() -> None:
    chance = random.Random(0)
    kinds = {"tool_completed": "payload"}

    def stamp(way: str) -> Any:
        varied = Variation(chance, kinds, {"tool_completed": way}, {"tool_completed": False})
        return json.loads(varied.event(json.dumps(BODY)))["timestamp"]

    assert [stamp(way) for way in ("iso", "seconds", "milliseconds")] == [
        "2026-01-01T00:00:01.500000Z", 1767225601.5, 1767225601500,
    ]  # fmt: skip


def test_the_time_of_a_wrapped_event() -> None:
    ways = {"tool_completed": "wrapped"}, {"tool_completed": "seconds"}, {"tool_completed": False}
    event = json.loads(Variation(random.Random(0), *ways).event(json.dumps(BODY)))
    assert event == {"type": "system_message", "data": {**INNER, "timestamp": 1767225601.5, "payload": PAYLOAD}}


@given(st.integers(0, 2**32))
def test_a_drawn_backend_says_what_it_has_to_say(seed: int) -> None:
    varied = Variation.drawn(seed)
    event = json.loads(varied.event(json.dumps(BODY)))
    assert "notes" in json.dumps(event)
    assert "Rain." in varied.answer("Rain.")
    assert set(varied.thoughts(["Hm."], needed=True)) >= {"Hm."}
    assert varied.thoughts(["Hm."], needed=False) == () or not varied.quiet
    assert "".join(varied.parts("a long text")) == "a long text"
    assert len(varied.parts("a long text")) <= varied.most_parts
    assert 0.001 <= varied.pause_s(9.0) <= 3.0
    assert 0.0 <= varied.tool_delay_s() <= varied.tool_s
    assert json.loads(varied.encoded({"a": "é & <b>"}))["a"] == "é & <b>"
