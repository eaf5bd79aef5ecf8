"""The opening handshake of a WebSocket (RFC 6455 section 4), without I/O: what is sent, and what came in answer."""

import logging
from collections.abc import Mapping, Sequence

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHeader, InvalidMessage, InvalidStatus, InvalidURI
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import enable_client_permessage_deflate
from websockets.headers import validate_subprotocols
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from greenlight_gate.findings import printable
from greenlight_gate.transport.interface import Accepted, NotOpened

# Frames and headers carry tokens, which websockets would write down at its level DEBUG.
LOGGER = logging.getLogger("greenlight.websocket")
LOGGER.setLevel(logging.ERROR)

_HEAD_ENDS = b"\r\n\r\n"
# websockets would read a megabyte, which takes it ten seconds where it comes in chunks of few bytes.
_MOST_OF_AN_ANSWER = 262_144
_SHOWN = 200


class Upgrade:
    """One opening handshake: `request` is to be sent; then either `accepted` or `error` says how it went.

    A redirect is the refusal that it is: a judge tries the address that was named. Raises NotOpened for an address and
    headers that cannot be asked with, and ValueError for such a subprotocol.
    """

    def __init__(
        self, url: str, *, headers: Mapping[str, str] | None = None, subprotocols: Sequence[str] = (),
        compress: bool = False,
    ) -> None:  # fmt: skip
        offered = [Subprotocol(name) for name in subprotocols]
        validate_subprotocols(offered)
        self.accepted: Accepted | None = None
        self.error: NotOpened | None = None
        try:
            self.uri = parse_uri(url)
            self._protocol = ClientProtocol(
                self.uri, extensions=enable_client_permessage_deflate(None) if compress else None,
                subprotocols=offered or None, logger=LOGGER,
            )  # fmt: skip
            request = self._protocol.connect()
            for name, value in (headers or {}).items():
                request.headers[name] = value
        except (InvalidURI, InvalidHeader) as error:
            raise _not_opened(error) from error
        request.headers.setdefault("User-Agent", "greenlight")
        self._protocol.send_request(request)
        self.request = b"".join(self._protocol.data_to_send())
        self._answer = bytearray()
        self._head_size = 0

    @property
    def extensions(self) -> list[Extension]:
        """What was negotiated, once it is accepted."""
        return self._protocol.extensions

    def receive(self, data: bytes) -> bytes:
        """Takes the next bytes of the answer; returns those that follow it, which are frames."""
        searched = len(self._answer)
        rest = b""
        self._answer += data
        if not self._head_size:
            end = self._answer.find(_HEAD_ENDS, max(0, searched - len(_HEAD_ENDS) + 1))
            if end >= 0:
                self._head_size = end + len(_HEAD_ENDS)
                if self._answer.startswith(b"HTTP/1.1 101"):
                    cut = self._head_size - searched
                    data, rest = data[:cut], data[cut:]
        if searched + len(data) > _MOST_OF_AN_ANSWER:
            # It ends here: a refusal is one, however long its body goes on.
            self.receive_eof()
            return b""
        self._protocol.receive_data(data)
        self._settle()
        return rest

    def receive_eof(self) -> None:
        """Nothing more comes: the body of some refusals ends so, and every invalid response."""
        if self.accepted is None and self.error is None:
            self._protocol.receive_eof()
            self._settle()

    def _settle(self) -> None:
        error = self._protocol.handshake_exc
        if error is not None:
            self.error = _not_opened(error)
        elif self._protocol.state is State.OPEN:
            (response,) = self._protocol.events_received()
            assert isinstance(response, Response)  # frames come after it
            headers = tuple(response.headers.raw_items())
            self.accepted = Accepted(headers, self._protocol.subprotocol, bytes(self._answer[: self._head_size]))
            # It refers to its protocol: together they would keep 3 KB until the next garbage collection.
            self._protocol.parser.close()


def _not_opened(error: Exception) -> NotOpened:
    """What came instead of an upgrade, in one printable line."""
    if isinstance(error, InvalidStatus):
        response = error.response
        status, body = response.status_code, bytes(response.body or b"")
        locations = response.headers.get_all("Location")
        if 300 <= status < 400 and locations:
            named = locations[0].partition("?")[0][:_SHOWN]
            said = f"HTTP {status}, a redirect to {named}; redirects are not followed: give url that address"
        else:
            text = body[:_SHOWN].decode(errors="replace").strip()
            said = f"HTTP {status}{f': {text}' if text else ''}"
        return NotOpened(printable(said), status, tuple(response.headers.raw_items()), body)
    if isinstance(error, InvalidMessage):
        return NotOpened(printable(f"no HTTP answer to the upgrade ({error.__cause__ or error})"[:_SHOWN]))
    return NotOpened(printable(" ".join(str(error).split())[:_SHOWN] or type(error).__name__))
