"""A browser's export of its network traffic (HAR) as a capture, without credentials.

Of it, the frames of WebSockets, and without any the requests by HTTP whose answers stream.
HAR 1.2 knows no frames. Chromium, Edge, Playwright and mitmproxy add `_webSocketMessages` to the entry of a connection:
[{ type: "send" | "receive" | "error", time (epoch seconds), opcode, data }], binary data (opcode 2) as base64.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import msgspec

from greenlight_gate.wire.by_http import Framing, framing_of, messages_of
from greenlight_gate.wire.capture import CaptureError
from greenlight_gate.wire.credentials import Credentials
from greenlight_gate.wire.drafting.recording import leaves
from greenlight_gate.wire.event_stream import StreamError

# All of the page's connections are of the one user who was signed in.
USER = "browser"
_EXPORT = "in Chromium or Edge: F12, Network, reload the page, ask a question, 'Export HAR'"
# Below it, a time is in seconds; other exporters count milliseconds, microseconds or nanoseconds.
_LATEST_S = 1e11
_TEXT, _BINARY, _CLOSE = 1, 2, 8
# What may be an id that a later request repeats, in characters.
_LEAST_ID = 6


class _Pair(msgspec.Struct):
    name: str = ""
    value: Any = ""


class _Body(msgspec.Struct):
    text: str | None = ""
    type: str = msgspec.field(default="", name="mimeType")
    encoding: str = ""

    @property
    def data(self) -> bytes:
        """Its bytes. Raises ValueError."""
        text = self.text or ""
        return base64.b64decode(text, validate=True) if self.encoding == "base64" else text.encode(errors="replace")


class _HttpHead(msgspec.Struct):
    url: str = ""
    method: str = ""
    status: int = 0
    headers: list[_Pair] = []
    cookies: list[_Pair] = []
    sent: _Body | None = msgspec.field(default=None, name="postData")
    content: _Body = msgspec.field(default_factory=_Body)


class _Timings(msgspec.Struct):
    wait: float | None = 0
    receive: float | None = 0


class _Entry(msgspec.Struct):
    started: str = msgspec.field(default="", name="startedDateTime")
    timings: _Timings = msgspec.field(default_factory=_Timings)
    request: _HttpHead = msgspec.field(default_factory=_HttpHead)
    response: _HttpHead = msgspec.field(default_factory=_HttpHead)
    kind: str | None = msgspec.field(default=None, name="_resourceType")
    messages: list[dict[str, Any]] | None = msgspec.field(default=None, name="_webSocketMessages")


class _Log(msgspec.Struct):
    entries: list[_Entry]


class _Har(msgspec.Struct):
    log: _Log


_decoder = msgspec.json.Decoder(_Har, strict=False)


class HarCapture(NamedTuple):
    """The lines of a capture, how many connections and frames they hold, and how many credentials were replaced.

    `opened`: of WebSockets, the paths that were opened, each with the names in its query; "" for none.
    """

    lines: list[bytes]
    connections: int
    frames: int
    credentials: int
    opened: str = ""


class _Frame(NamedTuple):
    connection: str
    way: str
    at: float
    text: str | None
    data: bytes
    # Of a request by HTTP: its address, and what was answered.
    http: dict[str, Any] | None = None


Redact = Callable[[Mapping[str, str]], Callable[[bytes], bytes]]


def capture_of(har: bytes, redact: Redact, url: str = "") -> HarCapture:
    """The capture of the connections, or of the answers that stream, of a HAR file whose url contains `url`.

    Credentials are replaced.

    `redact` gets the credentials that were found (value: name), and returns what replaces them in bytes, in each of
    their forms. Raises CaptureError: one line that says what came, and the next step.
    """
    talked = _entries(har)
    entries = [entry for entry in talked if url in entry.request.url]
    if not entries:
        hosts = ", ".join(sorted({_host(entry.request.url) for entry in talked})[:5])
        raise CaptureError(f"expected a connection whose url contains {url!r}, got connections to {hosts}")
    credentials = Credentials()
    for entry in entries:
        credentials.url(entry.request.url)
        for head in (entry.request, entry.response):
            credentials.headers((pair.name, pair.value) for pair in head.headers if isinstance(pair.value, str))
            credentials.cookies((pair.name, pair.value) for pair in head.cookies if isinstance(pair.value, str))
    found = _frames(entries) if _is_socket(entries[0]) else _streams(entries, _all_entries(har))
    frames = sorted(found, key=lambda frame: frame.at)
    for frame in frames:
        credentials.frame(_readable(frame), sent=frame.way == "out")
    if not frames:
        raise CaptureError(f"expected text or binary frames, got only errors and pings; {_EXPORT}")
    replace = redact(credentials.found)
    # All lines at once: what is looked for are many forms of each credential.
    lines = replace(b"\n".join(_line(frame, frames[0].at, credentials, replace) for frame in frames)).split(b"\n")
    connections = len({frame.connection for frame in frames})
    opened = dict.fromkeys(map(_opened, entries)) if _is_socket(entries[0]) else ()
    said = replace("; ".join(opened).encode()).decode()
    return HarCapture(lines, connections, len(frames), len(credentials.found), said)


def _entries(har: bytes) -> list[_Entry]:
    """The entries with frames, or else those that stream. Raises CaptureError if there are none."""
    entries = _all_entries(har)
    sockets = [entry for entry in entries if _is_socket(entry)]
    talked = [entry for entry in sockets if entry.messages]
    streams = [entry for entry in entries if _framing(entry) and not _is_socket(entry)]
    if streams and not talked:
        return _with_bodies(streams)
    if not sockets:
        raise CaptureError(
            f"expected a WebSocket connection, or an answer that streams, got {len(entries)} entries without one; "
            f"{_EXPORT}"
        )
    if not talked:
        raise CaptureError(
            f"expected frames (_webSocketMessages), got {len(sockets)} WebSocket entries without any: this browser "
            f"exports none; {_EXPORT}"
        )
    return talked


def _all_entries(har: bytes) -> list[_Entry]:
    try:
        return _decoder.decode(har.removeprefix(b"\xef\xbb\xbf")).log.entries
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise CaptureError(_no_har(har, error)) from error


# Requests by HTTP ---------------------------------------------------------------------------------------------------

_OTHER_WAY = "save what `curl -N` prints (greenlight profile capture --help), or let greenlight init send a --message"


def _media(entry: _Entry) -> str:
    named = (pair.value for pair in entry.response.headers if pair.name.lower() == "content-type")
    return str(next(named, "") or entry.response.content.type)


def _framing(entry: _Entry) -> Framing | None:
    return framing_of(_media(entry))


def _with_bodies(streams: list[_Entry]) -> list[_Entry]:
    """The requests that were answered with a stream that was exported. Raises CaptureError."""
    found = [entry for entry in streams if entry.response.content.text and entry.request.sent is not None]
    if found:
        return found
    if all(entry.request.sent is None for entry in streams):
        raise CaptureError(
            f"expected a request with a body whose answer streams, got only {streams[0].request.method} of "
            f"{_path(streams[0])}: what comes on a stream that stays open stands in no HAR file; {_OTHER_WAY}"
        )
    raise CaptureError(
        f"expected the text of the answer of {_path(streams[0])}, got none: this browser exports no streams; "
        f"{_OTHER_WAY}"
    )


def _path(entry: _Entry) -> str:
    return urlsplit(entry.request.url).path or "/"


def _opened(entry: _Entry) -> str:
    """The path of a connection, and the names in its query: values may be credentials."""
    names = [name for name, _ in parse_qsl(urlsplit(entry.request.url).query, keep_blank_values=True)]
    return f"{_path(entry)} (query: {', '.join(names)})" if names else _path(entry)


def _streams(asked: list[_Entry], entries: list[_Entry]) -> Iterator[_Frame]:
    """The requests and the messages of their answers: each on the first connection whose answer is over."""
    over: list[float] = []
    for entry in sorted(asked, key=_began):
        began, waited = _began(entry), max(entry.timings.wait or 0, 0) / 1e3
        lasted = max(entry.timings.receive or 0, 0) / 1e3
        at = next((number for number, end in enumerate(over) if end <= began), len(over))
        over[at : at + 1] = [began + waited + lasted]
        connection = f"c{at + 1}"
        framing, sent = _framing(entry), entry.request.sent
        assert framing is not None
        assert sent is not None
        if at == 0:
            yield from _needed_before(entry, entries, connection)
        http = {
            "method": entry.request.method,
            "url": _path(entry),
            "status": entry.response.status,
            "type": _media(entry),
        }
        yield _Frame(connection, "out", began, sent.text or "", b"", http)
        try:
            messages = messages_of(entry.response.content.data, framing)
        except (ValueError, StreamError) as error:
            raise CaptureError(f"the answer of {_path(entry)}: cannot be read ({error}); export it again") from error
        for number, message in enumerate(messages, 1):
            yield _Frame(connection, "in", began + waited + lasted * number / len(messages), message, b"")


def _began(entry: _Entry) -> float:
    try:
        return datetime.fromisoformat(entry.started).timestamp()
    except ValueError:
        return 0.0


def _needed_before(asked: _Entry, entries: list[_Entry], connection: str) -> Iterator[_Frame]:
    """The requests before it that gave a value which it sends."""
    sends = f"{asked.request.url} {asked.request.sent.text if asked.request.sent is not None else ''}"
    for entry in entries:
        if _began(entry) > _began(asked) or entry is asked or _host(entry.request.url) != _host(asked.request.url):
            continue
        given = _json_of(entry.response.content)
        values = [value for _, value in leaves(given) if isinstance(value, str) and len(value) >= _LEAST_ID]
        if any(value in sends for value in values):
            body = _json_of(entry.request.sent) if entry.request.sent is not None else None
            data = {"method": entry.request.method, "url": _path(entry), "status": entry.response.status}
            text = json.dumps({**data, "body": body, "resp": given}, ensure_ascii=False)
            yield _Frame(connection, "http", _began(entry), text, b"")


def _json_of(body: _Body) -> Any:
    try:
        return json.loads(body.data)
    except (ValueError, RecursionError):
        return None


# Frames -------------------------------------------------------------------------------------------------------------


def _is_socket(entry: _Entry) -> bool:
    return (
        entry.messages is not None
        or entry.kind == "websocket"
        or entry.request.url.startswith(("ws:", "wss:"))
    )  # fmt: skip


def _no_har(data: bytes, error: Exception) -> str:
    start = data.lstrip()[:200].lower()
    if not start:
        return f"expected a HAR file, got an empty file; {_EXPORT}"
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<")):
        return f"expected a HAR file, which is JSON, got a page (HTML or XML); {_EXPORT}"
    if start[:1] not in (b"{", b"\xef"):
        return f"expected a HAR file, which is JSON, got {data[:20]!r}; {_EXPORT}; unpack an archive first"
    if b'"dir"' in start or b'"record"' in start:
        return "expected a HAR file, got a capture, which needs no conversion: greenlight profile draft FILE"
    if isinstance(error, msgspec.ValidationError):
        return f"expected a HAR file (log.entries), got other JSON ({error}); {_EXPORT}"
    return f"expected a whole HAR file, got broken JSON after {len(data)} bytes ({error}); export or copy it again"


def _frames(entries: list[_Entry]) -> Iterator[_Frame]:
    for number, entry in enumerate(entries, 1):
        for place, message in enumerate(entry.messages or (), 1):
            frame = _frame(f"c{number}", message, f"message {place} of {_host(entry.request.url)}")
            if frame is not None:
                yield frame


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "a connection"
    except ValueError:
        return "a connection"


def _frame(connection: str, message: dict[str, Any], where: str) -> _Frame | None:
    """The frame of a message; None for what is none: a ping, a pong, an error of the browser."""
    kind, data, opcode = message.get("type"), message.get("data"), message.get("opcode", _TEXT)
    if kind == "error" or opcode not in (0, _TEXT, _BINARY, _CLOSE):
        return None
    way = {"send": "out", "receive": "in"}.get(str(kind))
    at = message.get("time", 0)
    if way is None or not isinstance(data, str) or not isinstance(at, int | float):
        raise CaptureError(
            f"{where}: expected type send or receive, a time and data as text, got {str(message)[:80]!r}; "
            "export it again"
        )
    while at > _LATEST_S:
        at /= 1_000
    if opcode == _CLOSE:
        return _Frame(connection, "ctl", at, None, b"")
    if opcode != _BINARY:
        return _Frame(connection, way, at, data, b"")
    try:
        return _Frame(connection, way, at, None, base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError) as error:
        raise CaptureError(
            f"{where}: expected a binary frame as base64, got {data[:30]!r} ({error}); export it again"
        ) from error


def _readable(frame: _Frame) -> str:
    return frame.data.decode(errors="replace") if frame.text is None else frame.text


_HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")


def _line(
    frame: _Frame, begun_at: float, credentials: Credentials, replace: Callable[[bytes], bytes]
) -> bytes:  # fmt: skip
    line: dict[str, Any] = {"conn": frame.connection, "user": USER, "dir": frame.way}
    if frame.way == "ctl":
        line["data"] = {"code": 1005, "reason": ""}
    elif frame.text is None:
        line |= {"kind": "binary", "data": base64.b64encode(replace(frame.data)).decode()}
    else:
        text = _HALF_OF_A_PAIR.sub("\ufffd", credentials.without_named(frame.text, sent=frame.way == "out"))
        line |= {"kind": "text", "data": json.loads(text) if frame.way == "http" else _value(text)}
        line |= {"http": frame.http} if frame.http is not None else {}
    line |= {"t": round(frame.at, 6), "dt": round(frame.at - begun_at, 6)}
    return json.dumps(line, ensure_ascii=False).encode()


def _value(text: str) -> Any:
    """The JSON object or list of a text that is exactly one as browsers write it; else the text as it is."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    same = isinstance(value, dict | list) and json.dumps(value, ensure_ascii=False, separators=(",", ":")) == text
    return value if same else text
