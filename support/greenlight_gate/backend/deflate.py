"""wsproto's permessage-deflate, with a limit on the size of inflated messages."""

import zlib
from dataclasses import replace

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Event
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits

# How far above the limit a message may grow before inflating stops; below this the limit itself decides, and the
# connection could continue.
_GIVE_UP_FACTOR = 64


class BoundedDeflate(PerMessageDeflate):
    """Inflates no more than needed, and allows control frames between the fragments of a message.

    wsproto inflates a whole read at once, without a limit, and treats a ping between two fragments as the end of the
    message (RFC 7692, section 6.1, does not compress control frames).
    """

    def __init__(self, max_message_bytes: int) -> None:
        super().__init__()
        self._max_bytes = max_message_bytes * _GIVE_UP_FACTOR
        self._inflated_bytes = 0
        self._in_control_frame = False

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        """Note the kind of the frame that begins."""
        self._in_control_frame = opcode.iscontrol()
        if self._in_control_frame:
            return RsvBits(False, False, False)
        return super().frame_inbound_header(proto, opcode, rsv, payload_length)

    def frame_inbound_payload_data(self, proto: FrameDecoder | FrameProtocol, data: bytes) -> bytes | CloseReason:
        """Inflate a piece of a message."""
        if self._in_control_frame or not self._inbound_compressed or self._decompressor is None:
            return data
        try:
            # One byte more than allowed, to detect that there is more.
            inflated = self._decompressor.decompress(data, self._max_bytes - self._inflated_bytes + 1)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        self._inflated_bytes += len(inflated)
        return CloseReason.MESSAGE_TOO_BIG if self._inflated_bytes > self._max_bytes else inflated

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes | CloseReason | None:
        """Inflate the rest of a message."""
        if self._in_control_frame:
            return None
        if fin:
            self._inflated_bytes = 0
        return super().frame_inbound_complete(proto, fin)


class BoundedConnection(WSConnection):
    """A server's connection that accepts permessage-deflate with a BoundedDeflate."""

    def __init__(self, max_message_bytes: int) -> None:
        super().__init__(ConnectionType.SERVER)
        self._max_message_bytes = max_message_bytes

    def send(self, event: Event) -> bytes:
        """Return the bytes of this event on the wire."""
        if isinstance(event, AcceptConnection):
            extensions = [
                BoundedDeflate(self._max_message_bytes) if isinstance(extension, PerMessageDeflate) else extension
                for extension in event.extensions
            ]
            event = replace(event, extensions=extensions)
        return super().send(event)
