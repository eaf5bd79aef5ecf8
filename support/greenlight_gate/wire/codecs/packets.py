"""Codecs of packets: Engine.IO with Socket.IO in it, and Jupyter's binary messages."""

import json
import re
import struct
from itertools import pairwise
from typing import Any

import msgspec

from greenlight_gate.wire.codecs.base import NotThereError, UndecodableError
from greenlight_gate.wire.codecs.texts import as_bytes

_decode = msgspec.json.decode
_ENGINE = {"0": "open", "1": "close", "2": "ping", "3": "pong", "4": "message", "5": "upgrade", "6": "noop"}
_SOCKET = {"0": "connect", "1": "disconnect", "2": "event", "3": "ack", "4": "connect_error"}
_ENGINE_CODES = {name: code for code, name in _ENGINE.items()}
_SOCKET_CODES = {name: code for code, name in _SOCKET.items()}
_HEAD = re.compile(r"(?:(/[^,]*),)?(\d{1,18})?", re.ASCII)


class SocketIo:
    """Engine.IO 4 packets and the Socket.IO 5 packets in them, as text frames.

    A value is { engine = "ping" }, { engine = "open", data = {...} } or, of a message, { engine = "message",
    socket = "event", namespace = "/", ack = 1, event = "NAME", args = [...], data = args[0] }.
    """

    binary = False

    def __init__(self, _: str = "") -> None:
        pass

    def decode(self, value: Any) -> list[Any]:
        """One packet."""
        text = as_bytes(value, "socketio").decode(errors="replace")
        engine = _ENGINE.get(text[:1])
        if engine is None:
            raise NotThereError("no Engine.IO packet: it begins with a digit from 0 to 6")
        rest = text[1:]
        if engine != "message":
            return [{"engine": engine, "data": _json(rest)} if rest else {"engine": engine}]
        socket = _SOCKET.get(rest[:1])
        if socket is None:
            raise UndecodableError(f"Socket.IO packets of type {rest[:1] or 'nothing'} are not supported")
        head = _HEAD.match(rest, 1)
        assert head is not None
        packet: dict[str, Any] = {"engine": engine, "socket": socket, "namespace": head[1] or "/"}
        if head[2] is not None:
            packet["ack"] = int(head[2])
        data = _json(rest[head.end():]) if rest[head.end():] else None  # fmt: skip
        if socket in ("event", "ack"):
            if not isinstance(data, list) or (socket == "event" and not data):
                raise UndecodableError(f"a Socket.IO {socket} holds a list")
            args = data[1:] if socket == "event" else data
            packet |= {"args": args, "data": args[0] if args else None}
            packet |= {"event": data[0]} if socket == "event" else {}
        elif data is not None:
            packet["data"] = data
        return [packet]

    def encode(self, value: Any) -> Any:
        """A packet as text. `engine` is "message" and `socket` is "event" unless they are given."""
        if not isinstance(value, dict):
            raise UndecodableError('socketio sends a table such as { event = "chat", args = [...] }')
        engine = value.get("engine", "message")
        if engine not in _ENGINE_CODES:
            raise UndecodableError(f"no Engine.IO packet is called {engine!r}")
        if engine != "message":
            return _ENGINE_CODES[engine] + (_text(value["data"]) if value.get("data") is not None else "")
        socket = value.get("socket", "event")
        if socket not in _SOCKET_CODES:
            raise UndecodableError(f"no Socket.IO packet is called {socket!r}")
        namespace = value.get("namespace", "/")
        head = f"4{_SOCKET_CODES[socket]}" + (f"{namespace}," if namespace != "/" else "")
        head += str(value["ack"]) if value.get("ack") is not None else ""
        if socket == "event":
            return head + _text([value.get("event"), *value.get("args", [])])
        data = value.get("args", []) if socket == "ack" else value.get("data")
        return head + (_text(data) if data is not None else "")


def _json(text: str) -> Any:
    try:
        return _decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UndecodableError(f"the packet's data is not JSON: {error}") from error


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class JupyterV1:
    """Jupyter's binary messages, subprotocol v1.kernel.websocket.jupyter.org.

    Little-endian 64-bit numbers: how many offsets there are, and the offsets of channel, header, parent_header,
    metadata, content and the buffers, and of the end.
    """

    binary = True
    _PARTS = ("header", "parent_header", "metadata", "content")

    def __init__(self, _: str = "") -> None:
        pass

    def decode(self, value: Any) -> list[Any]:
        """One message, as the text protocol has it; the buffers are counted."""
        data = as_bytes(value, "jupyter-v1")
        if len(data) < 8:
            raise NotThereError("too short for a Jupyter message")
        (count,) = struct.unpack_from("<Q", data)
        if not 6 <= count <= len(data) // 8 - 1:
            raise NotThereError(f"no Jupyter message: {count} offsets in {len(data)} bytes")
        offsets = struct.unpack_from(f"<{count}Q", data, 8)
        if any(after < before for before, after in pairwise(offsets)) or offsets[-1] > len(data):
            raise UndecodableError("the offsets of a Jupyter message do not ascend or lie beyond its end")
        parts = [data[begin:end] for begin, end in pairwise(offsets)]
        try:
            message = {name: _decode(part) for name, part in zip(self._PARTS, parts[1:5], strict=True)}
            channel = parts[0].decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UndecodableError(f"a part of a Jupyter message cannot be read: {error}") from error
        header = message["header"]
        kind = header.get("msg_type") if isinstance(header, dict) else None
        return [{"channel": channel, **message, "msg_type": kind, "buffers": len(parts) - 5}]

    def encode(self, value: Any) -> Any:
        """The bytes of a message without buffers."""
        if not isinstance(value, dict) or "channel" not in value:
            raise UndecodableError("jupyter-v1 sends a table with channel, header and content")
        parts = [str(value["channel"]).encode()]
        parts += [json.dumps(value.get(name, {}), ensure_ascii=False).encode() for name in self._PARTS]
        offsets = [8 * (len(parts) + 2)]
        for part in parts:
            offsets.append(offsets[-1] + len(part))
        return struct.pack("<Q", len(offsets)) + struct.pack(f"<{len(offsets)}Q", *offsets) + b"".join(parts)
