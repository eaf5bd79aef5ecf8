"""How captures say what was sent and received by HTTP: the address of a message, and the framing of its answer."""

import json
import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from greenlight_gate.wire.event_stream import EventStream, LineStream

Framing = Literal["sse", "ndjson"]
MEDIA_TYPES: dict[Framing, tuple[str, ...]] = {
    "sse": ("text/event-stream",),
    "ndjson": ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"),
}
_SENT = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/\S*|\S+://\S+)(?: (.*))?", re.DOTALL)
_FIELD = re.compile(r"(?:event|data|id|retry)(?::|\Z)|:")


class SentTo(NamedTuple):
    """Where a message goes."""

    method: str
    path: str


def framing_of(media_type: str) -> Framing | None:
    """How an answer of this content type streams; None where it does not."""
    essence = media_type.partition(";")[0].strip().lower()
    return next((framing for framing, types in MEDIA_TYPES.items() if essence in types), None)


def content_type(headers: Iterable[str]) -> str:
    """The content type among headers as the trace has them, "name: value"; "" for none."""
    pairs = (header.partition(":") for header in headers)
    return next((value.strip() for name, _, value in pairs if name.strip().lower() == "content-type"), "")


def sent_by_http(text: str) -> tuple[SentTo, str] | None:
    """The address and the body of what the trace says was sent by HTTP, "POST /chat {...}"; None for a frame."""
    found = _SENT.fullmatch(text)
    return (SentTo(found[1], found[2]), found[3] or "") if found else None


def is_event(text: str) -> bool:
    """Whether a text is an event of an event stream, with its fields, and not only its data."""
    return _FIELD.match(text) is not None and text.endswith(("\n", "\r"))


def data_of(text: str) -> list[str]:
    """The data of the events in a text. Raises StreamError."""
    events = EventStream(len(text) * 4).feed(text.encode(errors="surrogatepass"))
    return [event.data.decode(errors="replace") for event in events]


def messages_of(body: bytes, framing: Framing) -> list[str]:
    """The messages of a whole answer: events with their fields, where one has a name or an id, else their data; lines.

    Raises StreamError.
    """
    if framing == "ndjson":
        stream = LineStream(len(body) + 1)
        return [line.decode(errors="replace") for line in (*stream.feed(body), *stream.finish())]
    # The last event of what a tool has saved may lack its empty line.
    events = EventStream(len(body) + 3).feed(body + b"\n\n")
    if not any(event.name or event.last_id for event in events):
        return [event.data.decode(errors="replace") for event in events]
    texts, last_id = [], b""
    for event in events:
        head = b"event: " + event.name + b"\n" if event.name else b""
        head += b"id: " + event.last_id + b"\n" if event.last_id != last_id else b""
        last_id = event.last_id
        lines = b"".join(b"data: " + line + b"\n" for line in event.data.split(b"\n"))
        texts.append((head + lines + b"\n").decode(errors="replace"))
    return texts


def looks_like(body: bytes) -> Framing | None:
    """How an answer streams whose content type is not known, by its beginning; None for what is no stream."""
    for raw in body.removeprefix(b"\xef\xbb\xbf").splitlines():
        line = raw.strip()
        if line and _FIELD.match(line.decode(errors="replace")):
            return "sse"
        if line:
            try:
                return "ndjson" if isinstance(json.loads(line), dict | list) else None
            except (ValueError, RecursionError):
                return None
    return None
