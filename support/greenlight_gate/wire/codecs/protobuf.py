"""Protocol Buffers with a given descriptor: `codecs = ["protobuf:package.Message"]`, and the descriptor in [frame].

The descriptor is what `protoc --include_imports --descriptor_set_out=FILE` writes, in base64. Needs the extra
`[protobuf]`.
"""

import base64
import binascii
from typing import Any

from greenlight_gate.extras import missing
from greenlight_gate.wire.codecs.base import UndecodableError
from greenlight_gate.wire.codecs.texts import as_bytes
from greenlight_gate.wire.errors import ProfileError


class Protobuf:
    """One message type, to and from plain values; names as in the .proto file."""

    binary = True

    def __init__(self, message: str, descriptor: str) -> None:
        if not descriptor:
            raise ProfileError("frame.descriptor: expected a FileDescriptorSet in base64, got nothing")
        if why := missing("protobuf"):
            raise ProfileError(f"frame.codecs: protobuf {why}")
        from google.protobuf import (  # noqa: PLC0415 -- an extra: only who speaks protobuf needs it
            descriptor_pb2,
            descriptor_pool,
            json_format,
            message_factory,
        )
        from google.protobuf.message import DecodeError  # noqa: PLC0415

        self._format = json_format
        self._error = DecodeError
        pool = descriptor_pool.DescriptorPool()
        try:
            files = descriptor_pb2.FileDescriptorSet.FromString(base64.b64decode(descriptor, validate=True))
            for file in files.file:
                pool.Add(file)
            self._type = message_factory.GetMessageClass(pool.FindMessageTypeByName(message))
        except (binascii.Error, DecodeError, TypeError, ValueError) as error:
            raise ProfileError(
                f"frame.descriptor: expected a FileDescriptorSet in base64, got none ({error})"
            ) from error
        except KeyError:
            names = (
                ", ".join(f"{f.package}.{m.name}".strip(".") for f in files.file for m in f.message_type) or "nothing"
            )
            raise ProfileError(f"frame.codecs: the descriptor has no message {message!r}, but {names}") from None

    def decode(self, value: Any) -> list[Any]:
        """The message as a table; fields that are not set are absent."""
        message = self._type()
        try:
            message.ParseFromString(as_bytes(value, "protobuf"))
            return [self._format.MessageToDict(message, preserving_proto_field_name=True)]
        except (self._error, ValueError, RecursionError, self._format.Error) as error:
            raise UndecodableError(f"not such a protobuf message: {error}") from error

    def encode(self, value: Any) -> Any:
        """The bytes of a message."""
        try:
            return self._format.ParseDict(value, self._type()).SerializeToString()
        except (self._format.ParseError, ValueError, TypeError) as error:
            raise UndecodableError(f"cannot be sent as protobuf: {error}") from error
