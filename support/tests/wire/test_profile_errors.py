"""A profile that cannot be used says so in one line: the key, what was expected, what came, and the nearest name."""

import tomllib

import pytest
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import ProfileError
from hypothesis import given
from hypothesis import strategies as st

from support.tests.wire.recorded import PROFILES

GOOD = """
name = "small"
[frame]
kind = ["type"]
[every]
run = { at = ["run_id"], is = "id" }
stamp = { at = ["timestamp"], is = "stamp" }
[events.agent_started]
kinds = ["agent_started"]
[events.agent_completed]
kinds = ["agent_completed"]
text = { at = ["result"], is = "any" }
[controls.pong]
when = { type = "pong" }
capture = { nonce = "nonce" }
[send.start]
type = "start"
prompt = "{prompt}"
[promises]
ready = true
"""

DEEP = ".".join(["a"] * 3000)

# (what is replaced, by what, what the error begins with, what it mentions)
ERRORS = [
    ('when = { type = "pong" }', "when = { type = inf }", "controls.pong.when.type: ", "JSON can hold, got inf"),
    ('when = { type = "pong" }', "when = { type = -nan }", "controls.pong.when.type: ", "JSON can hold, got nan"),
    ('when = { type = "pong" }', "when = { type = { in = [1, inf] } }", "controls.pong.when.type.in[1]: ", "got inf"),
    ('type = "start"', "type = inf", "send.start.type: ", "JSON can hold, got inf"),
    ('when = { type = "pong" }', f'when = {{ "{DEEP}" = 1 }}', "controls.pong.when: ", "at most 100 names, got 3000"),
    ('when = { type = "pong" }', f"when = {{ {DEEP} = 1 }}", "controls: ", "at most 100 levels"),
    ('kind = ["type"]', f'kind = ["{DEEP}"]', "frame.kind: ", "at most 100 names, got 3000"),
    ('at = ["run_id"]', f'at = ["{DEEP}"]', "every.run.at: ", "at most 100 names, got 3000"),
    ("[every]", f'[every]\nplaces = ["{DEEP}"]', "every.places: ", "at most 100 names, got 3000"),
    ('nonce = "nonce"', f'nonce = "{DEEP}"', "controls.pong.capture: ", "at most 100 names, got 3000"),
    ("[promises]", f'[scope]\nmine = {{ "{DEEP}" = 1 }}\n[promises]', "scope.mine: ", "at most 100 names, got 3000"),
    ('name = "small"', "name = ", "not TOML: ", "line 2"),
    ('name = "small"', "name = 5", "name: ", "expected `str`"),
    ('name = "small"', "", "name: ", "got nothing"),
    ('name = "small"', 'nam = "small"', "nam: ", "'nam', expected one of name"),
    ("[frame]", "[fram]", "fram: ", "'fram', expected one of frame"),
    ('kind = ["type"]', "kind = []", "frame.kind: ", "at least one"),
    ('kind = ["type"]', 'kind = "type"', "frame.kind: ", "expected `array`"),
    ('kind = ["type"]', 'kinds = ["type"]', "frame.kinds: ", "expected one of kind"),
    ('kind = ["type"]', 'kind = ["a..b"]', "frame.kind: ", "'a..b'"),
    ('kind = ["type"]', 'kind = ["type"]\ncodecs = ["jsn"]', "frame.codecs[0]: ", "'jsn'"),
    ('kind = ["type"]\n[every]', "[every]", "frame.kind: ", "nothing"),
    ("[frame]\nkind", "[fr]\nkind", "fr: ", "frame"),
    ("[every]", "every = 1\n[everyone]", "", "every"),
    ('run = { at = ["run_id"], is = "id" }', 'rum = { at = ["run_id"], is = "id" }', "every.rum: ", "one of run"),
    ('is = "id"', 'is = "idd"', "every.run.is: ", "'idd', expected one of id"),
    ('is = "id"', "is = 5", "every.run.is: ", "got `int`"),
    ('run = { at = ["run_id"], is = "id" }', 'run = { is = "id" }', "every.run.at: ", "nothing"),
    ('at = ["run_id"], is = "id"', 'at = ["run_id"]', "every.run.is: ", "nothing"),
    ('at = ["run_id"]', "at = []", "every.run.at: ", "at least one"),
    ('at = ["run_id"]', 'at = ["run id"]', "every.run.at: ", "'run id'"),
    ('at = ["run_id"]', 'at = ["run_id", 5]', "every.run.at[1]: ", "got `int`"),
    ('at = ["run_id"]', 'at = ["run_id"], optinal = true', "every.run.optinal: ", "expected one of optional"),
    ("[every]", '[every]\nplaces = "payload"', "every.places: ", "expected `array`"),
    (
        "[every]",
        '[every]\nthread = { value = "main" }',
        "every.thread: ",
        "tells users apart, got 'main' for all of them",
    ),
    (
        "[every]",
        '[values]\nroom = "lobby"\n[every]\nthread = "$room?"',
        "every.thread: ",
        "got 'lobby' for all of them",
    ),
    ("[every]", "[every]\nplaces = []", "every.places: ", "at least one place"),
    ("[every]", '[every]\nplace = [""]', "every.place: ", "places"),
    ("[events.agent_started]", "[events.agent_startet]", "events.agent_startet: ", "expected one of agent_started"),
    ('[events.agent_started]\nkinds = ["agent_started"]', "", "events.agent_started: ", "without it"),
    ('kinds = ["agent_started"]', "kinds = []", "events.agent_started.kinds: ", "at least one"),
    ('kinds = ["agent_started"]', "", "events.agent_started.kinds: ", "nothing"),
    ('kinds = ["agent_completed"]', 'kinds = ["agent_started"]', "events.agent_completed.kinds: ", "already the name"),
    ('text = { at = ["result"], is = "any" }', "text = 5", "events.agent_completed.text: ", "got `int`"),
    ('text = { at = ["result"]', 'txt = { at = ["result"]', "events.agent_completed.txt: ", "expected one of text"),
    ('is = "any"', 'is = "any", failing_at = ["eror"]', "events.agent_completed.text.failing_at: ", "result"),
    ("[controls.pong]", "[controls.pung]", "controls.pung: ", "expected one of pong"),
    ('when = { type = "pong" }', "when = {}", "controls.pong.when: ", "at least one"),
    ('when = { type = "pong" }', "", "controls.pong.when: ", "nothing"),
    ('when = { type = "pong" }', 'wen = { type = "pong" }', "controls.pong.wen: ", "expected one of when"),
    ('when = { type = "pong" }', "when = { type = [1] }", "controls.pong.when[...]: ", "got `array`"),
    ('nonce = "nonce"', 'nonce = "a b"', "controls.pong.capture: ", "'a b'"),
    ("[send.start]", "[send.strat]", "send.strat: ", "expected one of start"),
    ('[send.start]\ntype = "start"\nprompt = "{prompt}"', "", "send.start: ", "nothing"),
    ('[send.start]\ntype = "start"\nprompt = "{prompt}"', "[send]\nstart = 1", "send.start: ", "got 1"),
    ('"{prompt}"', '"{promt}"', "send.start.prompt: ", "'promt', expected one of prompt"),
    ('prompt = "{prompt}"', "", "send.start: ", "{prompt}"),
    ('prompt = "{prompt}"', 'prompt = "{prompt}"\nx = ["{nonce}"]', "send.start.x: ", "'nonce'"),
    ("ready = true", "redy = true", "promises.redy: ", "expected one of ready"),
    ("ready = true", 'ready = "yes"', "promises.ready: ", "expected `bool`"),
    ("ready = true", 'foreign = "fine"', "promises.foreign: ", "'fine'"),
    ("ready = true", "[refusals.entri]\nstatus = [401]", "refusals.entri: ", "expected one of entry"),
    ("ready = true", "[refusals.entry]\nstatus = ['401']", "refusals.entry.status[0]: ", "expected `int`"),
    ("ready = true", "[refusals.entry]\nstaus = [401]", "refusals.entry.staus: ", "expected one of status"),
    ("ready = true", "[refusals.entry]\nstatus = []", "refusals.entry: ", "a way to say no"),
]


def test_the_profile_that_the_others_are_made_of_is_good() -> None:
    assert Profile.from_toml(GOOD).name == "small"


@pytest.mark.parametrize(("old", "new", "begins", "mentions"), ERRORS)
def test_broken_profiles(old: str, new: str, begins: str, mentions: str) -> None:
    assert old in GOOD
    with pytest.raises(ProfileError) as caught:
        Profile.from_toml(GOOD.replace(old, new, 1))
    message = str(caught.value)
    assert message.startswith(begins)
    assert mentions in message
    assert "\n" not in message


BY_HTTP = GOOD.replace('type = "start"', 'http = { path = "/chat" }').replace(
    "[promises]", '[connection]\ntransport = "sse"\n[promises]'
)
# What only a profile by HTTP can get wrong: as ERRORS.
BY_HTTP_ERRORS = [
    ('transport = "sse"', 'transport = "socket"', "connection.transport: ", "one of websocket, sse, ndjson"),
    ('http = { path = "/chat" }', 'type = "start"', "send.start.http: ", "the address of the request"),
    ('path = "/chat"', 'path = "chat"', "send.start.http.path: ", "begins with /, got 'chat'"),
    ('path = "/chat"', 'path = "/of ada"', "send.start.http.path: ", "a path as HTTP has it"),
    ('path = "/chat"', 'path = "/{who}"', "send.start.http.path: ", "unknown name 'who'"),
    ('path = "/chat"', 'path = "/chat", method = "FETCH"', "send.start.http.method: ", "'FETCH'"),
    ("[promises]", 'subprotocols = ["chat"]\n[promises]', "connection.subprotocols: ", "only a WebSocket"),
    ("[promises]", 'opening = { path = "session" }\n[promises]', "connection.opening.path: ", "begins with /"),
    ("[promises]", '[[handshake]]\nsend = { type = "hi" }\n[promises]', "handshake: ", "each message is a request"),
    ("[promises]", "[[answer]]\nwhen = { a = 1 }\nsend = { b = 1 }\n[promises]", "answer: ", "expected none by HTTP"),
    (
        "[promises]",
        '[send.ping]\nhttp = { path = "/p" }\nn = "{nonce}"\n[promises]',
        "send.ping: ",
        "expected none by HTTP",
    ),
]


@pytest.mark.parametrize(("old", "new", "begins", "mentions"), BY_HTTP_ERRORS)
def test_broken_profiles_by_http(old: str, new: str, begins: str, mentions: str) -> None:
    assert Profile.from_toml(BY_HTTP).spec.connection.by_http
    with pytest.raises(ProfileError) as caught:
        Profile.from_toml(BY_HTTP.replace(old, new, 1))
    assert str(caught.value).startswith(begins)
    assert mentions in str(caught.value)


BY_CHANNEL = BY_HTTP.replace(
    'transport = "sse"', 'transport = "channel"\nopening = { method = "GET", path = "/events" }'
)
# What only a profile over a channel can get wrong: as ERRORS.
BY_CHANNEL_ERRORS = [
    (
        'opening = { method = "GET", path = "/events" }',
        "",
        "connection.opening: ",
        "the request that opens the channel",
    ),
    ('path = "/chat"', 'path = "{endpoint}"', "send.start.http.path: ", "unknown name 'endpoint'"),
    ("[promises]", '[[handshake]]\nsend = { type = "hi" }\n[promises]', "handshake: ", "each message is a request"),
    ("[promises]", "[[answer]]\nwhen = { a = 1 }\nsend = { b = 1 }\n[promises]", "answer: ", "expected none by HTTP"),
    ("[promises]", '[resume]\nopening = { path = "events" }\n[promises]', "resume.opening.path: ", "begins with /"),
    ('path = "/events"', 'path = "/{last_event_id}"', "connection.opening: ", "unknown name 'last_event_id'"),
]


@pytest.mark.parametrize(("old", "new", "begins", "mentions"), BY_CHANNEL_ERRORS)
def test_broken_profiles_over_a_channel(old: str, new: str, begins: str, mentions: str) -> None:
    assert Profile.from_toml(BY_CHANNEL).spec.connection.by_channel
    with pytest.raises(ProfileError) as caught:
        Profile.from_toml(BY_CHANNEL.replace(old, new, 1))
    assert str(caught.value).startswith(begins)
    assert mentions in str(caught.value)


def test_over_a_channel_a_message_of_the_server_may_be_waited_for_and_name_where_requests_go() -> None:
    waits = '[[handshake]]\nexpect = { type = "endpoint" }\ncapture = { endpoint = "url" }\n[promises]'
    toml = BY_CHANNEL.replace('path = "/chat"', 'path = "{endpoint}"').replace("[promises]", waits)
    spec = Profile.from_toml(toml).spec
    assert spec.endpoints == {"endpoint"}
    assert not spec.addresses["start"].streams


def test_the_profile_by_http_differs_from_the_default_only_where_it_has_to() -> None:
    default, by_http = (
        tomllib.loads((PROFILES / f"{name}.toml").read_text()) for name in ("agent-events", "agent-events-sse")
    )
    assert default["controls"].pop("pong")
    assert by_http["promises"].pop("unbuffered")
    for part in ("name", "connection", "send", "refusals"):
        assert by_http.pop(part) != default.pop(part, None)
    assert by_http == default


def test_the_profile_over_a_channel_differs_from_the_default_only_where_it_has_to() -> None:
    default, over_channel = (
        tomllib.loads((PROFILES / f"{name}.toml").read_text()) for name in ("agent-events", "agent-events-channel")
    )
    assert over_channel["promises"].pop("unbuffered")
    assert over_channel["promises"].pop("endpoint_needs_token")
    for message in over_channel["send"].values():
        assert message.pop("http") == {"path": "{endpoint}"}
    for part in ("name", "connection", "resume", "handshake", "refusals"):
        assert over_channel.pop(part) != default.pop(part, None)
    assert over_channel == default


@pytest.mark.parametrize("name", ["ag-ui", "openai-responses"])
def test_a_protocol_has_the_same_events_by_http(name: str) -> None:
    over_socket, by_http = (tomllib.loads((PROFILES / f"{each}.toml").read_text()) for each in (name, f"{name}-sse"))
    assert by_http["event"] == over_socket["event"]
    assert all(ignored in by_http["ignore"] for ignored in over_socket["ignore"])


@given(st.text(max_size=60))
def test_no_text_makes_the_profile_reader_fail_in_another_way(text: str) -> None:
    with pytest.raises(ProfileError):
        Profile.from_toml(text)


@given(st.text(alphabet="a\"'\\{}\n;.[]()", min_size=1, max_size=12))
def test_a_profiles_text_never_becomes_code(name: str) -> None:
    literal = '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    text = GOOD.replace('kinds = ["agent_started"]', f"kinds = [{literal}]")
    text = text.replace('when = { type = "pong" }', f"when = {{ type = {literal} }}", 1)
    assert Profile.from_toml(text).name == "small"


def test_a_path_that_is_both_a_value_and_a_container_is_read_by_the_patient_reader() -> None:
    both = GOOD.replace(
        'text = { at = ["result"], is = "any" }', 'text = { at = ["result", "result.text"], is = "any" }'
    )
    profile = Profile.from_toml(both)
    assert profile.fast(b'{"type":"agent_completed"}') is None
    reading = profile.read(b'{"type":"agent_completed","run_id":"r","timestamp":1,"result":"yes"}')
    assert getattr(reading, "text", None) == "yes"
