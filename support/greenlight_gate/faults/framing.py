"""Where one unit ends and the next begins: requests and answers of HTTP, frames of a WebSocket, records of TLS.

RFC 6455 section 5.2 for frames; RFC 9112 section 7.1 for chunks of HTTP/1.1; RFC 9113 section 4.1 for frames of HTTP/2;
RFC 8446 section 5.1 for records of TLS, which are all that can be separated without the key: several frames in one
record pass together.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

# The first byte of what a server sends: of a TLS record, or of the settings with which HTTP/2 begins, a short frame.
_TLS_HANDSHAKE, _HTTP2 = 0x16, 0
_MOST_HEAD_BYTES = 65_536
_HEAD_END = b"\r\n\r\n"
_CHUNKED = re.compile(rb"(?im)^transfer-encoding:[^\r\n]*\bchunked")
_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(\d{1,15})[ \t]*\r?$")


class Piece(NamedTuple):
    """Bytes of one unit; whether they are its first, and whether they are its last.

    `is_head`: the unit is the head of an HTTP message; `ends_message`: they are the last bytes of that.
    """

    data: bytes
    first: bool
    last: bool
    is_head: bool = False
    ends_message: bool = False


class Framer:
    """Cuts a stream into the heads of HTTP messages and what comes after them, frames of HTTP/2, or TLS records.

    After an upgrade these are frames; after any other head the chunks of its body, or all of its body. A unit comes in
    as many pieces as it was read in. Only the bytes of an incomplete header are kept back. `requests`: the messages are
    those of a client, which have no body where they name no length.
    """

    def __init__(self, *, requests: bool = False) -> None:
        self._requests = requests
        self._kept = b""
        self._left = 0
        self._tls: bool | None = None
        self._http2 = False
        self._upgraded = False
        self._next: Callable[[bytes], int | None] = self._head_size

    def cut(self, data: bytes) -> Iterator[Piece]:
        """The pieces that these bytes complete or continue, in order."""
        data = self._kept + data
        self._kept = b""
        while data:
            if self._left:
                part, data = data[: self._left], data[self._left :]
                self._left -= len(part)
                yield Piece(part, first=False, last=not self._left, ends_message=self._ends_message)
                continue
            is_head = self._is_between
            size = self._size(data)
            if size is None:
                self._kept = data
                return
            part, data = data[:size], data[size:]
            self._left = size - len(part)
            is_head = is_head and not self._tls and not self._http2
            yield Piece(part, first=True, last=not self._left, is_head=is_head, ends_message=self._ends_message)

    @property
    def _is_between(self) -> bool:
        """Whether the head of a message comes next."""
        return not self._tls and not self._http2 and not self._upgraded and self._next == self._head_size

    def rest(self) -> bytes:
        """The bytes that were kept back, at the end of the stream."""
        kept, self._kept = self._kept, b""
        return kept

    @property
    def _ends_message(self) -> bool:
        return not self._left and self._is_between

    def _size(self, data: bytes) -> int | None:
        """The length of the unit that begins here; None as long as it is unknown."""
        if self._tls is None:
            self._tls, self._http2 = data[0] == _TLS_HANDSHAKE, data[0] == _HTTP2
        if self._tls:
            return 5 + int.from_bytes(data[3:5]) if len(data) >= 5 else None
        if self._http2:
            return 9 + int.from_bytes(data[:3]) if len(data) >= 3 else None
        return _frame_size(data) if self._upgraded else self._next(data)

    def _head_size(self, data: bytes) -> int | None:
        end = data.find(_HEAD_END)
        if end < 0:
            # A peer whose head never ends is not a web server: its bytes pass unchanged.
            return None if len(data) < _MOST_HEAD_BYTES else len(data)
        status, _, fields = data[:end].partition(b"\r\n")
        if self._requests:
            # What follows the preface of HTTP/2 (RFC 9113 section 3.4) is no head, and passes unchanged.
            self._next = len if status.startswith(b"PRI ") else self._after_head(fields)
            return end + len(_HEAD_END)
        code = status.split(b" ")[1:2]
        self._upgraded = code == [b"101"]
        if code not in ([b"204"], [b"304"]) and code[:1] != [b"100"]:
            self._next = self._after_head(fields)
        return end + len(_HEAD_END)

    def _after_head(self, fields: bytes) -> Callable[[bytes], int | None]:
        if _CHUNKED.search(fields):
            return self._chunk_size
        length = _LENGTH.search(fields)
        if length is None:
            return self._head_size if self._requests else len  # the body of an answer ends with the connection
        size = int(length[1])
        return (lambda _: self._whole(size)) if size else self._head_size

    def _whole(self, size: int) -> int:
        self._next = self._head_size
        return size

    def _chunk_size(self, data: bytes) -> int | None:
        """The length of a chunk with its size and its ends; the last one goes to the end of the trailers."""
        end = data.find(b"\r\n")
        if end < 0:
            return None if len(data) < _MOST_HEAD_BYTES else len(data)
        try:
            size = int(data[:end].partition(b";")[0], 16)
        except ValueError:
            return len(data)  # not HTTP: its bytes pass unchanged
        if size:
            return end + 2 + size + 2
        self._next = self._head_size
        if data[end + 2 : end + 4] == b"\r\n":
            return end + 4
        last = data.find(_HEAD_END, end)
        if last < 0:
            self._next = self._chunk_size
            return None
        return last + len(_HEAD_END)


def _frame_size(data: bytes) -> int | None:
    if len(data) < 2:
        return None
    length, head = data[1] & 0x7F, 2
    wide = {126: 2, 127: 8}.get(length, 0)
    if wide:
        if len(data) < head + wide:
            return None
        length, head = int.from_bytes(data[head : head + wide]), head + wide
    return head + (4 if data[1] & 0x80 else 0) + length
