"""A small JSON-RPC 2.0 server over WebSocket, on the scripted agent: python app.py PORT.

jsonrpcserver reads the requests and writes the responses, websockets carries them. What a turn does comes as
notifications `turn.event`, numbered within its session. A session belongs to the user of the token, lives on when its
connection is lost, and is resumed from a number on.
"""

import asyncio
import json
import os
import sys
import time
import uuid
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import jwt
from jsonrpcserver import Error, Result, Success, async_dispatch, method
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

sys.path.insert(0, str(Path(__file__).parents[1] / "agent"))
from rules import GaveUp
from scripted_agent import Agent

SECRET = os.environ["LIVE_SECRET"]
NOT_YOURS, WAITS_S = -32004, 1.0
agent = Agent()


class Session:
    """A conversation of one user: its events, its questions, and who follows it."""

    def __init__(self, user: str) -> None:
        self.id = uuid.uuid4().hex
        self.user = user
        self.events: list[str] = []
        self.asked: list[str] = []
        self.followers: set[ServerConnection] = set()
        self.lock = asyncio.Lock()

    async def tell(self, turn: "Turn", kind: str, **more: Any) -> None:
        at = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        params = {
            "session_id": self.id,
            "turn_id": turn.id,
            "seq": len(self.events) + 1,
            "at": at,
            "type": kind,
            **more,
        }
        text = json.dumps({"jsonrpc": "2.0", "method": "turn.event", "params": params}, ensure_ascii=False)
        self.events.append(text)
        async with self.lock:
            for follower in {turn.asked_on, *self.followers}:
                await send(follower, text)


class Turn:
    """One request that is being answered."""

    def __init__(self, session: Session, text: str, caller: "Caller") -> None:
        self.id = uuid.uuid4().hex
        self.asked_on = caller.connection
        self.session = session
        self.request = caller.request
        self.approvals: dict[str, asyncio.Future[bool]] = {}
        self.history = list(session.asked)
        session.asked.append(text)
        self.task = asyncio.create_task(self._run(text))

    async def _run(self, text: str) -> None:
        tell, said = self.session.tell, ""
        try:
            await asyncio.sleep(0.005)  # the response to the request goes first
            await tell(self, "started")
            async for what, *rest in agent.answer(self.session.user, text, self.history, self._approve):
                if what == "think":
                    await tell(self, "reasoning", text=rest[0])
                elif what == "tool":
                    await tell(self, "tool.started", call_id=rest[0], tool=rest[1], arguments=rest[2])
                elif what == "result":
                    await tell(
                        self, "tool.ended", call_id=rest[0], tool=rest[1], result=rest[2], exit_code=int(rest[3])
                    )
                else:
                    said += rest[0]
                    await tell(self, "answer.delta", text=rest[0])
            await tell(self, "ended", answer=said)
        except asyncio.CancelledError:
            await tell(self, "stopped")
        except GaveUp as error:
            await tell(self, "failed", error=str(error))
        finally:
            turns.pop(self.id, None)

    async def _approve(self, tool: str, arguments: dict[str, Any]) -> bool:
        asked = f"approval-{uuid.uuid4().hex}"
        waits = self.approvals[asked] = asyncio.get_running_loop().create_future()
        await self.session.tell(self, "approval.asked", approval_id=asked, tool=tool, arguments=arguments)
        try:
            return await asyncio.wait_for(waits, WAITS_S)
        except TimeoutError:
            return False
        finally:
            del self.approvals[asked]


sessions: dict[str, Session] = {}
turns: dict[str, Turn] = {}


class Caller:
    """Who calls, on which connection."""

    def __init__(self, user: str, connection: ServerConnection) -> None:
        self.user = user
        self.connection = connection
        self.request: int | None = None

    def session(self, id_: str | None) -> Session | None:
        if id_ is None:
            made = Session(self.user)
            sessions[made.id] = made
            return made
        found = sessions.get(id_)
        return found if found is not None and found.user == self.user else None

    def turn(self, id_: str) -> Turn | None:
        found = turns.get(id_)
        return found if found is not None and found.session.user == self.user else None


def not_yours(what: str) -> Result:
    return Error(NOT_YOURS, f"there is no such {what}")


@method(name="turn.start")
async def turn_start(
    caller: Caller, text: str, session_id: str | None = None, replaces: str | None = None, user_id: str | None = None
) -> Result:
    session = caller.session(session_id)
    if session is None or not isinstance(text, str):
        return not_yours("session")
    if replaces is not None and session.asked:
        session.asked.pop()
    turn = Turn(session, text, caller)
    turns[turn.id] = turn
    return Success({"turn_id": turn.id, "session_id": session.id})


@method(name="turn.stop")
async def turn_stop(caller: Caller, turn_id: str) -> Result:
    turn = caller.turn(turn_id)
    if turn is None:
        return not_yours("turn")
    turn.task.cancel()
    return Success({"stopping": turn_id})


@method(name="request.cancel")
async def request_cancel(caller: Caller, id: int) -> Result:  # noqa: A002 -- as the protocol of language servers has it
    mine = [turn for turn in turns.values() if turn.request == id and turn.session.user == caller.user]
    for turn in mine:
        turn.task.cancel()
    return Success({"stopping": id}) if mine else not_yours("request")


@method(name="approval.answer")
async def approval_answer(caller: Caller, turn_id: str, approval_id: str, approved: bool) -> Result:
    turn = caller.turn(turn_id)
    waits = turn.approvals.get(approval_id) if turn is not None else None
    if waits is None or waits.done():
        return not_yours("approval")
    waits.set_result(bool(approved))
    return Success({"answered": approval_id})


@method(name="session.resume")
async def session_resume(caller: Caller, session_id: str, after: int = 0) -> Result:
    session = caller.session(session_id) if session_id else None
    if session is None:
        return not_yours("session")
    async with session.lock:
        for text in session.events[after or 0 :]:
            await send(caller.connection, text)
        session.followers.add(caller.connection)
    return Success({"resumed": session_id})


@method(name="ping")
async def ping(caller: Caller, nonce: str) -> Result:
    return Success({"pong": nonce})


async def send(connection: ServerConnection, text: str) -> None:
    try:
        await connection.send(text)
    except ConnectionClosed:
        for session in sessions.values():
            session.followers.discard(connection)


def user_of(request: Request) -> str | None:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="live", options={"require": ["exp", "sub"]})
    except jwt.InvalidTokenError:
        return None
    return str(claims["sub"]) if kind == "Bearer" else None


def admit(connection: ServerConnection, request: Request) -> Response | None:
    if request.path == "/health":
        return connection.respond(HTTPStatus.OK, json.dumps({"status": "ok", "version": "2.0.0"}))
    if user_of(request) is None:
        return connection.respond(HTTPStatus.UNAUTHORIZED, "no token of ours")
    return None


async def talk(connection: ServerConnection) -> None:
    user = user_of(connection.request)
    expires_s = jwt.decode(
        connection.request.headers["Authorization"].partition(" ")[2], options={"verify_signature": False}
    )["exp"]
    over = asyncio.get_running_loop().call_later(
        max(expires_s - time.time(), 0),
        lambda: asyncio.ensure_future(connection.close(4001, "expired")),
    )
    try:
        async for text in connection:
            caller = Caller(str(user), connection)
            try:
                request = json.loads(text)
                caller.request = request.get("id") if isinstance(request, dict) else None
            except (ValueError, RecursionError):
                pass
            answer = await async_dispatch(
                text if isinstance(text, str) else text.decode(errors="replace"), context=caller
            )
            if answer:
                await send(connection, answer)
    except ConnectionClosed:
        pass
    finally:
        over.cancel()
        for session in sessions.values():
            session.followers.discard(connection)


async def main(port: int) -> None:
    async with serve(talk, "127.0.0.1", port, process_request=admit, ping_interval=1, ping_timeout=3, max_size=65_536):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
