"""What [[event]], [[ignore]] and the values of a profile do, frame by frame."""

import json
from typing import Any

import pytest
from greenlight_gate.events import Control, Event, Foreign, Ignored, Mistake, More, Unmapped, each
from greenlight_gate.rules.engine.expected import observable
from greenlight_gate.trace import Expect
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.reader import Reader

HEAD = """
name = "small"
[every]
run = "id"
[send.start]
type = "ask"
text = "{prompt}"
[[event]]
when = { type = "go" }
is = "agent_started"
"""
END = """
[[event]]
when = { type = "end" }
is = "agent_completed"
text = "text"
"""


def reader(rules: str) -> Reader:
    end = END.replace('"text"', '["$answer", "text"]') if "answer =" in rules else END
    found = Profile.from_toml(HEAD + rules + end).reader()
    assert isinstance(found, Reader)
    return found


def read(found: Reader, **frame: Any) -> list[Any]:
    """The readings of one frame, in short."""
    return [short(part) for part in each(found.read(json.dumps(frame).encode()))]


def short(part: Any) -> Any:
    if isinstance(part, Event):
        return (str(part.kind), part.text) if part.tool is None else (str(part.kind), part.tool, part.call)
    if isinstance(part, More):
        return "more", part.event.text
    if isinstance(part, Ignored):
        return part.because
    return part


CONDITIONS: list[tuple[str, list[Any], list[Any]]] = [
    ('"x"', ["x"], ["y", None, 5, ["x"], {"x": 1}]),
    ("5", [5, 5.0], ["5", None, 6]),
    ("true", [True], [1, "true", False, None]),
    ('{ not_equal = "x" }', ["y", None, 5], ["x"]),
    ('{ in = ["x", 5] }', ["x", 5], ["y", None, [], {}]),
    ('{ not_in = ["x", 5] }', ["y", None], ["x", 5]),
    ('{ regex = "^x" }', ["xy"], ["yx", 5, None, ["x"]]),
    ("{ exists = true }", ["", None, 0], []),
    ("{ null = true }", [None], ["", 0]),
    ("{ null = false }", ["", 0], [None]),
    ("{ not_empty = true }", ["x", 0, False, [1], {"a": 1}], ["", None, [], {}]),
    ("{ not_empty = false }", ["", None, [], {}], ["x", 0]),
    ('{ same_as = "mark" }', ["m", 7], ["n", None]),
    ('{ other_than = "mark" }', ["n", None], ["m"]),
    ('{ regex = "x", not_equal = "x" }', ["xx"], ["x", "y"]),
]


@pytest.mark.parametrize(("condition", "holds", "fails"), CONDITIONS, ids=[case[0] for case in CONDITIONS])
def test_conditions(condition: str, holds: list[Any], fails: list[Any]) -> None:
    """Over the typed frame, and over the value where a wrong type makes the typed decoder give up."""
    rules = f'[[ignore]]\nwhen = {{ "a.b" = {condition} }}\nbecause = "it holds"\n[needs]\nmark = "a mark"'
    for odd in ({}, {"id": 5, "extra": {"a": 1}}):
        for value, expected in [*((value, True) for value in holds), *((value, False) for value in fails)]:
            found = reader(rules)
            found.opened(None, {"mark": value if value == 7 else "m"})
            assert (read(found, a={"b": value}, **odd) == ["it holds"]) is expected, value


@pytest.mark.parametrize("condition", ["{ exists = false }", '{ not_equal = "x" }', "{ not_empty = false }"])
def test_a_member_that_is_missing(condition: str) -> None:
    found = reader(f'[[ignore]]\nwhen = {{ "a.b" = {condition} }}\nbecause = "it holds"')
    frames: list[dict[str, Any]] = [{"other": 1}, {"a": None}, {"a": {}}, {"a": 5}, {"a": [1]}]
    for frame in frames:
        assert read(found, **frame) == ["it holds"]


def test_places_in_lists() -> None:
    found = reader('[[ignore]]\nwhen = { "a.0.b" = "x", "a.-1.b" = "z" }\nbecause = "it holds"')
    assert read(found, a=[{"b": "x"}, {"b": "y"}, {"b": "z"}]) == ["it holds"]
    assert read(found, a=[]) == [Unmapped("no rule for a frame with a")]
    assert read(found, a={"0": {"b": "x"}, "-1": {"b": "z"}}) == ["it holds"]


def test_a_frame_that_is_a_list() -> None:
    found = reader('[[ignore]]\nwhen = { 0 = "x", "1.b" = 5 }\nbecause = "it holds"')
    assert [short(part) for part in each(found.read(b'["x",{"b":5}]'))] == ["it holds"]
    assert [short(part) for part in each(found.read(b'["y"]'))] == [Unmapped("no rule for a list")]


TOOLS = """
[[event]]
when = { type = "tools" }
is = "tool_executing"
each = "items"
tool = "$item.name"
call = "$item.id"
[[event]]
when = { type = "results", "$item.ok" = { exists = true } }
is = "tool_completed"
each = "items"
tool = "$item.name"
call = "$item.id"
text = "$item.out"
status = { at = ["$item.ok"], is = "any", failed = [false] }
[[event]]
when = { type = "end", "$open_tools" = { not_equal = 0 } }
is = "agent_failed"
text = { value = "a tool is still open" }
"""


def test_one_frame_many_events_and_a_guard() -> None:
    found = reader(TOOLS)
    assert read(found, type="go", id=1) == [("agent_started", None)]
    items = [{"name": "a", "id": 1, "ok": True, "out": "x"}, {"name": "b", "id": 2, "ok": False, "out": "y"}, {"id": 3}]
    assert read(found, type="tools", id=1, items=items[:2]) == [
        ("tool_executing", "a", "1"),
        ("tool_executing", "b", "2"),
    ]
    parts = list(each(found.read(json.dumps({"type": "results", "id": 1, "items": items[1:]}).encode())))
    assert [(short(part), part.tool_failed) for part in parts if isinstance(part, Event)] == [
        (("tool_completed", "b", "2"), True)
    ]
    assert read(found, type="end", id=1, text="t") == [("agent_failed", "a tool is still open")]
    assert read(found, type="tools", id=2, items=[]) == [Unmapped("no rule for type tools")]
    # The other run has no open tool.
    assert read(found, type="end", id=2, text="t") == [("agent_completed", "t")]


def test_events_of_one_frame_are_told_apart() -> None:
    found = reader(TOOLS.replace('call = "$item.id"\n[[event]]', 'call = "$item.id"\nevent_id = "eid"\n[[event]]', 1))
    frame = {"type": "tools", "id": 1, "eid": "e", "items": [{"name": "a", "id": 1}, {"name": "b", "id": 2}]}
    parts = [part for part in each(found.read(json.dumps(frame).encode())) if isinstance(part, Event)]
    assert [part.event_id for part in parts] == ["e", "e#1"]


TOKENS = """
[[event]]
when = { type = "token" }
is = "agent_thinking"
collapse = "until_other_kind"
text = "text"
gather = { answer = "text" }
[[event]]
when = { type = "note" }
is = "agent_thinking"
text = "text"
"""


def test_tokens_are_one_phase_until_another_kind_comes() -> None:
    found = reader(TOKENS)
    told = [read(found, type=kind, id=1, text=text)[0] for kind, text in (
        ("go", ""), ("token", "a"), ("token", "b"), ("note", "n"), ("token", "c"), ("end", ""),
    )]  # fmt: skip
    assert told == [
        ("agent_started", None), ("agent_thinking", "a"), ("more", "b"), ("agent_thinking", "n"), ("more", "c"),
        ("agent_completed", "abc"),
    ]  # fmt: skip
    found.asked("q2", None)
    assert read(found, type="end", id=2, text="own") == [("agent_completed", "own")]


PARTS = """
[absent]
tool_executing = "it has no tools"
[[event]]
when = { type = "token" }
is = "agent_thinking"
collapse = "until_other_kind"
text = "text"
[[event]]
when = { type = "part" }
is = "answer_part"
text = "text"
"""


def test_parts_of_the_answer_are_no_events_and_are_the_answer_where_its_end_has_no_text() -> None:
    found = Profile.from_toml(HEAD + PARTS + END.replace('"text"', '"text?"')).reader()
    assert isinstance(found, Reader)
    frames = (("go", None), ("token", "a"), ("part", "It is "), ("token", "b"), ("part", "391."), ("end", None))
    told = [read(found, type=kind, id=1, text=text)[0] for kind, text in frames]
    assert told == [
        ("agent_started", None), ("agent_thinking", "a"), ("more", "It is "), ("agent_thinking", "b"),
        ("more", "391."), ("agent_completed", "It is 391."),
    ]  # fmt: skip
    read(found, type="part", id=2, text="Lost")
    assert read(found, type="end", id=2, text="Whole.") == [("agent_completed", "Whole.")]


def test_a_part_of_the_answer_shows_that_a_run_has_begun_where_nothing_else_does() -> None:
    rules = PARTS.replace("tool_executing", "agent_started")
    found = Profile.from_toml(HEAD.partition("[[event]]")[0] + rules + END).reader()
    assert read(found, type="part", id=1, text="It") == [("agent_started", None), ("more", "It")]  # type: ignore[arg-type]
    assert read(found, type="part", id=1, text=" is") == [("more", " is")]  # type: ignore[arg-type]


def test_the_former_name_of_parts_of_the_answer_still_works_and_is_warned() -> None:
    former = PARTS.replace('is = "answer_part"', 'is = "agent_completed"\ncollapse = "always"')
    spec = Profile.from_toml(HEAD + former + END).spec
    assert [str(rule.kind) for rule in spec.rules[1:3]] == ["agent_thinking", "answer_part"]
    assert spec.deprecated == (
        'event: is = "agent_completed" with collapse = "always" is now called is = "answer_part"',
    )


def test_the_same_fact_on_two_streams_is_told_once() -> None:
    found = reader(TOOLS.replace('each = "items"', 'each = "items"\nonce = "call"', 1))
    items = [{"name": "a", "id": 1}]
    assert read(found, type="tools", id=1, items=items) == [("tool_executing", "a", "1")]
    assert read(found, type="tools", id=1, items=items) == [("more", None)]
    assert read(found, type="tools", id=2, items=items) == [("tool_executing", "a", "1")]


def test_a_rule_that_goes_on_and_a_value_that_is_remembered() -> None:
    found = reader("""
[[event]]
when = { type = "last" }
is = "agent_thinking"
text = "text"
go_on = true
remember = { answer = "text" }
[[event]]
when = { type = "last", final = true }
is = "agent_completed"
text = "$answer"
""")
    assert read(found, type="last", id=1, text="x") == [("agent_thinking", "x")]
    assert read(found, type="last", id=1, text="y", final=True) == [("agent_thinking", "y"), ("agent_completed", "y")]


def test_a_name_out_of_a_display_string() -> None:
    found = reader("""
[[event]]
when = { type = "tool" }
is = "tool_executing"
tool = { at = ["title"], is = "text", regex = "^Calling (\\\\w+)" }
call = { at = ["title"], is = "id", regex = "#\\\\d+", optional = true }
""")
    assert read(found, type="tool", id=1, title="Calling lookup #7") == [("tool_executing", "lookup", "#7")]
    (event,) = each(found.read(b'{"type":"tool","id":1,"title":"Done"}'))
    assert isinstance(event, Event)
    assert (event.tool, event.call) == (None, None)


def test_a_constant_that_means_failure() -> None:
    found = reader("""
[[event]]
when = { type = "broke" }
is = "tool_completed"
tool = { value = "kernel" }
status = { value = "error", failed = ["error"] }
text = "why"
""")
    (event,) = each(found.read(b'{"type":"broke","id":1,"why":"x"}'))
    assert isinstance(event, Event)
    assert (event.tool, event.tool_failed, event.text) == ("kernel", True, "x")


def test_what_is_wrong_with_a_field() -> None:
    found = reader(TOKENS)
    (event,) = each(found.read(b'{"type":"note","id":{"a":1},"text":" "}'))
    assert isinstance(event, Event)
    assert [(problem.mistake, problem.actual) for problem in event.problems] == [
        (Mistake.FIELD, "{'a': 1}"), (Mistake.FIELD, "' '"),
    ]  # fmt: skip
    (event,) = each(found.read(b'\xef\xbb\xbf{"type":"note","id":1,"text":"x"} '))
    assert isinstance(event, Event)
    assert [problem.actual for problem in event.problems] == ["a byte order mark"]
    (event,) = each(found.read(b'{"type":"note","id":1,"text":"x"}', binary=True))
    assert isinstance(event, Event)
    assert [problem.actual for problem in event.problems] == ["a binary frame"]


ABSENT = """
[absent]
agent_started = "nothing says so"
tool_executing = "only results are shown"
tool_completed = "results are not shown"
agent_thinking = "it does not think"
"""


def test_what_the_wire_does_not_show_is_inferred_and_marked() -> None:
    text = (HEAD + END).replace('[[event]]\nwhen = { type = "go" }\nis = "agent_started"\n', "")
    rule = '[[event]]\nwhen = { type = "tool" }\nis = "tool_executing"\ntool = "name"\n'
    absent = ABSENT.replace('tool_executing = "only results are shown"\n', "")
    profile = Profile.from_toml(text.replace("[send.start]", f"{absent}[send.start]") + rule)
    found = profile.reader()
    frames = ({"type": "tool", "id": 1, "name": "a"}, {"type": "end", "id": 1, "text": "x"})
    parts = [part for frame in frames for part in each(found.read(json.dumps(frame).encode()))]
    assert [(str(part.kind), part.tool, part.synthesised) for part in parts if isinstance(part, Event)] == [
        ("agent_started", None, True), ("tool_executing", "a", False), ("tool_completed", "a", True),
        ("agent_completed", None, False),
    ]  # fmt: skip
    # A late frame of the run does not make it begin once more.
    assert read_all(found, {"type": "tool", "id": 1, "name": "b"}) == [("tool_executing", "b", None)]
    wanted = Expect(thinking=True, tools=2, parallel=True, failing_tool=True)
    assert observable(wanted, profile.spec.absent) == Expect(
        hidden=("agent_started", "tool_completed", "agent_thinking")
    )


def read_all(found: Any, frame: Any) -> list[Any]:
    return [short(part) for part in each(found.read(json.dumps(frame).encode()))]


def test_scope() -> None:
    found = reader('[scope]\nmine = { room = { same_as = "room" } }\n[needs]\nroom = "the room"')
    go = {"type": "go", "id": 1}
    assert read(found, **go, room="a") == [("agent_started", None)]  # what is ours is not known yet
    found.opened(None, {"room": "a"})
    assert read(found, **go) == [("agent_started", None)]
    assert read(found, **go, room="a") == [("agent_started", None)]
    (foreign,) = each(found.read(b'{"type":"go","id":1,"room":"b"}'))
    assert isinstance(foreign, Foreign)
    assert (foreign.what, foreign.owner, short(foreign.reading)) == ("room", "b", ("agent_started", None))
    (foreign,) = each(found.read(b'{"type":"?","room":"b"}'))
    assert isinstance(foreign, Foreign)
    assert isinstance(foreign.reading, Unmapped)


def test_handshake_controls_and_answers() -> None:
    found = reader("""
[[handshake]]
expect = { type = "hello" }
capture = { seat = "seat" }
[[answer]]
when = { type = "ping" }
send = { type = "pong", seat = "{seat}" }
[controls.error]
when = { type = { in = ["error", "no"] } }
capture = { code = "code" }
""")
    assert read(found, type="hello", seat=7) == [Control("handshake", {"step": 0, "seat": 7})]
    assert found.values["seat"] == 7
    assert read(found, type="ping") == [Control("keepalive", {"answer": 0})]
    assert read(found, type="no", code=3) == [Control("error", {"code": 3})]
    assert read(found, type="no") == [Control("error", {})]


def test_a_step_of_the_handshake_shadows_no_rule_once_it_is_done() -> None:
    found = reader("""
[[handshake]]
expect = { type = "note" }
nth = 2
[[handshake]]
expect = { type = "hello" }
[[event]]
when = { type = "note" }
is = "agent_thinking"
text = "text"
""")
    note = {"type": "note", "id": 1, "text": "x"}
    assert [read(found, **note) for _ in range(3)] == [
        [Control("handshake", {"step": 0})], [Control("handshake", {"step": 0})], [("agent_thinking", "x")],
    ]  # fmt: skip
    # What no rule is for is still the step that the server repeats.
    assert [read(found, type="hello") for _ in range(2)] == [[Control("handshake", {"step": 1})]] * 2


def test_frames_that_are_ignored_before_an_event_rule() -> None:
    rules = TOKENS + '[[ignore]]\nfirst = true\nwhen = { type = "token", text = "." }\nbecause = "filler"\n'
    found = reader(rules)
    assert read(found, type="token", id=1, text=".") == ["filler"]
    assert read(found, type="token", id=1, text="a") == [("agent_thinking", "a")]
    assert read(reader(rules.replace("first = true\n", "")), type="token", id=1, text=".") == [("agent_thinking", ".")]


def test_several_kinds_of_error_frame() -> None:
    found = reader("""
[[controls.error]]
when = { type = "error" }
capture = { code = "code" }
[[controls.error]]
when = { type = "fault" }
capture = { code = "fault.number", text = "fault.says" }
""")
    assert read(found, type="error", code=3) == [Control("error", {"code": 3})]
    assert read(found, type="fault", fault={"number": 4, "says": "no"}) == [Control("error", {"code": 4, "text": "no"})]
    plain = Profile.from_toml("""
name = "plain"
[frame]
kind = ["type"]
[events.agent_started]
kinds = ["go"]
[events.agent_completed]
kinds = ["end"]
[[controls.error]]
when = { type = "error" }
[[controls.error]]
when = { type = "fault" }
capture = { code = "number" }
[send.start]
text = "{prompt}"
""")
    assert plain.plain
    for profile in (plain.read, plain.explain):
        assert profile(b'{"type":"error"}') == Control("error", {})
        assert profile(b'{"type":"fault","number":4}') == Control("error", {"code": 4})


def test_a_message_that_no_codec_can_read_may_be_ignored_by_its_text() -> None:
    found = reader('[[ignore]]\nwhen = { "$undecoded" = { regex = "^hb" } }\nbecause = "a heartbeat"')
    assert [short(part) for part in each(found.read(b"hb 17"))] == ["a heartbeat"]
    (other,) = each(found.read(b"what?"))
    assert isinstance(other, Unmapped)


PER_RUN = """
[[event]]
when = { type = "token" }
is = "answer_part"
text = "text"
gather = { answer = "text" }
[[event]]
when = { type = "named" }
is = "agent_thinking"
text = "text"
remember = { tool = "tool" }
[[event]]
when = { type = "tool", "$tool" = "calculator" }
is = "tool_executing"
tool = "$tool"
"""


def test_two_runs_at_once_keep_what_they_gathered_and_remembered_apart() -> None:
    found = reader(PER_RUN)
    for run, text in ((1, "for "), (2, "for "), (1, "Ada"), (2, "Bashir")):
        read(found, type="token", id=run, text=text)
    for run, tool in ((1, "calculator"), (2, "search")):
        read(found, type="named", id=run, text="x", tool=tool)
    assert read(found, type="tool", id=1) == [("tool_executing", "calculator", None)]
    assert read(found, type="tool", id=2) == [Unmapped("no rule for type tool")]
    assert (found.values_of("1")["tool"], found.values_of("2")["tool"]) == ("calculator", "search")
    found.asked("q3", None)
    assert read(found, type="end", id=2, text="t") == [("agent_completed", "for Bashir")]
    assert read(found, type="end", id=1, text="t") == [("agent_completed", "for Ada")]
    # A run that gathered nothing says what its own frame says.
    assert read(found, type="end", id=3, text="mine") == [("agent_completed", "mine")]


def test_pieces_that_name_no_run_belong_to_the_run_that_ends() -> None:
    found = reader(PER_RUN)
    read(found, type="token", text="whole")
    assert read(found, type="end", id=1, text="t") == [("agent_completed", "whole")]
    found.asked("q2", None)
    assert read(found, type="end", id=2, text="t") == [("agent_completed", "t")]


def test_a_fact_is_told_once_whichever_rule_of_its_kind_comes_first() -> None:
    two = TOOLS + '[[event]]\nwhen = { type = "tool" }\nis = "tool_executing"\ntool = "name"\ncall = "call"\n'
    found = reader(two.replace('each = "items"', 'each = "items"\nonce = "call"', 1))
    assert read(found, type="tool", id=1, name="a", call=1) == [("tool_executing", "a", "1")]
    assert read(found, type="tools", id=1, items=[{"name": "a", "id": 1}]) == [("more", None)]
    assert read(found, type="tools", id=1, items=[{"name": "b", "id": 2}]) == [("tool_executing", "b", "2")]
    assert read(found, type="tool", id=1, name="b", call=2) == [("more", None)]


STATUS = """
[[event]]
when = {{ type = "done" }}
is = "tool_completed"
tool = {{ value = "shell" }}
text = "type"
status = {{ at = ["code"], is = "any", optional = true, {means} }}
"""
PLAIN_STATUS = """
name = "plain"
[frame]
kind = ["type"]
[events.agent_started]
kinds = ["go"]
[events.tool_completed]
kinds = ["done"]
status = {{ at = ["code"], is = "any", optional = true, {means} }}
[events.agent_completed]
kinds = ["end"]
[send.start]
text = "{{prompt}}"
"""


@pytest.mark.parametrize(
    ("means", "failures", "successes"),
    [
        ("failed = [1, 2]", [1, 2], [0, True, "1", None, [1]]),
        ("failed = [false]", [False], [0, True, None]),
        ('failed = ["no", 7.5]', ["no", 7.5], ["yes", 7, {}]),
        ("ok = [0]", [1, -1, "x", False], [0, None, {}]),
        ('ok = ["ok", true]', ["no", False, 1], ["ok", True, None]),
    ],
)
def test_numbers_that_mean_failure_and_values_that_mean_success(
    means: str, failures: list[Any], successes: list[Any]
) -> None:
    plain = Profile.from_toml(PLAIN_STATUS.format(means=means))
    readers = (reader(STATUS.format(means=means)).read, plain.read, plain.explain)
    for value, expected in [*((value, True) for value in failures), *((value, False) for value in successes)]:
        for read_frame in readers:
            (event,) = each(read_frame(json.dumps({"type": "done", "id": 1, "code": value}).encode()))
            assert isinstance(event, Event)
            assert event.tool_failed is expected, (means, value)


def test_kinds_are_told_apart_by_members_that_are_nested() -> None:
    rules = """
[[event]]
when = { method = "item", "params.item.type" = { in = ["command", "search"] } }
is = "tool_executing"
tool = "params.item.type"
[[event]]
when = { method = "item", "params.item.type" = "thought" }
is = "agent_thinking"
text = "params.item.text"
"""
    found = reader(rules)
    assert read(found, method="item", id=1, params={"item": {"type": "search"}}) == [("tool_executing", "search", None)]
    assert read(found, method="item", id=1, params={"item": {"type": "thought", "text": "so"}}) == [
        ("agent_thinking", "so")
    ]


def test_the_id_that_a_server_chose_in_its_answer_to_the_request() -> None:
    """The acknowledgement says which run answers which request; the events name the run only."""
    rules = """
[[ignore]]
when = { type = "accepted" }
because = "says which run answers the request"
remember = { asked = "request" }
"""
    text = (HEAD + rules + END).replace('run = "id"', 'run = "id"\nrequest = ["request", "$asked?"]')
    found = Profile.from_toml(text).reader()
    found.asked("q1", None)
    found.asked("q2", None)
    for frame in ({"type": "accepted", "id": 7, "request": "q2"}, {"type": "accepted", "id": 6, "request": "q1"}):
        assert read_all(found, frame) == ["says which run answers the request"]
    frames = (("go", 6, "q1"), ("go", 7, "q2"), ("end", 6, "q1"), ("end", 7, "q2"), ("go", 9, None))
    for kind, run, expected in frames:
        (event,) = each(found.read(json.dumps({"type": kind, "id": run, "text": "x"}).encode()))
        assert isinstance(event, Event)
        assert event.request == expected


JOINED = HEAD.replace('run = "id"', 'run = { at = ["meta.user", "meta.turn"], join = ":" }') + END


@pytest.mark.parametrize(
    ("meta", "run"),
    [
        ({"user": "ada", "turn": 7}, "ada:7"), ({"user": "ada"}, None), ({"user": "ada", "turn": None}, None),
        ({"user": "ada", "turn": True}, None), ({"user": ["ada"], "turn": 7}, None), ({}, None),
    ],
)  # fmt: skip
def test_an_id_that_is_made_of_several_values(meta: dict[str, Any], run: str | None) -> None:
    profile = Profile.from_toml(JOINED)
    frame = json.dumps({"type": "go", "meta": meta}).encode()
    (event,) = each(profile.read(frame))
    assert isinstance(event, Event)
    assert event.run == run
    assert profile.reader().ids_in(frame).run == run


def test_what_several_runs_at_once_gather_is_known_by_such_an_id() -> None:
    found = Profile.from_toml(JOINED.replace("[[event]]", PARTS_OF + "[[event]]", 1)).reader()
    assert isinstance(found, Reader)
    for turn, text in ((1, "It "), (2, "No "), (1, "is."), (2, "way.")):
        read(found, type="part", meta={"user": "a", "turn": turn}, text=text)
    assert read(found, type="end", meta={"user": "a", "turn": 2}, text=None) == [("agent_completed", "No way.")]
    assert read(found, type="end", meta={"user": "a", "turn": 1}, text=None) == [("agent_completed", "It is.")]


PARTS_OF = """
[[event]]
when = { type = "part" }
is = "answer_part"
text = "text"
gather = { answer = "text" }
"""


def test_a_control_that_holds_before_the_first_event_of_a_run_only() -> None:
    text = """
name = "guarded"
[every]
run = "$request"
request = "$request"
[[event]]
when = { type = "go" }
is = "agent_started"
[[event]]
when = { type = "error" }
is = "agent_failed"
text = "why"
[[event]]
when = { type = "done" }
is = "agent_completed"
text = "answer"
[controls.error]
when = { type = "error", "$events" = 0 }
capture = { text = "why" }
[send.start]
ask = "{prompt}"
"""
    reader = Profile.from_toml(text).reader()
    reader.asked("q1", None)
    error, go = b'{"type": "error", "why": "no"}', b'{"type": "go"}'
    read = [next(each(reader.read(data))) for data in (error, go, error)]
    assert [type(part).__name__ for part in read] == ["Control", "Event", "Event"]
    assert isinstance(read[2], Event)
    assert read[2].kind == "agent_failed"
