"""Serves the live page of a monitor: one HTML file, its state as server-sent events, and conversations. Read-only."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import re
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from greenlight_gate.monitor.alerts import Alert
from greenlight_gate.monitor.round import Round, RoundObserver
from greenlight_gate.report.finding_excerpt import excerpt
from greenlight_gate.report.live_state import LiveState, ShownFinding
from greenlight_gate.wire.profile import Profile

# Each watches one stream; more than this is no audience of a monitor.
MOST_STREAMS = 20
MOST_CONNECTIONS = 4 * MOST_STREAMS
_KEEP_ALIVE_S = 15.0
_START_S = 10.0
_MOST_BODY = 4_096
_COOKIE = "greenlight-page"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SIGN_IN = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Greenlight monitor</title><form method="post" action="."><p><label>Token of this page
<input type="password" name="token" autocomplete="current-password" autofocus required></label>
<button>Sign in</button></p></form></html>"""


class _PageConnection(H11Protocol):
    """A connection of a reader. Where there are too many, the oldest without a request under way makes room."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """One more."""
        self.made = self.loop.time()
        others = [each for each in self.connections if isinstance(each, _PageConnection) and each.is_idle]
        super().connection_made(transport)
        if others and len(self.connections) >= MOST_CONNECTIONS:
            oldest = min(others, key=lambda each: each.made)
            # It counts no more from now on: the loop forgets it later.
            self.connections.discard(oldest)
            oldest.transport.abort()

    @property
    def is_idle(self) -> bool:
        """No request has come completely that is not answered completely."""
        return self.cycle is None or self.cycle.response_complete


class PageServer(RoundObserver):
    """The page of one monitor, on a thread of its own from `start` to `stop`. It observes rounds and alerts.

    `listener` is bound, `token` what a reader must know ("": none, only where the listener is on loopback), `folder`
    the output folder, in which the evidence of a round is. `now` is epoch seconds.
    """

    def __init__(
        self, listener: socket.socket, state: LiveState, profile: Profile, folder: Path, *,
        token: str = "", now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._state = state
        self._profile = profile
        self._folder = folder
        self._token = token
        self._now = now
        self._lock = threading.Lock()
        # What the cookie of a reader who has signed in holds: the token itself is in none.
        self._signed_in = secrets.token_urlsafe(32)
        self._changed: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False
        self._streams = 0
        self._page = (files("greenlight_gate.report") / "templates" / "live.html").read_text("utf-8")
        self._headers = {
            "Content-Security-Policy": _policy(self._page), "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
        }  # fmt: skip
        self._listener = listener
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app(), http=_PageConnection, ws="none", loop="asyncio", lifespan="off", log_config=None,
                access_log=False, server_header=False, proxy_headers=False, limit_concurrency=MOST_CONNECTIONS,
                timeout_graceful_shutdown=1,
                # What readers do wrong is answered to them; the monitor's stderr is not theirs.
                log_level="error",
            )
        )  # fmt: skip
        self._thread = threading.Thread(target=self._run, name="live-page", daemon=True)
        self._started = threading.Event()

    # Observer --------------------------------------------------------------------------------------------------------

    def on_round(self, one: Round) -> None:
        """A round is over and kept."""
        with self._lock:
            self._state.take(one)
        self._tell()

    def on_alert(self, alert: Alert) -> None:
        """An alert: the page shows it."""
        with self._lock:
            self._state.alert(alert)
        self._tell()

    def _tell(self) -> None:
        loop, changed = self._loop, self._changed
        if loop is not None and changed is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended with the server
                loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        """Wakes all streams, and lets them wait for the next change."""
        changed, self._changed = self._changed, asyncio.Event()
        if changed is not None:
            changed.set()

    # Life ------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Serves from now on. Raises RuntimeError if the server does not start."""
        self._thread.start()
        if not self._started.wait(_START_S):
            raise RuntimeError("the page's server did not start")

    def stop(self) -> None:
        """Ends all streams and the server."""
        self._closing = True
        self._tell()
        self._server.should_exit = True
        self._thread.join(_START_S)
        self._listener.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._changed = asyncio.get_running_loop(), asyncio.Event()
        self._started.set()
        await self._server.serve(sockets=[self._listener])

    # Requests --------------------------------------------------------------------------------------------------------

    def _app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", self._index, methods=["GET"]),
                Route("/", self._sign_in, methods=["POST"]),
                Route("/state", self._as_json, methods=["GET"]),
                Route("/events", self._events, methods=["GET"]),
                Route("/finding/{number:int}", self._finding, methods=["GET"]),
            ]
        )

    async def _index(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            is_strange = refused.status_code != 401
            return refused if is_strange else HTMLResponse(_SIGN_IN, 401, headers=self._headers)
        return HTMLResponse(self._page, headers=self._headers)

    async def _sign_in(self, request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BODY:
                return JSONResponse({"error": "too long"}, 413, headers=self._headers)
        form = await Request(request.scope, _replay(body)).form(max_files=0, max_fields=5)
        given = form.get("token")
        if not self._token or not isinstance(given, str) or not _same(given, self._token):
            return HTMLResponse(_SIGN_IN, 401, headers=self._headers)
        answer = RedirectResponse(".", 303, headers=self._headers)
        answer.set_cookie(_COOKIE, self._signed_in, httponly=True, samesite="strict", path="/")
        return answer

    def _refused(self, request: Request) -> Response | None:
        """The refusal of a request that may not read, or None."""
        if not self._token:
            # A page of another site that has its name point here has another host.
            host = re.sub(r":\d+$", "", request.headers.get("host", "")).strip("[]").lower()
            if host not in _LOOPBACK:
                return JSONResponse({"error": "only by its address on this machine"}, 403, headers=self._headers)
            return None
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(bearer.strip(), self._token):
            return None
        if _same(request.cookies.get(_COOKIE, ""), self._signed_in):
            return None
        return JSONResponse(
            {"error": "a token is needed"}, 401, headers={**self._headers, "WWW-Authenticate": "Bearer"}
        )

    def _snapshot(self) -> str:
        with self._lock:
            snapshot = self._state.snapshot(self._now())
        return json.dumps(snapshot, separators=(",", ":"))

    async def _as_json(self, request: Request) -> Response:
        return self._refused(request) or Response(
            self._snapshot(), media_type="application/json", headers=self._headers
        )

    async def _events(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        if self._streams >= MOST_STREAMS:
            return JSONResponse({"error": f"{MOST_STREAMS} pages are open"}, 503, headers=self._headers)
        return StreamingResponse(self._stream(), media_type="text/event-stream", headers=self._headers)

    async def _stream(self) -> AsyncIterator[str]:
        """Each state as an event: a reader who is slow gets the newest, and none is kept for them."""
        self._streams += 1
        try:
            while not self._closing:
                changed = self._changed
                yield f"data: {self._snapshot()}\n\n"
                assert changed is not None
                while not self._closing:
                    try:
                        async with asyncio.timeout(_KEEP_ALIVE_S):
                            await changed.wait()
                        break
                    except TimeoutError:
                        yield ": alive\n\n"
        finally:
            self._streams -= 1

    async def _finding(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        with self._lock:
            shown = self._state.finding(request.path_params["number"])
        if shown is None:
            return JSONResponse({"error": "It is not shown any more."}, 404, headers=self._headers)
        if not shown.evidence:
            return JSONResponse({"error": "No trace is kept of it."}, 404, headers=self._headers)
        return JSONResponse(await asyncio.to_thread(self._conversation, shown), headers=self._headers)

    def _conversation(self, shown: ShownFinding) -> dict[str, Any]:
        try:
            rows = excerpt(self._folder / shown.evidence, self._profile, shown.records)
        except (OSError, msgspec.MsgspecError) as error:
            return {"error": f"{shown.evidence} cannot be read: {error}"}
        kept = ("n", "seconds", "who", "what", "text", "marked")
        return {"evidence": shown.evidence, "rows": [{name: getattr(row, name) for name in kept} for row in rows]}


def _policy(page: str) -> str:
    """Nothing but the page's own script and style, by their digests, and requests to this server."""
    hashes = {}
    for tag in ("script", "style"):
        text = page.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        hashes[tag] = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}'; style-src 'sha256-{hashes['style']}'; "
        "connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _replay(body: bytes) -> Any:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="surrogatepass"), other.encode())
