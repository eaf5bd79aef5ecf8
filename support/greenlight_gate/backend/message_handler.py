"""Handles the messages of a client."""

import asyncio
import functools
import json
import math
from collections.abc import Callable
from typing import Any

from greenlight_gate.backend.bus import thread_topic
from greenlight_gate.backend.clock import iso, now_us
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.follower import Follower
from greenlight_gate.backend.frames import Body
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.runs import APPROVE, DENY
from greenlight_gate.backend.strict_json import parse

_MAX_ID_CHARACTERS = 256
# So long a request that is sent again waits for the end of its first stream: a proxy cuts that, and repeats the request
# at the same moment.
_OVERTAKES_S = 0.2
_NOT_YOURS = "there is no such conversation or run of yours"


class _BadRequestError(Exception):
    """A message that is JSON but not valid; the text says what was required."""


class MessageHandler:
    """Reads the messages of one connection, one after the other. `send`: how errors are sent, if not on it."""

    def __init__(
        self, hub: Hub, connection: ServedConnection, send: Callable[[Body], None] | None = None
    ) -> None:  # fmt: skip
        self._hub = hub
        self._connection = connection
        self._refuse = functools.partial(connection.refuse, send=send)
        self._handlers = {
            "start_agent": self._start,
            "stop_agent": self._stop,
            "input_response": self._respond,
            "ping": self._ping,
        }
        if self._hub.settings.resume:
            self._handlers["session_restore"] = self._restore

    async def take(self, text: str) -> None:
        """Handle one message; an invalid one is answered with an error."""
        try:
            message = parse(text)
        except ValueError as error:
            self._refuse("BAD_JSON", f"this is not JSON: {error}")
            return
        request_id = message.get("request_id") if isinstance(message, dict) else None
        if not _is_id(request_id):
            request_id = None
        if self._connection.has_expired:
            self._refuse("UNAUTHENTICATED", "the token has expired: sign in again", request_id)
            return
        try:
            kind = _kind(message)
            handler = self._handlers.get(kind)
            if handler is None:
                known = ", ".join(self._handlers)
                self._refuse("UNKNOWN_TYPE", f"{kind[:100]!r} is none of {known}", request_id)
                return
            kept = self._hub.chain.incoming(self._connection, message)
            if kept is not None:
                await handler(kept, request_id)
        except _BadRequestError as error:
            self._refuse("BAD_REQUEST", str(error), request_id)

    async def _start(self, message: Body, request_id: Any) -> None:
        if not _is_id(message.get("request_id")):
            raise _BadRequestError("request_id must be a text of at most 256 characters, a whole number or null")
        payload = message.get("payload")
        if not isinstance(payload, dict):
            raise _BadRequestError("start_agent needs a payload object")
        question, thread_id = payload.get("user_request"), payload.get("thread_id")
        if not isinstance(question, str) or not question.strip():
            raise _BadRequestError("payload.user_request must be a text that is not empty")
        if thread_id is not None and not isinstance(thread_id, str):
            raise _BadRequestError("payload.thread_id must be a text or null")
        replaced = payload.get("replaces_run_id")
        if not (replaced is None or (isinstance(replaced, str) and thread_id is not None)):
            raise _BadRequestError("payload.replaces_run_id must be a text, with payload.thread_id, or null")
        if self._is_repeated(message, request_id):
            await self._again(request_id, question)
            return
        user_id = self._acting(message)
        if thread_id is not None and not self._may(
            "start", user_id, owner := await self._hub.store.owner_of(thread_id)
        ):
            self._not_theirs(owner, request_id)
        elif len(self._connection.runs_here) >= self._hub.settings.max_open_runs:
            limit = self._hub.settings.max_open_runs
            self._refuse("RATE_LIMITED", f"{limit} runs are under way: wait until one ends", request_id)
        elif replaced and thread_id and not await self._forget_from(thread_id, replaced):
            self._not_theirs(None, request_id)
        else:
            thread_id = thread_id or await self._hub.store.create_thread(user_id)
            await self._hub.runs.start(self._connection, user_id, question, request_id, thread_id)

    async def _forget_from(self, thread_id: str, run_id: str) -> bool:
        """Take a request and all later ones out of a thread; what is still answered of that is stopped."""
        if not await self._hub.store.forget_from(thread_id, run_id):
            return False
        run = self._hub.runs.find(run_id)
        if run is not None:
            await self._hub.runs.stop(run, "the request was changed")
        return True

    def _is_repeated(self, message: Body, request_id: Any) -> bool:
        """Whether a request with the same id is in progress here, or by HTTP was ever sent, as by a double click."""
        if request_id is None:
            return False
        connection, runs = self._connection, self._hub.runs
        known = runs.asked(connection.runs_here, request_id) is not None or (
            connection.answers_again and runs.known(connection.user_id, request_id) is not None
        )
        return known and self._hub.chain.repeated(connection, message)

    async def _again(self, request_id: str | int, question: str) -> None:
        """Answer a request that was sent again with the events of its run; over a WebSocket they come anyway."""
        connection, runs = self._connection, self._hub.runs
        if not connection.answers_again:
            return
        deadline = asyncio.get_running_loop().time() + _OVERTAKES_S
        while in_progress := runs.asked(connection.runs_here, request_id) is not None:
            if asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(_OVERTAKES_S / 20)
        known = runs.known(connection.user_id, request_id)
        if in_progress or known is None:
            self._refuse("IN_PROGRESS", "this request is being answered already", request_id)
        elif known.question != question:
            self._refuse("BAD_REQUEST", "another question was asked with this request_id", request_id)
        else:
            connection.answer_again(known.thread_id, request_id)
            await self._follow(known.thread_id, connection.user_id, 0)

    async def _stop(self, message: Body, request_id: Any) -> None:
        if message.get("run_id") is None and request_id is not None:
            await self._stop_early(message, request_id)
            return
        run_id = _text(message, "run_id")
        run = self._hub.runs.find(run_id)
        if run is None:
            owner = await self._hub.store.owner_of_run(run_id)
        else:
            owner = None if run.ended else run.user_id
        if owner is None or not self._may("stop", self._acting(message), owner):
            self._not_theirs(owner, request_id)
        elif run is not None:
            await self._hub.runs.stop(run, "stopped by the user")
        else:
            # The run is on another replica.
            self._hub.bus.announce("stop", run_id)

    async def _stop_early(self, message: Body, request_id: Any) -> None:
        """Stop a run of this connection by its request: its client may know no run id yet."""
        run = self._hub.runs.asked(self._connection.runs_here, request_id)
        if run is None or not self._may("stop", self._acting(message), run.user_id):
            self._not_theirs(None, request_id)
        else:
            await self._hub.runs.stop(run, "stopped by the user")

    async def _respond(self, message: Body, request_id: Any) -> None:
        run_id, input_id, choice = (_text(message, name) for name in ("run_id", "input_id", "choice"))
        if choice not in (APPROVE, DENY):
            raise _BadRequestError(f"choice must be {APPROVE} or {DENY}")
        run = self._hub.runs.find(run_id)
        owner = run.user_id if run is not None else await self._hub.store.owner_of_run(run_id)
        if owner is None or not self._may("respond", self._acting(message), owner):
            self._not_theirs(owner, request_id)
        elif run is None:
            self._hub.bus.announce("input", json.dumps([run_id, input_id, choice]))
        elif not self._hub.runs.respond(run, input_id, choice):
            self._refuse("INPUT_CLOSED", "nothing is asked under this id any more", request_id)

    async def _ping(self, message: Body, request_id: Any) -> None:
        del request_id
        nonce = message.get("nonce")
        if not isinstance(nonce, str | int | float | None) or (isinstance(nonce, float) and not math.isfinite(nonce)):
            raise _BadRequestError("nonce must be a text or a number")
        self._connection.send({"type": "pong", "nonce": nonce, "server_time": iso(now_us())})

    async def _restore(self, message: Body, request_id: Any) -> None:
        thread_id, last_seq = _text(message, "thread_id"), message.get("last_seq")
        if not isinstance(last_seq, int) or isinstance(last_seq, bool) or last_seq < 0:
            raise _BadRequestError("last_seq must be a whole number, 0 or more")
        owner = await self._hub.store.owner_of(thread_id)
        if owner is None or not self._may("restore", self._acting(message), owner):
            self._not_theirs(owner, request_id)
            return
        seq = min(last_seq, await self._hub.store.last_seq(thread_id))
        follower = await self._follow(thread_id, owner, seq)
        self._connection.send({"type": "session_restored", "thread_id": thread_id, "replayed": follower.replayed})

    async def _follow(self, thread_id: str, owner: str, seq: int) -> Follower:
        """Send what is stored of a thread after this number, and from then on what is new in it."""
        store = self._hub.store
        follower = Follower(self._connection, thread_id, owner, seq, bus=self._hub.bus, store=store)
        earlier = self._connection.following.get(thread_id)
        if earlier is not None:
            earlier.stop()
        # From here on live events wait: they must not overtake the replay.
        self._connection.following[thread_id] = follower
        self._hub.bus.subscribe(thread_topic(thread_id), self._connection)
        await follower.catch_up()
        return follower

    def _not_theirs(self, owner: str | None, request_id: Any) -> None:
        code = "FORBIDDEN_THREAD" if owner is not None else self._hub.settings.variation.unknown
        self._refuse(code, _NOT_YOURS, request_id)

    def _acting(self, message: Body) -> str:
        return self._hub.chain.acting(self._connection, message, self._connection.user_id)

    def _may(self, action: str, user_id: str, owner: str | None) -> bool:
        return self._hub.chain.access(owner == user_id, action, user_id, owner) and owner is not None


def _kind(message: Any) -> str:
    if not isinstance(message, dict):
        raise _BadRequestError("a message must be an object")
    return _text(message, "type")


def _text(message: Body, name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise _BadRequestError(f"{name} must be a text")
    return value


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _MAX_ID_CHARACTERS
    return value is None or (isinstance(value, int) and not isinstance(value, bool))
