"""A small protobuf protocol for tests: its descriptor, and frames of one answer."""

import base64

from google.protobuf import descriptor_pb2, struct_pb2
from greenlight_gate.wire.codecs import codec_named

MESSAGE = "chat.Event"


def _descriptor() -> str:
    files = descriptor_pb2.FileDescriptorSet()
    struct_pb2.DESCRIPTOR.CopyToProto(files.file.add())
    file = files.file.add(
        name="chat.proto", package="chat", syntax="proto3", dependency=["google/protobuf/struct.proto"]
    )
    message = file.message_type.add(name="Event")
    for number, name in enumerate(("type", "run_id", "text"), 1):
        message.field.add(name=name, number=number, type="TYPE_STRING", label="LABEL_OPTIONAL")
    message.field.add(name="seq", number=4, type="TYPE_INT64", label="LABEL_OPTIONAL")
    message.field.add(name="weight", number=5, type="TYPE_DOUBLE", label="LABEL_OPTIONAL")
    message.field.add(name="raw", number=6, type="TYPE_BYTES", label="LABEL_OPTIONAL")
    message.field.add(name="inner", number=7, type="TYPE_MESSAGE", type_name=".chat.Event", label="LABEL_REPEATED")
    message.field.add(
        name="anything", number=8, type="TYPE_MESSAGE", type_name=".google.protobuf.Struct", label="LABEL_OPTIONAL"
    )
    return base64.b64encode(files.SerializeToString()).decode()


DESCRIPTOR = _descriptor()
PROFILE = f"""
name = "protobuf"
[frame]
codecs = ["protobuf:{MESSAGE}"]
descriptor = "{DESCRIPTOR}"
[every]
run = "run_id"
[[event]]
when = {{ type = "go" }}
is = "agent_started"
[[event]]
when = {{ type = "think" }}
is = "agent_thinking"
text = "inner.0.text"
[[event]]
when = {{ type = "end" }}
is = "agent_completed"
text = "text"
[send.start]
type = "ask"
text = "{{prompt}}"
"""


def frames() -> list[bytes]:
    """The messages of one answer, and some odd ones."""
    codec = codec_named(f"protobuf:{MESSAGE}", DESCRIPTOR, "frame.codecs")
    nested: dict[str, object] = {"type": "end"}
    for _ in range(90):
        nested = {"inner": [nested]}
    values: list[dict[str, object]] = [
        {}, {"type": "go", "run_id": "r", "seq": "1"}, {"type": "think", "run_id": "r", "inner": [{"text": "hm"}]},
        {"type": "end", "run_id": "r", "text": "ä\u2028", "weight": 1.5, "raw": "AAH/"},
        {"type": "end", "run_id": "r", "anything": {"a": [1, None, {"b": "c"}]}}, {"weight": "NaN"}, nested,
    ]  # fmt: skip
    return [codec.encode(value) for value in values]


MESSAGES = frames()
