"""What a streaming HTTP response holds: server-sent events, or lines of JSON. Without I/O: bytes in, messages out.

Server-sent events are read as the HTML standard says (section 9.2.6, interpreting an event stream).
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

_BOM = b"\xef\xbb\xbf"
_CR, _LF = 0x0D, 0x0A
# The form of nearly all events: an id, a name or neither, and one line of data, all of which end with LF.
_USUAL = re.compile(rb"(id: [^\n]*+\n|event: [^\n]*+\n|)data: ([^\n]*+)\n\n")
_MOST_COMMENTS = 1_024
# Beyond it the time is years, and a number of any length is slow to read.
_RETRY_DIGITS = 18


class StreamError(Exception):
    """The stream cannot be read on: a line or an event is longer than the limit. `before`: the events before it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.before: list[StreamEvent] = []


class StreamEvent(NamedTuple):
    """One event as it is dispatched: its `event` field ("" is "message"), its data, and the last id that came so far.

    The bytes are those that came: a browser shows U+FFFD in place of those that are not UTF-8, a judge reports them.
    """

    name: bytes
    data: bytes
    last_id: bytes


# The constructor of a named tuple is Python; this one is not.
_event: Callable[[tuple[bytes, bytes, bytes]], StreamEvent] = partial(tuple.__new__, StreamEvent)


class EventStream:
    """Reads one event stream. `last_id` and `retry_ms` are the values that a client would reconnect with.

    `comments` holds the comment lines since it was last emptied, without their colon. An event
    that no empty line has ended when the stream ends is dropped, so nothing has to be said at the end.
    """

    def __init__(self, max_event_bytes: int = 1_048_576) -> None:
        self.last_id = b""
        self.retry_ms: int | None = None
        self.comments: list[bytes] = []
        self._most = max_event_bytes
        self._rest = bytearray()
        # How much of the rest holds no end of a line; whether a LF would belong to the CR before it.
        self._searched = 0
        self._after_cr = False
        self._at_start = True
        self._id = b""
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that these bytes complete. Raises StreamError."""
        events: list[StreamEvent] = []
        if self._at_start and not self._rest and data[:1] not in (b"", _BOM[:1]):
            self._at_start = False
        try:
            if not (self._rest or self._data or self._name or self._at_start or self._after_cr):
                one = _USUAL.fullmatch(data)
                # Most reads of a server that writes event by event.
                if one is not None and len(data) <= self._most and _CR not in data and 0 not in data:
                    head, value = one.groups()
                    if head.startswith(b"id"):
                        self._id = head[4:-1]
                    self.last_id = self._id
                    return [_event((head[7:-1] if head.startswith(b"event") else b"", value, self._id))]
                data = self._usual(data, events)
            for line in self._lines(data) if data else ():
                if not line:
                    self._dispatch(events)
                else:
                    self._field(line)
        except StreamError as error:
            error.before = events
            raise
        return events

    def _usual(self, data: bytes, events: list[StreamEvent]) -> bytes:
        """Reads whole events that all have the usual form, with one search for all of them. Returns the other bytes."""
        end = data.rfind(b"\n\n") + 2
        if end < 2 or end > self._most or _CR in data or 0 in data:
            return data
        read: list[StreamEvent] = []
        last_id, size = self._id, 0
        for head, value in _USUAL.findall(data, 0, end):
            size += len(head) + len(value) + 8
            name = b""
            if head.startswith(b"id"):
                last_id = head[4:-1]
            elif head:
                name = head[7:-1]
            read.append(_event((name, value, last_id)))
        # Whether one follows the other.
        if size != end:
            return data
        events += read
        self._id = last_id
        self.last_id = self._id
        return data[end:]

    def _lines(self, data: bytes) -> Iterator[bytes]:
        rest = self._rest
        rest += data
        if self._at_start and not self._past_mark():
            return
        end = len(rest)
        start = int(self._after_cr and end > 0 and rest[0] == _LF)
        self._after_cr = self._after_cr and not end
        position = max(start, self._searched)
        # No CR in what is new, nearly always: then lines end with LF alone.
        ends_of_lines = self._any_ends if rest.find(_CR, position) >= 0 else rest.find
        while (stop := ends_of_lines(_LF, position)) >= 0:
            line = bytes(rest[start:stop])
            start = position = stop + 1
            if rest[stop] == _CR:
                self._after_cr = start == end
                if start < end and rest[start] == _LF:
                    start = position = start + 1
            yield line
        del rest[:start]
        self._searched = len(rest)
        if len(rest) > self._most:
            raise StreamError(f"a line of more than {self._most} bytes in the event stream")

    def _past_mark(self) -> bool:
        """Skips the byte order mark at the start of the stream; False while its bytes may still come."""
        rest = self._rest
        if len(rest) < len(_BOM) and _BOM.startswith(rest):
            return False
        self._at_start = False
        if rest.startswith(_BOM):
            del rest[: len(_BOM)]
        return True

    def _any_ends(self, _: int, position: int) -> int:
        """Where the next line ends, with LF or with CR; -1 if it does not."""
        lf = self._rest.find(_LF, position)
        cr = self._rest.find(_CR, position, lf if lf >= 0 else len(self._rest))
        return cr if cr >= 0 else lf

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._size += len(value) + 1
            if self._size > self._most:
                raise StreamError(f"an event of more than {self._most} bytes in the event stream")
            self._data.append(value)
        elif not name:
            if len(self.comments) < _MOST_COMMENTS:
                self.comments.append(line[1:])
        elif name == b"event":
            self._name = value
        elif name == b"id":
            if b"\0" not in value:
                self._id = value
        elif name == b"retry" and value.isdigit():
            self.retry_ms = int(value[:_RETRY_DIGITS])

    def _dispatch(self, events: list[StreamEvent]) -> None:
        # The id counts as soon as its block has ended, whether or not an event is dispatched.
        self.last_id = self._id
        if self._data:
            events.append(StreamEvent(self._name, b"\n".join(self._data), self._id))
            self._data = []
            self._size = 0
        self._name = b""


class LineStream:
    """Reads newline-delimited JSON: each line that is not blank is a message; the last one may lack its newline."""

    def __init__(self, max_event_bytes: int = 1_048_576) -> None:
        self._most = max_event_bytes
        self._rest = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that these bytes complete. Raises StreamError."""
        rest, lines = self._rest, []
        rest += data
        start = 0
        while (stop := rest.find(_LF, max(start, self._searched))) >= 0:
            if line := bytes(rest[start:stop]).strip():
                lines.append(line)
            start = stop + 1
            self._searched = start
        del rest[:start]
        self._searched = len(rest)
        if len(rest) > self._most:
            raise StreamError(f"a line of more than {self._most} bytes")
        return lines

    def finish(self) -> list[bytes]:
        """The last line of a stream that has ended as a whole."""
        line = bytes(self._rest).strip()
        self._rest.clear()
        return [line] if line else []
