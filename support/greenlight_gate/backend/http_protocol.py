"""uvicorn's HTTP protocol, with a timeout for requests that never finish."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# From the connection, or from the last response on it, until a request was answered or became a WebSocket.
_REQUEST_WITHIN_S = 10.0


class TimeoutHttpProtocol(H11Protocol):
    """Closes connections without a request, so that half-open handshakes cannot accumulate."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Start the timeout."""
        super().connection_made(transport)
        self._wait_for_a_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timeout."""
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Pass the connection to the WebSocket protocol."""
        self._stop_waiting()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Start the timeout for the next request."""
        self._wait_for_a_request()
        super().on_response_complete()

    def handle_events(self) -> None:
        """Let the application find this protocol in the scope's state, as `http`."""
        super().handle_events()
        if self.scope is not None:
            self.scope["state"]["http"] = self

    def keep_open(self) -> None:
        """The request is answered with a stream, which may take any time."""
        self._stop_waiting()

    def _wait_for_a_request(self) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(_REQUEST_WITHIN_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
