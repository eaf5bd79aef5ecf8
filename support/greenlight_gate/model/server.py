"""The server of the scripted model: it answers by the script, streamed or whole, and lists the calls that came.

POST .../chat/completions, .../responses, .../messages    the wire formats, with any path before them
GET .../calls?after=NUMBER, GET .../calls?last_s=SECONDS  the calls with a greater number, or that have begun in the
                                                          last seconds (`calls.ServedCall`), as JSON, what time it
                                                          is, and which script is played
"""

import asyncio
import contextlib
import signal
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import msgspec
import uvicorn

from greenlight_gate.model import conversation
from greenlight_gate.model.calls import Calls, ServedCall, State, steady_epoch_s
from greenlight_gate.model.chat_completions import ChatCompletions
from greenlight_gate.model.faults import UNFINISHED
from greenlight_gate.model.messages import Messages
from greenlight_gate.model.playing import BreakOff, Broken, Endless, Finish, Piece, Play, RefuseWith, Say, Wait, play
from greenlight_gate.model.reply import Body, ModelReply, WireFormat, tokens
from greenlight_gate.model.responses import Responses
from greenlight_gate.model.script import Script

_LARGEST_BODY_BYTES = 16_777_216
_MOST_RESPONSES = 1_000
_ENDLESS_PAUSE_S = 0.05
_encoder = msgspec.json.Encoder()

Scope = MutableMapping[str, Any]
Items = tuple[Mapping[str, Any], ...]


class _LeftError(Exception):
    """The client has closed the connection."""


class ModelApp:
    """The ASGI application. `calls` are those that came."""

    def __init__(self, script: Script) -> None:
        self.calls = Calls()
        self._script = script
        self._responses: OrderedDict[str, Items] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        with contextlib.suppress(_LeftError):
            await self._answer(scope, _Exchange(receive, send))

    async def _answer(self, scope: Scope, exchange: "_Exchange") -> None:
        path, method = scope["path"].rstrip("/"), scope["method"]
        wire = next((name for name in _WIRES if path.endswith(name)), "")
        if method == "POST" and wire:
            await self._model_call(wire, await exchange.body(), exchange)
        elif method == "GET" and path.endswith("/calls"):
            await self._list_calls(scope["query_string"].decode(errors="replace"), exchange)
        elif method == "GET" and path.endswith("/models"):
            model = {"id": self._script.name, "object": "model", "created": 0, "owned_by": "greenlight"}
            await exchange.send_json(200, {"object": "list", "data": [model]})
        elif method == "GET" and path in ("", "/health"):
            await exchange.send_json(200, {"status": "healthy"})
        else:
            known = ", ".join((*(f"POST /v1{name}" for name in _WIRES), "GET /v1/models", "GET /calls"))
            status = 405 if wire or path.endswith(("/calls", "/models")) else 404
            await exchange.send_json(status, WireFormat.error(status, f"{method} {path or '/'}: expected {known}"))

    async def _list_calls(self, query: str, exchange: "_Exchange") -> None:
        asked, after, last_s = parse_qs(query, keep_blank_values=True), 0.0, float("inf")
        for name, texts in asked.items():
            number = _number(texts[-1])
            if name not in ("after", "last_s") or number is None:
                said = f"/calls?{name}={texts[-1]}: expected after=NUMBER or last_s=SECONDS, not negative"
                await exchange.send_json(400, WireFormat.error(400, said))
                return
            after, last_s = (number, last_s) if name == "after" else (after, number)
        now_s = steady_epoch_s()
        calls = [call for call in self.calls.after(int(after)) if now_s - call.began_epoch_s <= last_s]
        await exchange.send_json(200, {"calls": calls, "now_epoch_s": now_s, "script": self._script.digest})

    async def _model_call(self, wire: str, sent: bytes, exchange: "_Exchange") -> None:
        try:
            body = msgspec.json.decode(sent)
            if not isinstance(body, dict):
                raise msgspec.DecodeError("it is no object")  # noqa: TRY301 -- one message for all that is no request
        except (msgspec.DecodeError, RecursionError) as error:
            await exchange.send_json(400, _WIRES[wire].error(400, f"expected a JSON object, but {error}"))
            return
        mistake = conversation.mistake_in(body, "input" if wire == "/responses" else "messages")
        if mistake:
            await exchange.send_json(400, _WIRES[wire].error(400, mistake))
            return
        items = self._items(body) if wire == "/responses" else ()
        asking = _conversation(wire, body, items)
        played = play(self._script, asking, self.calls.faults_of(asking.asked))
        model = str(body.get("model") or self._script.name)
        call = self.calls.begin(
            wire=wire, model=model, stream=bool(body.get("stream")), asked=asking.asked, body=sent, tools=asking.tools,
            scripted=played.answer is not None, fault=played.fault, input_tokens=tokens(sent.decode(errors="replace")),
            role=asking.role,
        )  # fmt: skip
        reply = ModelReply(model, call.input_tokens)

        def ends(state: State) -> None:
            self._keep(reply, items)
            self.calls.end(call, state)

        written = _written(wire, reply, body)
        try:
            await exchange.until_left(self._play(call, played, written, exchange, ends))
        finally:
            if call.took_s is None:
                # The backend has left, or this server ends.
                ends("left" if exchange.left else "unfinished")

    def _keep(self, reply: ModelReply, items: Items) -> None:
        self._responses[f"resp_{reply.id}"] = (*items, *_output(reply))
        while len(self._responses) > _MOST_RESPONSES:
            self._responses.popitem(last=False)

    async def _play(
        self, call: ServedCall, played: Play, wire: WireFormat, exchange: "_Exchange", ends: Callable[[State], None]
    ) -> None:
        """Sends an answer. `ends` is called before its last bytes, after which the backend may ask what came of it."""
        refusal = next((piece for piece in played.pieces if isinstance(piece, RefuseWith)), None)
        if refusal is not None:
            headers = {"retry-after": str(self._script.retry_after_s)} if refusal.status == 429 else {}
            ends("unfinished")
            said = "too many requests" if refusal.status == 429 else "the model has failed"
            await exchange.send_json(refusal.status, wire.error(refusal.status, f"{said} (scripted)"), headers)
            return
        if call.stream:
            await exchange.begin("text/event-stream")
            await exchange.more(wire.first())
        for piece in played.pieces:
            if isinstance(piece, BreakOff | Broken):
                ends("unfinished")
                if call.stream and isinstance(piece, Broken):
                    await exchange.more(wire.broken(), is_last=True)
                elif not call.stream:
                    await exchange.half_a_body()
                # Otherwise the answer is left open, and the server closes the connection without the end of its body.
                return
            if isinstance(piece, Finish):
                call.finish = "tool_calls" if wire.reply.calls else piece.reason
                cut_short = played.fault in UNFINISHED or piece.reason in _CUT_SHORT
                ends("unfinished" if cut_short else "finished")
            await self._one(call, piece, wire, exchange)
        if not call.stream:
            await exchange.send_json(200, wire.whole())
        else:
            await exchange.more(b"", is_last=True)

    async def _one(self, call: ServedCall, piece: Piece, wire: WireFormat, exchange: "_Exchange") -> None:
        if isinstance(piece, Wait):
            await (asyncio.sleep(piece.for_s) if piece.for_s is not None else asyncio.Event().wait())
            return
        if isinstance(piece, Endless):
            while True:
                await self._one(call, Say(piece.text), wire, exchange)
                await asyncio.sleep(_ENDLESS_PAUSE_S)
        reply = wire.reply
        reply.take(piece)
        call.said, call.output_tokens = reply.said, reply.output_tokens
        if call.stream:
            await exchange.more(wire.piece(piece))
            if not isinstance(piece, Finish):
                await asyncio.sleep(self._script.pace_ms / 1e3)

    def _items(self, body: Mapping[str, Any]) -> Items:
        """The items of a request to Responses, those of the earlier responses that it continues first."""
        return (*self._responses.get(str(body.get("previous_response_id")), ()), *conversation.input_items(body))


class _Exchange:
    """One HTTP request and its response, on top of ASGI. `left`: the client closed the connection before the end."""

    def __init__(self, receive: Any, send: Any) -> None:
        self.left = False
        self._receive = receive
        self._send = send

    async def body(self) -> bytes:
        """The body of the request. Raises _LeftError if the client leaves before, or sends too much."""
        parts: list[bytes] = []
        while (message := await self._receive())["type"] == "http.request":
            parts.append(message.get("body", b""))
            if sum(map(len, parts)) > _LARGEST_BODY_BYTES:
                raise _LeftError
            if not message.get("more_body"):
                return b"".join(parts)
        raise _LeftError

    async def until_left(self, playing: Any) -> None:
        """Waits for the end of an answer. Raises _LeftError if the client closes the connection before."""
        player, left = asyncio.ensure_future(playing), asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait((player, left), return_when=asyncio.FIRST_COMPLETED)
            if player.done():
                player.result()
                return
            self.left = True
            raise _LeftError
        finally:
            for task in (player, left):
                task.cancel()
            await asyncio.gather(player, left, return_exceptions=True)

    async def begin(self, kind: str, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """The head of the response."""
        named = {"content-type": kind, "cache-control": "no-store", **(headers or {})}
        encoded = [(name.encode(), value.encode()) for name, value in named.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def more(self, data: bytes, *, is_last: bool = False) -> None:
        """A part of the body."""
        if data or is_last:
            await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})

    async def half_a_body(self) -> None:
        """A body that ends before its announced length."""
        await self.begin("application/json", headers={"content-length": "1000"})
        await self.more(b'{"id": "')

    async def send_json(self, status: int, body: Body, headers: Mapping[str, str] | None = None) -> None:
        """The whole response."""
        data = _encoder.encode(body)
        await self.begin("application/json", status, {"content-length": str(len(data)), **(headers or {})})
        await self.more(data, is_last=True)


_WIRES: Mapping[str, type[WireFormat]] = {
    "/chat/completions": ChatCompletions, "/responses": Responses, "/messages": Messages
}  # fmt: skip
_CUT_SHORT = frozenset({"length", "content_filter"})


def _number(text: str) -> float | None:
    """A number that is not negative; None for all that is none."""
    return float(text) if text.isascii() and text.replace(".", "", 1).isdecimal() else None


def _written(wire: str, reply: ModelReply, body: Mapping[str, Any]) -> WireFormat:
    return ChatCompletions(reply, body) if wire == "/chat/completions" else _WIRES[wire](reply)


def _conversation(wire: str, body: Mapping[str, Any], items: Items) -> conversation.Conversation:
    if wire == "/chat/completions":
        return conversation.of_chat(body)
    return conversation.of_messages(body) if wire == "/messages" else conversation.of_responses(items, body)


def _output(reply: ModelReply) -> Items:
    """What later requests to Responses continue: of a reply, only that tools were called matters to the script."""
    return tuple({"type": "function_call", "name": call.name} for call in reply.calls)


class ModelServer(uvicorn.Server):
    """A server of a script on a socket, which ends on SIGTERM or SIGINT, or by `should_exit`. `app` has the calls."""

    def __init__(self, script: Script) -> None:
        self.app = ModelApp(script)
        super().__init__(
            uvicorn.Config(
                self.app, log_config=None, log_level="critical", access_log=False, lifespan="off", server_header=False,
                timeout_graceful_shutdown=1, timeout_keep_alive=60,
            )
        )  # fmt: skip

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends the server on signals, with exit code 0; a thread other than the main one has none."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # uvicorn's own raises the signal again once all is done.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop_soon)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def stop_soon(self) -> None:
        """Ends the server at its next turn."""
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 is any free one. Raises OSError if the address cannot be used."""
    return socket.create_server((host, port), backlog=256)
