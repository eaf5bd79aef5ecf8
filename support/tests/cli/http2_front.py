"""hypercorn in front of a backend that speaks HTTP/1.1 only: a gateway that speaks HTTP/2, with and without TLS."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import httpx2
from hypercorn.asyncio import serve
from hypercorn.config import Config

_START_S = 10.0
_DROPPED = {b"connection", b"content-length", b"host", b"keep-alive", b"transfer-encoding"}


class Gateway:
    """Passes each request on to `backend` (an origin), and its answer back as it comes. `versions`: those spoken."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.versions: set[str] = set()
        self._client = httpx2.AsyncClient(timeout=None, limits=httpx2.Limits(max_connections=None))

    async def serve(self, config: Config, over: asyncio.Event) -> None:
        """Serves until it is `over`."""
        async with self._client:
            await serve(self, config, shutdown_trigger=over.wait)  # type: ignore[arg-type] # as httpx2 has it

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        self.versions.add(scope["http_version"])
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        passing = asyncio.ensure_future(self._pass_on(scope, body, send))
        left = asyncio.ensure_future(_left(receive))
        await asyncio.wait([passing, left], return_when=asyncio.FIRST_COMPLETED)
        passing.cancel()
        left.cancel()
        await asyncio.gather(passing, left, return_exceptions=True)

    async def _pass_on(self, scope: MutableMapping[str, Any], body: bytes, send: Any) -> None:
        query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        fields = [(name, value) for name, value in scope["headers"] if name not in _DROPPED]
        url = f"{self.backend}{scope['raw_path'].decode()}{query}"
        async with self._client.stream(scope["method"], url, content=body, headers=fields) as answer:
            given = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() not in _DROPPED]
            await send({"type": "http.response.start", "status": answer.status_code, "headers": given})
            async for part in answer.aiter_raw():
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@contextlib.contextmanager
def gateway(backend: str, certificate: Path | None = None) -> Iterator[tuple[str, Gateway]]:
    """A gateway in a thread of its own: its url. `certificate`: a file with key and certificate."""
    app, listener, over = Gateway(backend), socket.create_server(("127.0.0.1", 0)), asyncio.Event()
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    if certificate is not None:
        config.certfile = config.keyfile = str(certificate)
    loop = asyncio.new_event_loop()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(app.serve(config, over))

    thread = threading.Thread(target=run, name="gateway", daemon=True)
    thread.start()
    try:
        yield f"http{'s' if certificate else ''}://127.0.0.1:{port}", app
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(_START_S)
