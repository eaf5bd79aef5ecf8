"""Recorded frames as a draft needs them: the messages of each connection in their order, decoded."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from greenlight_gate.trace import LEAST_ERROR
from greenlight_gate.wire.by_http import SentTo, content_type, data_of, framing_of, is_event, sent_by_http
from greenlight_gate.wire.capture import CaptureError
from greenlight_gate.wire.codecs import UndecodableError
from greenlight_gate.wire.codecs.chain import CodecChain
from greenlight_gate.wire.event_stream import StreamError

_CHAINS = (["json"], ["sse?", "json"], ["socketio"], ["ndjson", "json"], ["jupyter-v1"], ["base64", "json"])
# Everything can be read as text, so that it is drafted only for short texts among JSON, such as heartbeats.
_WITH_TEXTS = ["json-or-text"]
_SHORT = 12
_ENVELOPE = ["sse-envelope"]
# What ends many event streams: no JSON, but one word in brackets.
_MARK = re.compile(rb"\[[A-Z_ ]+\]")
_NO_NAMES = frozenset({"", "message"})
# Where a message says itself what it is.
_KINDS = ("type", "event", "kind", "method", "action", "op", "name")
_MOST_PATHS = 400


class Message(NamedTuple):
    """One message, or one HTTP request before or after the messages of its connection.

    `way`: in, out or http. `value`: decoded; of http { method, url, status, body, resp }. `prompt`: what it asked, if
    that was recorded. `user`: whose connection it is. `address`: where it went, if it was sent by HTTP.
    """

    way: str
    value: Any
    prompt: str = ""
    user: str = ""
    address: SentTo | None = None


class Recording:
    """The messages of a capture by connection. `unread`: how many that came could not be read with `codecs`.

    `transport` is that of a profile's [connection]; `opening` what opened the channel, if that is known. `errors`: the
    bodies of answers by HTTP with an error status, as far as they are JSON.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        raw = [_raw(number, line) for number, line in enumerate(lines, 1) if line.strip()]
        opened = [each for each in raw if each.opens]
        self.opening = next((each.address for each in opened if each.address is not None), None)
        framings = [framing for each in raw if (framing := framing_of(each.media)) and not each.opens]
        is_posted = any(each.way == "out" and each.address is not None and not each.beside for each in raw)
        self.transport = "channel" if opened else framings[0] if framings else "sse" if is_posted else "websocket"
        self.errors = [each.error for each in raw if isinstance(each.error, dict)]
        came = [each.data for each in raw if each.way == "in"]
        self.codecs = _codecs_of_events(came) if self.by_http and any(map(_is_event, came)) else _codecs(came)
        self.connections: dict[str, list[Message]] = {}
        self.unread = 0
        chain = CodecChain(self.codecs)
        for each in raw:
            if each.way:
                self.connections.setdefault(each.connection, []).extend(self._messages(each, chain))

    def _messages(self, raw: "_Raw", chain: CodecChain) -> Iterator[Message]:
        if raw.way == "http":
            yield Message("http", raw.value, user=raw.user)
        elif raw.way == "out":
            sent = (_once(value, "data") for value in _sent(raw, chain))
            yield from (Message("out", value, raw.prompt, raw.user, raw.address) for value in sent)
        else:
            is_bare = self.by_http and self.codecs != _ENVELOPE and _is_event(raw.data)
            try:
                parts = [
                    part for data in (_data_of(raw.data) if is_bare else [raw.data]) for part in chain.decode(data)
                ]
            except UndecodableError:
                self.unread += 1
                return
            came = (_once(part, "args") for part in parts if isinstance(part, dict | list) and part)
            yield from (Message("in", part, user=raw.user) for part in came)

    @property
    def by_http(self) -> bool:
        """Whether each message was a request of its own."""
        return self.transport != "websocket"

    @property
    def came(self) -> list[Any]:
        """All values that came."""
        return [each.value for messages in self.connections.values() for each in messages if each.way == "in"]

    @property
    def with_messages(self) -> int:
        """How many connections received something."""
        return sum(any(each.way == "in" for each in messages) for messages in self.connections.values())


class _Raw(NamedTuple):
    connection: str
    user: str
    way: str
    data: bytes
    value: Any
    prompt: str
    recorded: bool
    # Where it went by HTTP, and whether beside a connection of another kind; the content type of an answer; whether it
    # opened a channel.
    address: SentTo | None = None
    beside: bool = False
    media: str = ""
    opens: bool = False
    error: Any = None


def _raw(number: int, line: bytes) -> _Raw:
    try:
        entry = json.loads(line)
        if "record" in entry:
            way = {"received": "in", "sent": "out"}.get(entry["record"], "")
            data = entry.get("text", entry.get("data"))
            connection, binary, prompt = str(entry["connection"]), bool(entry.get("binary")), ""
            if entry.get("what") == "start":
                prompt = str((entry.get("expect") or {}).get("prompt", ""))
        else:
            way, data, prompt = entry.get("dir", ""), entry.get("data"), ""
            connection, binary = str(entry.get("conn", "c1")), entry.get("kind") == "binary"
        if way == "http" and not isinstance(data, dict):
            raise TypeError("the data of a request is an object")  # noqa: TRY301 -- said with the number of the line
        raw = _bytes(data, binary=binary and isinstance(data, str)) if way in ("in", "out") else b""
        if way == "in" and binary and not isinstance(data, str):
            raise TypeError("a binary frame is base64")  # noqa: TRY301 -- as above
    except (ValueError, TypeError, AttributeError, KeyError, binascii.Error, RecursionError) as error:
        raise CaptureError(f"line {number}: expected a recorded frame as JSON, got {line[:60]!r} ({error})") from error
    known = way if way in ("in", "out", "http") else ""
    found = _Raw(connection, str(entry.get("user", connection)), known, raw, data, prompt, "record" in entry)
    return _by_http(found, entry)


def _by_http(raw: _Raw, entry: Mapping[str, Any]) -> _Raw:
    """The same with what the entry says of HTTP."""
    kind = entry.get("record")
    if kind == "sent" and isinstance(raw.value, str) and (sent := sent_by_http(raw.value)) is not None:
        return raw._replace(value=sent[1], address=sent[0])
    if kind in ("opened", "responded"):
        media = content_type(map(str, entry.get("headers") or ()))
        is_stream = framing_of(media) is not None
        if kind == "opened":
            return raw._replace(media=media, opens=is_stream)
        if entry.get("status", 0) >= LEAST_ERROR:
            return raw._replace(error=_as_json(str(entry.get("body", ""))))
        return raw._replace(media="" if entry.get("to") else media, beside=bool(entry.get("to")))
    asked = entry.get("http") if raw.way == "out" else raw.value if raw.way == "http" else None
    if not isinstance(asked, dict):
        return raw
    media = str(asked.get("type", ""))
    if raw.way == "out" and asked.get("status", 0) >= LEAST_ERROR:
        raw = raw._replace(error=_as_json(asked["resp"]) if isinstance(asked.get("resp"), str) else asked.get("resp"))
    address = SentTo(str(asked.get("method", "POST")), str(asked.get("url", "")))
    return raw._replace(address=address, media=media, opens=raw.way == "http" and framing_of(media) is not None)


def _bytes(data: Any, *, binary: bool) -> bytes:
    if binary:
        return base64.b64decode(data, validate=True)
    return (data if isinstance(data, str) else json.dumps(data)).encode(errors="surrogatepass")


def _sent(raw: _Raw, chain: CodecChain) -> list[Any]:
    """The values in a message that was sent; the suite's own records have them as JSON, each in a line."""
    if raw.address is not None and isinstance(raw.value, str):
        return [_as_json(raw.value)] if raw.value else []
    if raw.recorded and isinstance(raw.value, str):
        return [_as_json(line) for line in raw.value.splitlines()]
    if not isinstance(raw.value, str):
        return [raw.value]
    try:
        return chain.decode(raw.data)
    except UndecodableError:
        return [_as_json(raw.value)]  # what the codecs cannot read may still ask something


def _once(value: Any, copy: str) -> Any:
    """A packet of Socket.IO without one of the two places in which its argument stands."""
    twice = isinstance(value, dict) and "args" in value and value["args"] == [value.get("data")]
    return {name: item for name, item in value.items() if name != copy} if twice else value


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _codecs(came: Sequence[bytes]) -> list[str]:
    """The chain that reads most of these frames."""
    read = {tuple(names): [_reads(CodecChain(names), data) for data in came] for names in _CHAINS}
    best = max(read, key=lambda names: sum(read[names]))
    unread = [data for data, well in zip(came, read["json",], strict=True) if not well]
    texts = [
        data for data in unread
        if len(data) <= _SHORT and (not data.startswith((b"{", b"[")) or _MARK.fullmatch(data))
    ]  # fmt: skip
    if best == ("json",) and texts == unread and 0 < len(texts) < len(came) - len(texts):
        return _WITH_TEXTS
    return list(best)


def _is_event(data: bytes) -> bool:
    return is_event(data.decode(errors="replace"))


def _data_of(data: bytes) -> list[bytes]:
    try:
        return [text.encode() for text in data_of(data.decode(errors="replace"))]
    except StreamError:
        return [data]


def _codecs_of_events(came: Sequence[bytes]) -> list[str]:
    """The chain for events with their fields: with the names of the events, where these say more than their data."""
    chain = CodecChain(_ENVELOPE)
    events = [part for data in came if _is_event(data) for part in chain.decode(data) if isinstance(part, dict)]
    named = [event for event in events if isinstance(event.get("data"), dict)]
    names = {str(event.get("event", "")) or "message" for event in named or events}
    held = [event["data"] for event in named]
    said = max(
        (len({str(data[kind]) for data in held if isinstance(data.get(kind), str)}) for kind in _KINDS), default=0
    )
    if names - _NO_NAMES and len(names) > max(said, 1):
        return list(_ENVELOPE)
    return _codecs([part for data in came for part in (_data_of(data) if _is_event(data) else [data])])


def _reads(chain: CodecChain, data: bytes) -> bool:
    try:
        return any(isinstance(part, dict | list) for part in chain.decode(data))
    except UndecodableError:
        return False


def leaves(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Path and value of all that is no table: of lists, what stands in the first and the last item."""
    found: list[tuple[str, Any]] = []
    for leaf in _leaves(value, prefix):
        found.append(leaf)
        if len(found) >= _MOST_PATHS:
            break
    return found


def _leaves(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            # No profile can name another one, and none goes to a terminal or into a text of TOML as it is.
            if name.isprintable() and not re.search(r"[.\s\"\\$]", name) and name:
                yield from _leaves(item, f"{prefix}{name}.")
    elif isinstance(value, list) and value:
        # A frame that is itself a list has a fixed form; the items of another list are alike.
        indices = range(len(value)) if not prefix else (0, -1) if len(value) > 1 else (0,)
        for index in indices:
            yield from _leaves(value[index], f"{prefix}{index}.")
    elif prefix:
        yield prefix[:-1], value
