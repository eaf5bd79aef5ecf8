"""Each codec, there and back."""

import base64
import json
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest
from greenlight_gate.events import Event, Ignored, Unmapped, each
from greenlight_gate.wire.codecs import NotThereError, UndecodableError, codec_named, registry
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import ProfileError

from support.tests.needs import needs_extra
from support.tests.wire.small import SMALL

MESSAGE = {"channel": "shell", "header": {"msg_type": "x"}, "parent_header": {}, "metadata": {}, "content": {"a": "ä"}}
DECODED = [
    ("json", b'{"a":1}', [{"a": 1}]),
    ("json:a", {"a": '{"b":1}', "c": 2}, [{"a": {"b": 1}, "c": 2}]),
    ("json-or-text", b'{"a":1}', [{"a": 1}]),
    ("json-or-text", b"ping", [{"text": "ping"}]),
    ("ndjson", b'{"a":1}\n\n{"b":2}\n', [b'{"a":1}', b'{"b":2}']),
    ("sse", b'event: x\ndata: {"a":\ndata: 1}\n\n: a comment\n\ndata: 2\n\n', [b'{"a":\n1}', b"2"]),
    ("sse", b"data:1\r\n\r\ndata:2", [b"1", b"2"]),
    ("sse-envelope", b'event: x\nid: 7\ndata: {"a":1}\n\n', [{"event": "x", "id": "7", "data": {"a": 1}}]),
    ("sse-envelope", b"data: [DONE]\n\n", [{"data": "[DONE]"}]),
    ("base64", b"eyJhIjoxfQ==", [b'{"a":1}']),
    ("base64:a.b", {"a": {"b": "eyJjIjoxfQ=="}}, [{"a": {"b": {"c": 1}}}]),
    ("json-rpc", {"method": "x"}, [{"method": "x"}]),
    ("json-rpc", [{"method": "x"}, {"id": 1, "error": {}}], [{"method": "x"}, {"id": 1, "error": {}}]),
    ("socketio", b"2", [{"engine": "ping"}]),
    ("socketio", b"2probe", "the packet's data is not JSON"),
    ("socketio", b'0{"sid":"s"}', [{"engine": "open", "data": {"sid": "s"}}]),
    ("socketio", b'40/chat,{"sid":"n"}', [
        {"engine": "message", "socket": "connect", "namespace": "/chat", "data": {"sid": "n"}}]),
    ("socketio", b'42/chat,13["say",{"a":1},2]', [
        {"engine": "message", "socket": "event", "namespace": "/chat", "ack": 13, "event": "say", "args": [{"a": 1}, 2],
         "data": {"a": 1}}]),
    ("socketio", b"43[]", [
        {"engine": "message", "socket": "ack", "namespace": "/", "args": [], "data": None}]),
    ("socketio", b"45-[]", "Socket.IO packets of type 5"),
    ("socketio", b'42{"a":1}', "holds a list"),
    ("jupyter-v1", b"\x06" + bytes(7), "no Jupyter message"),
    ("jupyter-v1", b"", "too short"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "expected"), DECODED)
def test_decoding(name: str, data: Any, expected: Any) -> None:
    codec = codec_named(name, "", "x")
    if isinstance(expected, str):
        with pytest.raises(UndecodableError, match=expected):
            codec.decode(data)
    else:
        assert codec.decode(data) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("json", {"a": "ä"}), ("json:a", {"a": {"b": 1}}), ("base64:a", {"a": {"b": 1}}), ("jupyter-v1", MESSAGE),
        ("socketio", {"engine": "message", "socket": "event", "namespace": "/c", "ack": 2, "event": "e", "args": [1],
                      "data": 1}),
        ("socketio", {"engine": "pong"}),
        ("json-or-text", {"text": "pong"}),
        ("json-or-text", {"a": 1}), ("sse-envelope", {"event": "x", "data": {"a": 1}}),
    ],
)  # fmt: skip
def test_there_and_back(name: str, value: Any) -> None:
    codec = codec_named(name, "", "x")
    (found,) = codec.decode(codec.encode(value))
    assert {key: item for key, item in found.items() if key in value} == value


@pytest.mark.parametrize("name", ["sse", "ndjson", "base64"])
def test_texts_there_and_back(name: str) -> None:
    codec = codec_named(name, "", "x")
    assert codec.decode(codec.encode('{"a":1}')) == [b'{"a":1}']


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("jsn", "x: unknown name 'jsn', expected one of json"),
        ("json:", "x: expected something behind the colon"),
        ("sse:event", "x: sse takes no argument"),
        ("protobuf:a.B", "frame.descriptor: expected a FileDescriptorSet in base64"),
    ],
)
def test_what_is_no_codec(name: str, says: str) -> None:
    with pytest.raises(ProfileError) as caught:
        codec_named(name, "", "x")
    assert str(caught.value).startswith(says)


def test_what_is_there_only_sometimes() -> None:
    with pytest.raises(NotThereError):
        codec_named("sse", "", "x").decode(b'{"a":1}')
    profile = _profile('codecs = ["base64?", "sse?", "json"]')
    frame = b'{"type":"go","id":"r"}'
    for data in (frame, base64.b64encode(frame), b"data: " + frame + b"\n\n"):
        (event,) = each(profile.reader().read(data))
        assert isinstance(event, Event)
        assert event.run == "r"


def test_several_in_one_frame_and_none() -> None:
    reader = _profile('codecs = ["ndjson", "json"]').reader()
    parts = list(each(reader.read(b'{"type":"go","id":"r"}\n{"type":"end","id":"r","text":"x"}\n{"type":"?"}\n')))
    assert [getattr(part, "kind", part) for part in parts] == [
        "agent_started", "agent_completed", Unmapped("no rule for type ?"),
    ]  # fmt: skip
    assert reader.read(b"\n\n") == Ignored("nothing is in it")


@needs_extra("protobuf")
def test_protobuf() -> None:
    from google.protobuf import descriptor_pb2

    files = descriptor_pb2.FileDescriptorSet()
    file = files.file.add(name="chat.proto", package="chat", syntax="proto3")
    message = file.message_type.add(name="Event")
    for number, name in enumerate(("type", "run_id", "text"), 1):
        message.field.add(name=name, number=number, type="TYPE_STRING", label="LABEL_OPTIONAL")
    descriptor = base64.b64encode(files.SerializeToString()).decode()
    codec = codec_named("protobuf:chat.Event", descriptor, "x")
    data = codec.encode({"type": "go", "run_id": "r"})
    assert data == b"\n\x02go\x12\x01r"
    assert codec.decode(data) == [{"type": "go", "run_id": "r"}]
    with pytest.raises(UndecodableError, match="not such a protobuf message"):
        codec.decode(b"\x0a\xff")
    with pytest.raises(UndecodableError, match="cannot be sent as protobuf"):
        codec.encode({"typ": "go"})
    with pytest.raises(ProfileError, match=r"no message 'chat.Evnt', but chat.Event"):
        codec_named("protobuf:chat.Evnt", descriptor, "x")
    with pytest.raises(ProfileError, match="FileDescriptorSet in base64"):
        codec_named("protobuf:chat.Event", "AAAA!", "x")
    profile = _profile(f'codecs = ["protobuf:chat.Event"]\ndescriptor = "{descriptor}"', run="run_id")
    (event,) = each(profile.reader().read(data, binary=True))
    assert isinstance(event, Event)
    assert (event.kind, event.run, event.problems) == ("agent_started", "r", ())
    assert profile.wire({"type": "ask", "text": "{prompt}"}, {"prompt": "x"})[1] == [b"\n\x03ask\x1a\x01x"]


def _profile(frame: str, run: str = "id") -> Profile:
    return Profile.from_toml(f"""
name = "small"
[frame]
{frame}
[every]
run = "{run}"
[[event]]
when = {{ type = "go" }}
is = "agent_started"
[[event]]
when = {{ type = "end" }}
is = "agent_completed"
text = "text"
[send.start]
type = "ask"
text = "{{prompt}}"
""")


# A package that adds codecs ---------------------------------------------------------------------------------------


class Reversed:
    """What a team's own package may bring: text from right to left."""

    binary = False

    def __init__(self, argument: str) -> None:
        if argument == "broken":
            raise RuntimeError("no")

    def decode(self, value: Any) -> list[Any]:
        return [value[::-1]]

    def encode(self, value: Any) -> Any:
        return value[::-1]


class NoCodec:
    def __init__(self, _: str) -> None:
        pass


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    here = __name__
    points = EntryPoints([
        EntryPoint("reversed", f"{here}:Reversed", registry.GROUP),
        EntryPoint("none", f"{here}:NoCodec", registry.GROUP),
    ])  # fmt: skip
    monkeypatch.setattr("importlib.metadata.entry_points", points.select)


@pytest.mark.usefixtures("installed")
def test_a_codec_of_another_package() -> None:
    profile = _profile('codecs = ["reversed", "json"]')
    (event,) = each(profile.reader().read(b'{"type":"go","id":"r"}'[::-1]))
    assert isinstance(event, Event)
    assert profile.wire(profile.spec.send["start"], {"prompt": "hello"})[1] == [
        json.dumps({"type": "ask", "text": "hello"})[::-1]
    ]
    for name, says in (("reversed:broken", "cannot be made"), ("none", "is no codec"), ("reverse", "one of reversed")):
        with pytest.raises(ProfileError, match=says):
            _profile(f'codecs = ["{name}", "json"]')


def test_an_optional_codec_of_a_member_wraps_what_is_sent_where_the_member_is_a_table() -> None:
    text = SMALL.replace("[every]", '[frame]\ncodecs = ["json", "json:payload?"]\n[every]', 1)
    profile = Profile.from_toml(text)
    assert profile.encode({"payload": {"a": 1}}) == '{"payload": "{\\"a\\": 1}"}'
    assert profile.encode({"payload": "as it is"}) == '{"payload": "as it is"}'
    assert profile.encode({"other": {"a": 1}}) == '{"other": {"a": 1}}'


def test_json_rpc_is_json_without_saying_so() -> None:
    profile = Profile.from_toml(
        SMALL + '[frame]\ncodecs = ["json-rpc"]\n[[ignore]]\nwhen = { method = "x" }\nbecause = "y"\n'
    )
    assert profile.read(b'[{"method": "x"}]') == Ignored("y")
    assert json.loads(profile.encode({"method": "x"})) == {"jsonrpc": "2.0", "method": "x"}
