"""Codecs of text: JSON, lines of JSON, server-sent events, base64, and JSON-RPC 2.0."""

import base64
import binascii
import json
from typing import Any

import msgspec

from greenlight_gate.wire.codecs.base import NotThereError, UndecodableError
from greenlight_gate.wire.values import MISSING, replaced, walk

_decode = msgspec.json.decode
_SSE_FIELDS = (b"event:", b"data:", b"id:", b"retry:", b":")


def as_bytes(value: Any, what: str) -> bytes:
    """The bytes of a value that may be text already. Raises NotThereError for anything else."""
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise NotThereError(f"{what} is read from text, and a {type(value).__name__} came")


class Json:
    """JSON; with an argument, the text at that path holds JSON: `json:payload`."""

    binary = False

    def __init__(self, path: str = "") -> None:
        self.path = path

    def decode(self, value: Any) -> list[Any]:
        """One JSON value."""
        if not self.path:
            return [_json(as_bytes(value, "JSON"), "the frame")]
        held = walk(value, self.path)
        if not isinstance(held, str):
            raise NotThereError(f"no text at {self.path}")
        return [replaced(value, self.path, _json(held.encode(errors="surrogatepass"), self.path))]

    def encode(self, value: Any) -> Any:
        """Compact enough, and readable."""
        if not self.path:
            return json.dumps(value, ensure_ascii=False)
        held = walk(value, self.path)
        return value if held is MISSING else replaced(value, self.path, json.dumps(held, ensure_ascii=False))


def _json(data: bytes, where: str) -> Any:
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UndecodableError(f"{where} is not JSON: {error}") from error


class JsonOrText(Json):
    """JSON where it is JSON; any other text as { text = "..." }, and back."""

    def __init__(self, _: str = "") -> None:
        super().__init__()

    def decode(self, value: Any) -> list[Any]:
        """One JSON value, or the text."""
        data = as_bytes(value, "text")
        try:
            return [_decode(data)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return [{"text": data.decode(errors="replace")}]

    def encode(self, value: Any) -> Any:
        """A table with nothing but a text is that text."""
        alone = isinstance(value, dict) and list(value) == ["text"] and isinstance(value["text"], str)
        return value["text"] if alone else super().encode(value)


class Lines:
    """Newline-delimited JSON: each line that is not empty is a value of its own."""

    binary = False

    def __init__(self, _: str = "") -> None:
        pass

    def decode(self, value: Any) -> list[Any]:
        """The lines, as bytes."""
        return [line for line in as_bytes(value, "ndjson").splitlines() if line.strip()]

    def encode(self, value: Any) -> Any:
        """One line."""
        return as_bytes(value, "ndjson").decode() + "\n"


class Sse:
    """Server-sent events inside of frames (WHATWG HTML, section 9.2.6): the data of each event."""

    binary = False
    envelope = False

    def __init__(self, _: str = "") -> None:
        pass

    def decode(self, value: Any) -> list[Any]:
        """The data of each event in the frame, as bytes."""
        data = as_bytes(value, "sse")
        if not data.lstrip().startswith(_SSE_FIELDS):
            raise NotThereError("no server-sent event")
        events = [self._event(block) for block in _blocks(data)]
        return [event for event in events if event is not None]

    def _event(self, lines: list[bytes]) -> Any:
        fields: dict[bytes, list[bytes]] = {}
        for line in lines:
            name, colon, rest = line.partition(b":")
            if colon and not name:
                continue
            fields.setdefault(name, []).append(rest.removeprefix(b" "))
        if b"data" not in fields:
            return None
        data = b"\n".join(fields[b"data"])
        return self._decoded(fields, data)

    def _decoded(self, _: dict[bytes, list[bytes]], data: bytes) -> Any:
        return data

    def encode(self, value: Any) -> Any:
        """One event without a name."""
        text = as_bytes(value, "sse").decode()
        return "".join(f"data: {line}\n" for line in text.split("\n")) + "\n"


class SseEnvelope(Sse):
    """The same with the event's name: { event, id, data }, the data as JSON where it is JSON, else as text."""

    def _decoded(self, fields: dict[bytes, list[bytes]], data: bytes) -> Any:
        try:
            held: Any = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            held = data.decode(errors="replace")
        named = {name: fields[name.encode()][-1].decode(errors="replace") for name in ("event", "id")
                if name.encode() in fields}  # fmt: skip
        return {**named, "data": held}

    def encode(self, value: Any) -> Any:
        """One event, with its name if it has one."""
        if not isinstance(value, dict):
            raise UndecodableError("sse-envelope sends a table with event and data")
        name = f"event: {value['event']}\n" if "event" in value else ""
        return f"{name}data: {json.dumps(value.get('data'), ensure_ascii=False)}\n\n"


def _blocks(data: bytes) -> list[list[bytes]]:
    blocks: list[list[bytes]] = [[]]
    for line in data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        if line:
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]


class Base64:
    """Base64 around the whole frame, or around the text at a path, which then holds JSON: `base64:data.body`."""

    binary = False

    def __init__(self, path: str = "") -> None:
        self.path = path

    def decode(self, value: Any) -> list[Any]:
        """The bytes inside, or the value with what was wrapped in it."""
        if not self.path:
            return [_unwrapped(as_bytes(value, "base64"))]
        held = walk(value, self.path)
        if not isinstance(held, str):
            raise NotThereError(f"no text at {self.path}")
        return [replaced(value, self.path, _json(_unwrapped(held.encode(errors="replace")), self.path))]

    def encode(self, value: Any) -> Any:
        """The way back."""
        if not self.path:
            return base64.b64encode(as_bytes(value, "base64")).decode()
        held = walk(value, self.path)
        if held is MISSING:
            return value
        return replaced(value, self.path, base64.b64encode(json.dumps(held, ensure_ascii=False).encode()).decode())


def _unwrapped(data: bytes) -> bytes:
    try:
        return base64.b64decode(data.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotThereError(f"not base64: {error}") from error


class JsonRpc:
    """JSON-RPC 2.0 envelopes: a batch is taken apart, and `jsonrpc` is added to what is sent."""

    binary = False

    def __init__(self, _: str = "") -> None:
        pass

    def decode(self, value: Any) -> list[Any]:
        """Each message of a batch, or the one that there is."""
        messages = value if isinstance(value, list) else [value]
        for message in messages:
            if not isinstance(message, dict) or not ({"method", "result", "error"} & message.keys()):
                raise NotThereError("no JSON-RPC message: neither method, result nor error")
        return messages

    def encode(self, value: Any) -> Any:
        """The message with its version."""
        return {"jsonrpc": "2.0", **value} if isinstance(value, dict) else value
