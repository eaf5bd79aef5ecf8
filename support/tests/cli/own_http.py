"""Chats by HTTP, each with a wire of its own that no included profile was written for."""

import json
import queue
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

TOKENS = {"ada": "a-token-of-ada-0123456789", "bo": "a-token-of-bo-0123456789"}
_KINDS = {"/ask": "text/event-stream", "/lines": "application/x-ndjson", "/my/chat": "text/event-stream"}


class _Chat(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tabs: ClassVar[dict[str, "queue.Queue[bytes]"]] = {}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name
        """Says nothing."""

    def do_GET(self) -> None:
        if self.path != "/events":
            self._json(404, {"error": "no such page"})
            return
        tab = uuid.uuid4().hex
        waiting = self.tabs[tab] = queue.Queue[bytes]()
        self._stream("text/event-stream")
        self._chunk(_data(type="hello", tab=tab))
        while True:
            try:
                self._chunk(waiting.get(timeout=0.5))
            except queue.Empty:
                self._chunk(b": still here\n\n")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/ask" and self.headers.get("Authorization", "").removeprefix("Bearer ") not in TOKENS.values():
            self._json(401, {"error": "unauthorized", "detail": "sign in first"})
            return
        try:
            asked = json.loads(body)
            question = asked["text"] if "text" in asked else asked["messages"][0]["parts"][0]["text"]
        except (ValueError, KeyError, TypeError):
            self._json(422, {"error": "bad_request", "detail": "a text is needed"})
            return
        run, result = (
            uuid.uuid4().hex,
            " and ".join(str(int(a) * int(b)) for a, b in re.findall(r"(\d+)\*(\d+)", question)),
        )
        if self.path == "/json":
            self._json(200, {"answer": result})
        elif self.path == "/say":
            for message in _of_channel(run, question, result):
                self.tabs[asked["tab"]].put(message)
            self._json(202, {"run": run})
        else:
            self._stream(_KINDS[self.path])
            for message in {"/ask": _events, "/lines": _lines, "/my/chat": _of_ai_sdk}[self.path](
                run, question, result
            ):
                self._chunk(message)
            self._chunk(b"")

    def _json(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, media: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()


def _data(**members: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(members).encode()


def _events(run: str, question: str, result: str) -> Iterator[bytes]:
    answer = f"{result}, for {question}"
    for kind, members in (
        ("begin", {}), ("thought", {"text": "Let me see."}), ("tool", {"call": f"k-{run}", "name": "times"}),
        ("tool_result", {"call": f"k-{run}", "name": "times", "value": result}), ("piece", {"text": answer[:3]}),
        ("piece", {"text": answer[3:]}), ("end", {"answer": answer}),
    ):  # fmt: skip
        yield b"event: %b\n" % kind.encode() + _data(run=run, **members)


def _lines(run: str, question: str, result: str) -> Iterator[bytes]:
    for members in (
        {"state": "accepted"}, {"state": "tool_call", "tool": "times"}, {"state": "tool_output", "tool": "times",
        "output": result}, {"state": "token", "token": result}, {"state": "token", "token": f", for {question}"},
        {"state": "done", "text": f"{result}, for {question}"},
    ):  # fmt: skip
        yield json.dumps({"job": run, **members}).encode() + b"\n"


def _of_channel(run: str, question: str, result: str) -> Iterator[bytes]:
    for members in (
        {"type": "turn_started"}, {"type": "thinking", "text": "Let me see."}, {"type": "tool_use", "tool": "times"},
        {"type": "tool_done", "tool": "times", "result": result},
        {"type": "turn_finished", "text": f"{result}, for {question}"},
    ):  # fmt: skip
        yield _data(turn=run, **members)


def _of_ai_sdk(run: str, question: str, result: str) -> Iterator[bytes]:
    call = {"toolCallId": f"call-{run}"}
    for members in (
        {"type": "start"}, {"type": "reasoning-delta", "id": "r", "delta": "Let me see."},
        {"type": "tool-input-available", "toolName": "times", "input": {}, **call},
        {"type": "tool-output-available", "output": result, **call},
        {"type": "text-delta", "id": "t", "delta": f"{result}, for {question}"}, {"type": "finish"},
    ):  # fmt: skip
        yield _data(**members)
    yield b"data: [DONE]\n\n"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has left is no error."""


@contextmanager
def own_chats() -> Iterator[str]:
    """The origin of a server with all of them."""
    with _Server(("127.0.0.1", 0), _Chat) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
