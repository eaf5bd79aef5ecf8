"""The server process: a socket, a uvicorn server on it, and a clean shutdown."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from greenlight_gate.backend.defects import Chain
from greenlight_gate.backend.http_protocol import TimeoutHttpProtocol
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.process_metrics import allow_many_files
from greenlight_gate.backend.settings import Settings
from greenlight_gate.backend.web import build_app
from greenlight_gate.backend.websocket_protocol import ChatProtocol

# After this the process ends even if something still hangs.
_END_AFTER_S = 1.5
_BACKLOG = 4_096
# The least time allowed for a pong, with any heartbeat.
_PONG_WITHIN_S = 4.0


class _Server(uvicorn.Server):
    """A uvicorn server with a hub, which ends at once and with exit code 0."""

    def __init__(self, config: uvicorn.Config, make_hub: Callable[[], Hub], on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.hub: Hub | None = None
        self._make_hub = make_hub
        self._on_ready = on_ready
        self._stopping: asyncio.Event | None = None

    def stop_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the server; may be called from any thread."""
        with contextlib.suppress(RuntimeError):
            # A closed loop means that it has ended already.
            loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        self.should_exit = True
        if self._stopping is not None:
            self._stopping.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again once all is done, and the process would end with -15 instead of 0.
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, self._stop)
        try:
            yield
        finally:
            for signal_number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(signal_number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping = asyncio.Event()
        self.hub = self._make_hub()
        await super().startup(sockets)
        await self.hub.start()
        self._on_ready()

    async def main_loop(self) -> None:
        assert self._stopping is not None
        if not self.should_exit:
            await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        assert self.hub is not None
        await self.hub.quiet_down()
        await super().shutdown(sockets)
        await self.hub.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises OSError if the address cannot be used."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def serve(
    listener: socket.socket,
    settings: Settings,
    chain: Chain,
    *,
    data: Path | None,
    on_ready: Callable[[], None],
    die_with_parent: bool,
    admin_token: str = "",
) -> None:
    """Serve until SIGTERM, SIGINT or, with `die_with_parent`, the end of standard input.

    With an `admin_token`, the admin call is enabled for requests with it.
    """
    with contextlib.ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"reference-chat-{os.getpid()}-")))
        server: _Server

        def ready() -> None:
            if die_with_parent:
                _watch_parent(server, asyncio.get_running_loop())
            on_ready()

        allow_many_files()
        server = _Server(_config(settings, lambda: server, admin_token), lambda: Hub(settings, chain, folder), ready)
        server.run(sockets=[listener])


def _config(settings: Settings, server: Callable[[], _Server], admin_token: str) -> uvicorn.Config:
    def hub() -> Hub:
        found = server().hub
        assert found is not None
        return found

    return uvicorn.Config(
        build_app(hub, admin_token),
        http=TimeoutHttpProtocol,
        ws=_protocol(settings.websockets),
        ws_max_size=settings.max_message_bytes,
        ws_ping_interval=settings.heartbeat_s or None,
        ws_ping_timeout=max(_PONG_WITHIN_S, settings.heartbeat_s),
        ws_per_message_deflate=settings.variation.compresses,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=1,
    )


def _protocol(name: str) -> type[ChatProtocol]:
    # Imported here: each needs a package of its own.
    if name == "websockets":
        from greenlight_gate.backend.websockets_protocol import WebsocketsProtocol  # noqa: PLC0415

        return WebsocketsProtocol
    from greenlight_gate.backend.wsproto_protocol import WsprotoProtocol  # noqa: PLC0415

    return WsprotoProtocol


def _watch_parent(server: _Server, loop: asyncio.AbstractEventLoop) -> None:
    def wait_for_the_end() -> None:
        while os.read(sys.stdin.fileno(), 4_096):
            continue
        server.stop_soon(loop)
        threading.Event().wait(_END_AFTER_S)
        os._exit(0)

    threading.Thread(target=wait_for_the_end, name="parent-watch", daemon=True).start()
