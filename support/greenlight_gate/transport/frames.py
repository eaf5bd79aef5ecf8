"""The fast parser: cuts what was read into text frames, and puts what is sent into one; the rest is left to websockets.

RFC 6455 section 5.2. Nearly all frames that a server sends are whole, unmasked, uncompressed text messages of less
than 64 KiB: these are recognised by their first two bytes, and need no object but their payload.
"""

import os
import struct
from collections import deque
from typing import Final

try:
    from websockets.speedups import apply_mask
except ImportError:  # where websockets was built without its C extension
    from websockets.utils import apply_mask

_WHOLE_TEXT: Final = 0x81
_SHORT_TEXT: Final = 0x8100
_LONG_TEXT: Final = 0x817E
_WHOLE_PING: Final = 0x89
_WHOLE_PONG: Final = 0x8A
_LONGEST_CONTROL: Final = 125
_IN_TWO_BYTES: Final = 126
_IN_EIGHT_BYTES: Final = 127
_MASKED = 0x80
_KINDS = frozenset({0x0, 0x1, 0x2, 0x8, 0x9, 0xA})
_MASKS_AT_ONCE = 1_024
_masks: deque[bytes] = deque()
_all_masks: Final = struct.Struct("4s" * _MASKS_AT_ONCE)
two_numbers: Final = struct.Struct("!HH").unpack_from


def cut(data: bytes, start: int, most: int, frames: list[bytes]) -> int:
    """Appends the payloads of the plain text frames from `start` on, each of at most `most` bytes, to `frames`.

    Returns where it stopped: at the end, at a frame that is not all there, at one that is not plain, or at the last one
    if its payload has less than two bytes.
    """
    end = len(data)
    append = frames.append
    # The two numbers are its first two bytes, and a length or the beginning of its payload.
    while start + 4 <= end:
        head, size = two_numbers(data, start)
        if head == _LONG_TEXT:
            body = start + 4
        elif _SHORT_TEXT <= head < _LONG_TEXT:
            size = head - _SHORT_TEXT
            body = start + 2
        else:
            return start
        stop = body + size
        if stop > end or size > most:
            return start
        append(data[body:stop])
        start = stop
    return start


def end_of_frame(data: bytes, start: int, most: int) -> int | None:
    """Where the frame at `start` ends, whatever it is, be it beyond the data; None if not even its head is all there.

    A frame of no known kind, one that is larger than `most`, and one that is masked, which is none of a server's, ends
    with the data: what follows it does not matter any more.
    """
    end = len(data)
    if start + 2 > end:
        return None
    size, body = data[start + 1], start + 2
    if size & _MASKED or data[start] & 0x0F not in _KINDS:
        return end
    if size >= _IN_TWO_BYTES:
        width = 2 if size == _IN_TWO_BYTES else 8
        if body + width > end:
            return None
        size = int.from_bytes(data[body : body + width])
        body += width
    if size > most:
        return end
    return body + size


def ping_in(frame: bytes) -> bytes | None:
    """The payload of a ping (section 5.5.2); None if the frame is another one, or not whole."""
    is_whole = len(frame) >= 2 and frame[0] == _WHOLE_PING and frame[1] <= _LONGEST_CONTROL
    return frame[2:] if is_whole and len(frame) == 2 + frame[1] else None


def pong_frame(payload: bytes) -> bytes:
    """The bytes of a client's answer to a ping."""
    key = _mask()
    return bytes((_WHOLE_PONG, _MASKED | len(payload))) + key + apply_mask(payload, key)


def text_frame(payload: bytes) -> bytes:
    """The bytes of one text frame of a client: masked with a key of its own (section 5.3)."""
    key = _mask()
    size = len(payload)
    if size < _IN_TWO_BYTES:
        head = bytes((_WHOLE_TEXT, _MASKED | size))
    elif size < 65_536:
        head = struct.pack("!BBH", _WHOLE_TEXT, _MASKED | _IN_TWO_BYTES, size)
    else:
        head = struct.pack("!BBQ", _WHOLE_TEXT, _MASKED | _IN_EIGHT_BYTES, size)
    return head + key + apply_mask(payload, key)


def _mask() -> bytes:
    try:
        # Threads may share the deque, since each of its operations is atomic.
        return _masks.popleft()
    except IndexError:
        return _more_masks()


def _more_masks() -> bytes:
    """A mask from the system's random numbers, as the section demands; many at a time, since asking costs."""
    _masks.extend(_all_masks.unpack(os.urandom(_all_masks.size)))
    return _masks.popleft()
