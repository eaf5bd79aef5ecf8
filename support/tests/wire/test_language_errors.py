"""What is wrong in the richer parts of a profile is said in one line: where, what was expected, what came."""

import pytest
from greenlight_gate.targets.settings import Misconfigured, profile_text
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import ProfileError, read_spec

from support.tests.wire import make_notes
from support.tests.wire.recorded import PROFILES
from support.tests.wire.small import SMALL

GOOD = """
name = "rich"
[needs]
model = "the model's name"
[values]
session = "{uuid}"
[frame]
codecs = ["sse?", "json"]
[[before]]
path = "/runs/{session}"
json = { model = "{model}" }
capture = { run_id = "data.id" }
[connection]
path = "/ws/{run_id}"
query = { token = "{token}" }
runs = "one"
[[handshake]]
expect = { type = "hello" }
capture = { greeting = "text" }
[[handshake]]
send = { type = "hi", to = "{greeting}" }
[[answer]]
when = { type = "ping" }
send = { type = "pong" }
[scope]
mine = { session = { same_as = "session" } }
[absent]
agent_thinking = "it does not think"
[every]
run = "$run_id"
stamp = "at?"
[[event]]
when = { type = "go" }
is = "agent_started"
[[event]]
when = { type = "tools", n = { in = [1, 2] } }
is = "tool_executing"
each = "items"
tool = "$item.name"
call = { at = ["$item.label"], is = "id", regex = "#(\\\\d+)" }
[[event]]
when = { type = "done", "$open_tools" = 0 }
is = "agent_completed"
text = "$answer"
[[ignore]]
when = { type = "token", text = { not_empty = true } }
because = "a piece of the answer"
gather = { answer = "text" }
[send.start]
type = "ask"
text = "{prompt}"
"""

ERRORS = [
    ('model = "the model\'s name"', "model = 5", "needs[...]: ", "expected `str`"),
    ('model = "the model\'s name"', 'Model = "x"', "needs.Model: ", "small letters"),
    ('model = "the model\'s name"', 'prompt = "x"', "needs.prompt: ", "a meaning of its own"),
    ('session = "{uuid}"', 'session = "{uid}"', "values.session: ", "'uid', expected one of uuid"),
    ("[values]", "[value]", "value: ", "expected one of values"),
    ('codecs = ["sse?", "json"]', "codecs = []", "frame.codecs: ", "at least one codec"),
    ('"sse?"', '"ses?"', "frame.codecs[0]: ", "'ses', expected one of sse"),
    ('"sse?"', '"protobuf:a.B"', "frame.descriptor: ", "got nothing"),
    ('"sse?"', "5", "frame.codecs[0]: ", "expected `str`"),
    ('path = "/runs/{session}"', 'path = "runs"', "before[0].path: ", "begins with /"),
    ('path = "/runs/{session}"', 'path = "/runs/{sesion}"', "before[0].path: ", "'sesion', expected one of session"),
    ('json = { model = "{model}" }', 'jsn = { model = "{model}" }', "before[0].jsn: ", "expected one of json"),
    ('json = { model = "{model}" }', 'json = { model = "{modle}" }', "before[0].json.model: ", "one of model"),
    ('json = { model = "{model}" }', 'json = {}\nform = {}', "before[0].form: ", "got both"),
    ('json = { model = "{model}" }', 'method = "GETT"', "before[0].method: ", "'GETT'"),
    ('json = { model = "{model}" }', 'status = "200"', "before[0].status: ", "expected `array`"),
    ('json = { model = "{model}" }', 'each = "person"', "before[0].each: ", "'person'"),
    ("[[before]]", '[[after]]\npath = "/"\neach = "user"\n[[before]]', "after[0].each: ", "a user has no end"),
    ('session = "{uuid}"', 'session = { value = 1, each = "day" }', "values.session.each: ", "'day'"),
    ('session = "{uuid}"', 'session = { valu = 1, each = "tab" }', "values.session.valu: ", "one of value"),
    ("[values]", '[resume]\nqery = {}\n[values]', "resume.qery: ", "expected one of query"),
    ("[values]", '[resume]\npath = "x"\n[values]', "resume.path: ", "begins with /"),
    ("[values]", '[resume]\nquery = { a = "{last}" }\n[values]', "resume.query.a: ", "'last', expected one of"),
    ("[values]", '[[resume.handshake]]\nsend = { a = "{b}" }\n[values]', "resume.handshake[0].send.a: ", "'b'"),
    ("[values]", '[[resume.before]]\npath = "x"\n[values]', "resume.before[0].path: ", "begins with /"),
    ('path = "/ws/{run_id}"', 'path = "/ws/{thread}"', "connection.path: ", "'thread'"),
    ('when = { type = "go" }', 'when = { "$undecoded" = { regex = "x" } }', "event[0].when.$undecoded: ", "undecoded"),
    ('capture = { run_id = "data.id" }', 'capture = { run = "data.id" }', "before[0].capture.run: ", "of its own"),
    ('capture = { run_id = "data.id" }', 'capture = { run_id = "data..id" }', "before[0].capture: ", "'data..id'"),
    ('capture = { run_id = "data.id" }', 'capture = { rum_id = "data.id" }', "connection.path: ", "'run_id'"),
    ("[[before]]", "[before]", "before: ", "[[before]]"),
    ('path = "/ws/{run_id}"', 'path = "ws"', "connection.path: ", "begins with /"),
    ('runs = "one"', 'runs = "once"', "connection.runs: ", "'once', expected one of one"),
    ('runs = "one"', "max_frame_bytes = -1", "connection.max_frame_bytes: ", ">= 0"),
    ('runs = "one"', 'events = { path = "x" }', "connection.events.path: ", "begins with /"),
    ('runs = "one"', 'events = { subscribe = { to = "{seson}" } }', "connection.events", "'seson', expected one of"),
    ('runs = "one"', 'run = "one"', "connection.run: ", "expected one of runs"),
    ('query = { token = "{token}" }', 'query = { token = "{tokn}" }', "connection.query.token: ", "one of token"),
    ('query = { token = "{token}" }', "query = { token = 5 }", "connection.query[...]: ", "expected `str`"),
    ('expect = { type = "hello" }', 'expct = { type = "hello" }', "handshake[0].expct: ", "expected one of expect"),
    ('expect = { type = "hello" }\ncapture = { greeting = "text" }', "nth = 2", "handshake[0]: ", "got neither"),
    ('expect = { type = "hello" }', "expect = {}", "handshake[0].expect: ", "at least one"),
    ('expect = { type = "hello" }', 'expect = { type = "hello" }\nnth = 0', "handshake[0].nth: ", ">= 1"),
    ('expect = { type = "hello" }', 'expect = { type = "hello" }\ntimeout_s = 0', "handshake[0].timeout_s: ", "> 0"),
    ('send = { type = "hi", to = "{greeting}" }', 'send = { to = "{greting}" }', "handshake[1].send.to: ", "greeting"),
    ('send = { type = "pong" }', "", "answer[0].send: ", "got nothing"),
    ('when = { type = "ping" }', "when = {}", "answer[0].when: ", "at least one"),
    ("mine =", "our =", "scope.our: ", "expected one of mine"),
    ('same_as = "session"', 'same_as = "sesion"', "scope.mine.session: ", "'sesion', expected one of session"),
    ('same_as = "session"', "same_as = 5", "scope.mine.session.same_as: ", "the name of a captured value"),
    ('same_as = "session"', 'same_at = "session"', "scope.mine.session.same_at: ", "expected one of same_as"),
    ("agent_thinking =", "agent_thinkin =", "absent.agent_thinkin: ", "expected one of agent_thinking"),
    ('"it does not think"', '" "', "absent.agent_thinking: ", "the reason"),
    ("agent_thinking =", "agent_completed =", "absent.agent_completed: ", "without it"),
    ("agent_thinking =", "agent_started =", "absent.agent_started: ", "events are read as"),
    ('run = "$run_id"', 'run = "$rum_id"', "event[0].run: ", "'rum_id', expected one of run_id"),
    ('run = "$run_id"', "run = []", "every.run.at: ", "at least one"),
    ('run = "$run_id"', 'run = { at = ["a"], join = ":" }', "every.run.join: ", "at least two paths"),
    ('run = "$run_id"', 'run = { at = ["a", "b"], join = ":", regex = "x" }', "every.run.join: ", "no regex"),
    ('is = "agent_started"', 'is = "started"', "event[0].is: ", "'started', expected one of agent_started"),
    ('is = "agent_started"', "", "event[0].is: ", "got nothing"),
    ('when = { type = "go" }', "", "event[0].when: ", "got nothing"),
    ('when = { type = "go" }', "when = 5", "event[0].when: ", "a table"),
    ('when = { type = "go" }', "when = { type = [1] }", "event[0].when.type: ", "got `array`"),
    ('when = { type = "go" }', "when = { type = {} }", "event[0].when.type: ", "a condition"),
    ('when = { type = "go" }', 'when = { "a b" = 1 }', "event[0].when: ", "'a b'"),
    ("n = { in = [1, 2] }", "n = { in = 1 }", "event[1].when.n.in: ", "a list"),
    ("n = { in = [1, 2] }", "n = { inn = [1] }", "event[1].when.n.inn: ", "expected one of in"),
    ("n = { in = [1, 2] }", 'n = { regex = "(" }', "event[1].when.n.regex: ", "a regular expression"),
    ("n = { in = [1, 2] }", 'n = { exists = "yes" }', "event[1].when.n.exists: ", "true or false"),
    ('each = "items"', "", "event[1].each: ", "$item"),
    ('each = "items"', 'eahc = "items"', "event[1].eahc: ", "each"),
    ('each = "items"', 'each = "items"\ncollapse = "ever"', "event[1].collapse: ", "'ever'"),
    ('each = "items"', 'each = "items"\nonce = "cal"', "event[1].once: ", "expected one of call"),
    ('each = "items"', 'each = "items"\ngo_on = 1', "event[1].go_on: ", "expected `bool`"),
    ('regex = "#(\\\\d+)"', 'regex = "#("', "event[1].call.regex: ", "a regular expression"),
    ('tool = "$item.name"', 'tool = { value = "x", at = ["y"] }', "event[1].tool.value: ", "got both"),
    ('tool = "$item.name"', 'tool = { at = ["y"], is = "txt" }', "event[1].tool.is: ", "expected one of text"),
    ('"$open_tools" = 0', '"$opentools" = 0', "event[2].when.$opentools: ", "expected one of open_tools"),
    ('because = "a piece of the answer"', "", "ignore[0].because: ", "got nothing"),
    ('because = "a piece of the answer"', 'because = "x"\nfirst = 1', "ignore[0].first: ", "expected `bool`"),
    ('tool = "$item.name"', 'tool = { at = ["y"], is = "id", ok = [1], failed = [2] }', "event[1].tool: ", "got both"),
    (
        "[send.start]",
        '[[ignore]]\nbecause = "x"\nwhen = { "$undecoded" = "x" }\n[send.start]',
        "ignore[1].when: ",
        "regex",
    ),
    ('because = "a piece of the answer"', 'because = ""', "ignore[0].because: ", "why these frames"),
    ('gather = { answer = "text" }', 'gahter = { answer = "text" }', "ignore[0].gahter: ", "expected one of gather"),
    ('gather = { answer = "text" }', 'gather = { anser = "text" }', "event[2].text: ", "'answer', expected one of an"),
    ('text = "{prompt}"', 'text = "{prompt} {sesion}"', "send.start.text: ", "'sesion', expected one of session"),
    ('text = "{prompt}"', 'text = "{prompt"', "send.start: ", "{prompt}"),
    ("[send.start]", "[send.ask]", "send.ask: ", "expected one of"),
    ('name = "rich"', 'name = "rich"\nname = "twice"', "not TOML: ", "line 3"),
    ("[scope]", "[scope", "not TOML: ", "line"),
]  # fmt: skip


def test_the_profile_that_the_others_are_made_of_is_good() -> None:
    assert not Profile.from_toml(GOOD).plain


@pytest.mark.parametrize(("old", "new", "begins", "mentions"), ERRORS)
def test_broken_profiles(old: str, new: str, begins: str, mentions: str) -> None:
    assert old in GOOD
    with pytest.raises(ProfileError) as caught:
        Profile.from_toml(GOOD.replace(old, new, 1))
    message = str(caught.value)
    assert message.startswith(begins), message
    assert mentions in message
    assert "\n" not in message


def test_there_are_more_than_fifty_ways() -> None:
    assert len({(old, new) for old, new, _, _ in ERRORS}) >= 50


@pytest.mark.parametrize("path", sorted(PROFILES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_profile_that_ships_begins_with_notes_and_can_be_used(path: object) -> None:
    name = getattr(path, "stem", "")
    found, text = profile_text(name, PROFILES)
    assert found == name == Profile.from_toml(text).name
    notes = [line for line in text.splitlines() if line.startswith("# ")]
    assert text.startswith("# ")
    assert len(notes) >= 3


def test_a_name_that_does_not_ship() -> None:
    with pytest.raises(Misconfigured, match="expected one of google-adk"):
        profile_text("google-adkk", PROFILES)


def test_the_page_of_notes_is_that_of_the_profiles() -> None:
    assert make_notes.PAGE.read_text() == make_notes.current(), "run python -m support.tests.wire.make_notes"


@pytest.mark.parametrize("what", ["edit", "regenerate"])
def test_a_request_in_place_of_another_one_has_an_id_of_the_kind_of_all_requests(what: str) -> None:
    spec = read_spec(SMALL + f'[send.{what}]\nid = "{{request_number}}"\ntext = "{{prompt}}"\nafter = "{{replaced}}"\n')
    assert spec.places_in(what) == {"request_number", "prompt", "replaced"}
