"""Where one frame ends and the next begins, in what a target sends: WebSocket frames, or TLS records.

RFC 6455 section 5.2 for frames; RFC 8446 section 5.1 for records, which are all that can be separated without the
key. Several frames in one record pass together.
"""

from collections.abc import Iterator
from typing import NamedTuple

_TLS_HANDSHAKE = 0x16
_MOST_HEAD_BYTES = 65_536
_HEAD_END = b"\r\n\r\n"


class Piece(NamedTuple):
    """Bytes of one unit; whether they are its first, and whether they are its last."""

    data: bytes
    first: bool
    last: bool


class Framer:
    """Cuts a stream into the head of an HTTP response and the frames after it, or into TLS records.

    A unit comes in as many pieces as it was read in. Only the bytes of an incomplete header are kept back.
    """

    def __init__(self) -> None:
        self._kept = b""
        self._left = 0
        self._tls: bool | None = None
        self._upgraded = False

    def cut(self, data: bytes) -> Iterator[Piece]:
        """The pieces that these bytes complete or continue, in order."""
        data = self._kept + data
        self._kept = b""
        while data:
            if self._left:
                part, data = data[: self._left], data[self._left :]
                self._left -= len(part)
                yield Piece(part, first=False, last=not self._left)
                continue
            size = self._size(data)
            if size is None:
                self._kept = data
                return
            part, data = data[:size], data[size:]
            self._left = size - len(part)
            yield Piece(part, first=True, last=not self._left)

    def _size(self, data: bytes) -> int | None:
        """The length of the unit that begins here; None as long as it is unknown."""
        if self._tls is None:
            self._tls = data[0] == _TLS_HANDSHAKE
        if self._tls:
            return 5 + int.from_bytes(data[3:5]) if len(data) >= 5 else None
        if not self._upgraded:
            end = data.find(_HEAD_END)
            if end < 0:
                # A peer whose head never ends is not a web server: its bytes pass unchanged.
                return None if len(data) < _MOST_HEAD_BYTES else len(data)
            self._upgraded = True
            return end + len(_HEAD_END)
        return _frame_size(data)


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
