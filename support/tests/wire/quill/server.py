"""A server with a protocol of its own, to try the documentation of profiles on: `python -m ... PORT`, 0 for any port.

One logs in by a form and gets a cookie and a ticket for the address. Frames are lists, ["name", {...}], beside plain
text "hb" that wants to be answered with "hb-ack". The server greets with a riddle, and takes who answers it. Jobs are
shown with titles such as "Running lookup (#7)"; two lookups at once come in one list. "part-done" ends a part and not
the job; what a user says is answered word by word, and once more as a whole. It prints its port when it listens.
"""

import asyncio
import itertools
import json
import socket
import sys
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

PASSWORD = "quill-test-password"
MOST = 100_000
tickets: dict[str, str] = {}
numbers = itertools.count(1)


async def login(request: Request) -> Response:
    form = await request.form()
    if form.get("password") != PASSWORD:
        return JSONResponse({"complaint": "who are you?"}, 403)
    ticket = f"ticket-{next(numbers)}"
    tickets[ticket] = str(form["name"])
    response = JSONResponse({"ticket": {"value": ticket}})
    response.set_cookie("seat", ticket)
    return response


async def talk(socket_: WebSocket) -> None:
    ticket = socket_.path_params["ticket"]
    if tickets.get(ticket) is None or socket_.cookies.get("seat") != ticket:
        await socket_.close(4401)
        return
    await socket_.accept()
    try:
        await socket_.send_text(json.dumps(["riddle", {"word": f"word-{ticket}"}]))
        if json.loads(await socket_.receive_text()) != ["answer", f"word-{ticket}"]:
            await socket_.send_text(json.dumps(["oops", {"why": "wrong-word", "told": "that is not the word"}]))
            await socket_.close(1008)
            return
        await socket_.send_text(json.dumps(["seated", {"room": f"room-{ticket}"}]))
        await _serve(socket_, f"room-{ticket}")
    except WebSocketDisconnect:
        return


async def _serve(socket_: WebSocket, room: str) -> None:
    beating = False
    while True:
        message = await socket_.receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text") or ""
        if text == "hb-ack":
            beating = False
            continue
        try:
            name, body = json.loads(text if len(text) < MOST else "")
            question = body["question"]
        except (ValueError, KeyError, TypeError, RecursionError):
            await socket_.send_text(json.dumps(["oops", {"why": "not-understood", "told": "say it again, shorter"}]))
            continue
        if name != "job" or not isinstance(question, str):
            await socket_.send_text(json.dumps(["oops", {"why": "not-a-job", "told": "nobody asks so"}]))
            continue
        if beating:
            await socket_.close(4000, "nobody answers the heartbeat")
            return
        await socket_.send_text("hb")
        beating = True
        for event in _job(question, body["mark"], room):
            await socket_.send_text(json.dumps(event))
            await asyncio.sleep(0.002)


def _job(question: str, mark: str, room: str) -> Any:
    job = f"job-{next(numbers)}"
    where = {"job": job, "mark": mark, "room": room}
    yield ["job-open", where]
    for word in ("I look ", "it up."):
        yield ["muse", {**where, "bit": word}]
    pages = (7, 8) if "both" in question else (7,)
    yield ["desk", {**where, "titles": [{"title": f"Running lookup (#{page})"} for page in pages]}]
    for page in pages:
        yield ["desk-done", {**where, "title": f"Running lookup (#{page})", "found": f"page {page}", "ok": True}]
    yield ["part-done", {**where, "state": "ok"}]
    answer = f"{question} is on page {' and '.join(map(str, pages))}"
    for word in answer.split(" "):
        yield ["say", {**where, "bit": f"{word} "}]
    yield ["job-state", {**where, "state": "winding-down"}]
    yield ["job-state", {**where, "state": "closed", "answer": answer}]


app = Starlette(routes=[Route("/login", login, methods=["POST"]), WebSocketRoute("/talk/{ticket}", talk)])


def main(port: int) -> None:
    listening = socket.create_server(("127.0.0.1", port))
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(app, ws="wsproto", log_level="error", lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main(int(sys.argv[1]))
