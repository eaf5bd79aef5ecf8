"""Invalid messages are made of the profile's own request, and go through its own codecs."""

import json
from typing import Any

import pytest
from greenlight_gate.bdd.actions.invalid_messages import LARGE, MESSAGE_NAMES, ONE_BYTE_TOO_MANY, InvalidMessages
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.targets.http_calls import Values
from greenlight_gate.wire.profile import Profile

from support.tests.needs import needs_extra
from support.tests.rules.talk import PROFILE
from support.tests.wire.recorded import shipped

EVENTS = """
[[event]]
when = { event = "go" }
is = "agent_started"
run = "$request"
[[event]]
when = { event = "done" }
is = "agent_completed"
run = "$request"
text = "data"
"""
NUMBERED = f"""
name = "numbered"
[frame]
codecs = ["socketio"]
[send.start]
engine = "message"
socket = "event"
event = "ask"
args = ["{{prompt}}"]
{EVENTS}"""
WITHOUT_CODEC = NUMBERED.replace('codecs = ["socketio"]', "")
ASK = 'type = "ask"\nmessage = "{prompt}"\nthread_id = "{thread}"\n'
# By HTTP the codecs are those of the answers: each request is JSON.
BY_HTTP = f"""
name = "by-http"
[connection]
transport = "sse"
runs = "one_at_a_time"
[frame]
codecs = ["sse-envelope"]
{EVENTS}
[send.start]
http = {{ path = "/chat" }}
{ASK}"""
MOST = 65_536


def made(profile: Profile, name: str, most: int | None = MOST) -> Any:
    return InvalidMessages(profile, Values()).made(name, most)


def exercised(profile: Profile) -> set[str]:
    """Those that the format has a place for."""
    names = set()
    for name in MESSAGE_NAMES:
        try:
            made(profile, name)
        except NotExercised:
            continue
        names.add(name)
    return names


def test_the_default_wire_has_a_place_for_all() -> None:
    assert exercised(PROFILE) == set(MESSAGE_NAMES)


def test_the_default_wires_mistakes() -> None:
    unknown = made(PROFILE, "a message of unknown type")
    assert json.loads(unknown.data)["type"] == "greenlight_unknown"
    assert json.loads(unknown.data)["request_id"] == unknown.request
    assert json.loads(made(PROFILE, "a number as the prompt").data)["payload"]["user_request"] == 17
    assert list(json.loads(made(PROFILE, "a message without its fields").data)) == ["type"]
    assert made(PROFILE, ONE_BYTE_TOO_MANY).size == MOST + 1
    with pytest.raises(ValueError, match=r"Unterminated string|Expecting"):
        json.loads(made(PROFILE, "a truncated message").data)
    broken = made(PROFILE, "text that is not UTF-8")
    assert broken.as_text
    with pytest.raises(UnicodeDecodeError):
        broken.data.decode()


def test_each_request_has_an_id_of_its_own() -> None:
    assert made(PROFILE, "a request without a prompt").request != made(PROFILE, "a request without a prompt").request


@pytest.mark.parametrize("name", [ONE_BYTE_TOO_MANY, LARGE])
def test_no_message_is_too_large_for_a_backend_that_declares_no_limit(name: str) -> None:
    with pytest.raises(NotExercised, match=r"limits\.accepts_message_bytes"):
        made(PROFILE, name, None)


def test_what_is_accepted_by_declaration_is_not_sent_to_be_refused() -> None:
    with pytest.raises(NotExercised, match="are accepted, by declaration"):
        made(PROFILE, LARGE, 20_000_000)


def test_another_format_is_kept_to() -> None:
    profile = Profile.from_toml(NUMBERED)
    names = exercised(profile)

    assert {"a truncated message", "a number as the prompt", "text that is not UTF-8"} <= names
    assert "a message nested 10000 levels deep" not in names
    assert made(profile, "a number as the prompt").data == '42["ask",17]'
    assert made(profile, "a truncated message").data == '42["ask",'


@needs_extra("protobuf")
def test_a_binary_format_gets_no_text() -> None:
    from support.tests.wire import protobuf_messages

    profile = Profile.from_toml(protobuf_messages.PROFILE)
    names = exercised(profile)

    assert "a binary message" in names
    assert names.isdisjoint({"text that is not UTF-8", "a message nested 10000 levels deep", "a number as the prompt"})
    sent = [made(profile, name).data for name in names]
    assert all(isinstance(data, bytes) for data in sent)


def test_a_request_is_filled_up_to_what_is_accepted() -> None:
    messages = InvalidMessages(PROFILE, Values())
    text = messages.filled_up("What is 6*7?", MOST)
    assert text.startswith("What is 6*7? xxx")
    assert messages._request(text).size == MOST


@pytest.mark.parametrize("most", [None, 50, 10_000_000])
def test_no_request_is_filled_up_to_an_unknown_or_absurd_size(most: int | None) -> None:
    with pytest.raises(NotExercised):
        InvalidMessages(PROFILE, Values()).filled_up("What is 6*7?", most)


def test_a_request_whose_size_changes_is_not_filled_up() -> None:
    counted = Profile.from_toml(NUMBERED.replace('event = "ask"', 'event = "ask"\nid = "{counter}"'))
    with pytest.raises(NotExercised, match="a size that is known beforehand"):
        InvalidMessages(counted, Values()).filled_up("What is 6*7?", MOST)


def test_a_format_may_have_its_own_unknown_message_and_integers_for_requests() -> None:
    text = WITHOUT_CODEC.replace('event = "ask"', 'event = "ask"\nid = "{request_number}"')
    profile = Profile.from_toml(text + '\n[send.unknown]\nevent = "no/such"\nid = "{request_number}"\n')
    unknown = made(profile, "a message of unknown type")
    assert json.loads(unknown.data) == {"event": "no/such", "id": int(unknown.request)}
    assert 0 < int(unknown.request) < 2**31


def test_by_http_a_body_is_not_utf8_outside_its_texts_and_only_a_member_that_says_so_is_its_type() -> None:
    ours = shipped("agent-events-sse")
    assert json.loads(made(ours, "a message of unknown type").data)["type"] == "greenlight_unknown"
    broken = made(ours, "text that is not UTF-8").data
    # A lenient reader would find an ordinary request if the prompt alone were not UTF-8.
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(broken.decode(errors="replace"))
    sdk = InvalidMessages(shipped("ai-sdk"), Values(chat="c"))
    with pytest.raises(NotExercised, match="no place for a message of unknown type"):
        sdk.made("a message of unknown type")


def test_by_http_each_mistake_is_sent_as_json_whatever_the_codecs_of_the_answers() -> None:
    profile = Profile.from_toml(BY_HTTP)
    whole = {"type": "ask", "message": "What is", "thread_id": None}
    _, [sent] = profile.wire(profile.spec.send["start"], {"prompt": "What is", "thread": None})

    assert exercised(profile) == set(MESSAGE_NAMES)
    assert sent == json.dumps(whole)
    assert made(profile, "a truncated message").data == sent[: len(sent) // 2]
    assert json.loads(made(profile, "a message of unknown type").data) == {**whole, "type": "greenlight_unknown"}
    assert json.loads(made(profile, "a message without its fields").data) == {"type": "ask"}
    assert json.loads(made(profile, "a request without a prompt").data) == {**whole, "message": None}
    assert json.loads(made(profile, "a number as the prompt").data) == {**whole, "message": 17}
    assert json.loads(made(profile, "a list instead of an object").data) == [1, 2, 3]
    assert made(profile, "a message nested 10000 levels deep").data.count("[") == 10_000
    control = made(profile, "a prompt of control characters").data
    assert json.loads(control, strict=False) == {**whole, "message": "".join(map(chr, range(32)))}
    assert made(profile, "text that is not UTF-8").data == b"\xff\xff" + sent.encode()
    assert made(profile, ONE_BYTE_TOO_MANY).size == MOST + 1
    assert len(json.loads(made(profile, LARGE).data)["message"]) == 10_000_000
    graph = InvalidMessages(shipped("langgraph-sse"), Values(assistant_id="agent"))
    (asked,) = json.loads(graph.made("a number as the prompt").data)["input"]["messages"]
    assert asked["content"] == 17
    assert graph.made(ONE_BYTE_TOO_MANY, MOST).size == MOST + 1


@pytest.mark.parametrize(("members", "expected"), [
    ('message = "{prompt}"\nthread_id = "{thread}"\n', {"thread_id": None}),
    ('thread_id = "{thread}"\nmessage = "{prompt}"\n', {"thread_id": None}),
    ('messages = [{ role = "user", content = "Hi: {prompt}" }]\ntype = "ask"\nstream = true\n', {"type": "ask"}),
    ('message = "{prompt}"\n', {}),
])  # fmt: skip
def test_a_message_without_its_fields_never_holds_the_prompt(members: str, expected: dict[str, Any]) -> None:
    profile = Profile.from_toml(BY_HTTP.replace(ASK, members))
    assert json.loads(made(profile, "a message without its fields").data) == expected
    assert json.loads(made(profile, "a request without a prompt").data) != expected


def test_in_a_list_nothing_takes_the_place_of_the_prompt() -> None:
    listed = WITHOUT_CODEC.replace("[send.start]", "[send]")
    listed = listed.replace('engine = "message"\nsocket = "event"\nevent = "ask"\nargs = ["{prompt}"]', "start = START")
    for start, expected in (('["ask", "{prompt}"]', ["ask"]), ('["{prompt}", "ask"]', [])):
        profile = Profile.from_toml(listed.replace("START", start))
        assert json.loads(made(profile, "a message without its fields").data) == expected


def test_without_a_place_for_the_prompt_no_request_lacks_it() -> None:
    parts = WITHOUT_CODEC.replace("[send.start]", "[[send.start]]")
    profile = Profile.from_toml(parts.replace("[[event]]", '[[send.start]]\nevent = "go on"\n[[event]]', 1))
    with pytest.raises(NotExercised, match="no place for a missing prompt"):
        made(profile, "a message without its fields")
