"""One connection of one person: what they send, what they see, and how long they wait.

All methods run on the loop thread. Whatever happens becomes a record; waiting in vain does as well.
"""

import asyncio
import contextlib
import logging
import ssl
import time
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from greenlight_gate.client.connecting import ConnectionSetup, StepRefused, Values, user_shown
from greenlight_gate.client.endings import NotConnected, how, said
from greenlight_gate.client.handshake_steps import answer, shake_hands
from greenlight_gate.client.inbox import Inbox
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.refused_session import wait_to_be_refused
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.upgrade import kept_body, kept_headers, transport_of
from greenlight_gate.rules.engine.deadlines import MARGIN_S, Deadlines, TimeBudgets
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Persona
from greenlight_gate.trace import Closed, Expect, Opened, Sent, TimedOut
from greenlight_gate.transport.interface import Accepted, ConnectionEnded, Ending, NotOpened, Transport
from greenlight_gate.wire.codecs import UndecodableError
from greenlight_gate.wire.profile import Profile

_FLUSH_S = 0.25
_CLOSE_S = 2.0
_BREATH = 8
_ANSWERS = ("ready", "error", "pong", "restored", "heartbeat")
log = logging.getLogger("greenlight")


class Session:
    """One WebSocket of `person`. `label` names it where the person has more than one window."""

    def __init__(
        self, person: str, persona: Persona, target: Target, *, profile: Profile, recorder: Recorder,
        before: "Session | None" = None, patience: Deadlines | None = None,
    ) -> None:  # fmt: skip
        self.person = person
        self.user = user_shown(persona, target, profile.spec)
        self.persona = persona.name
        self.played_by = persona
        self.kept: dict[str, Any] = before.kept if before is not None else {}
        self.way: ConnectionSetup | None = None
        self.target = target
        self.profile = profile
        self.recorder = recorder
        self.connection = recorder.next_connection()
        self.budgets: TimeBudgets = target.budgets
        self.patience = patience or Deadlines(self.budgets)
        self.open = False
        self.cut_by_us = False
        self.heard: Inbox = Inbox(
            recorder, self.connection, target.limits, before.heard.questions if before is not None else [],
            too_much=self._give_up, asked_to_answer=self._answer,
        )  # fmt: skip
        self._transport: Transport | None = None
        self._asked_at = 0.0
        self._asked_as: dict[str, Any] = {}
        self._ended = "has ended"

    # Coming and going ----------------------------------------------------------------------------------------

    async def connect(
        self, entry: Token, tls: ssl.SSLContext | None, attempt: int = 1, *, unwelcome: str = "",
        via: tuple[str, int] | None = None,
    ) -> None:  # fmt: skip
        """Opens the connection and waits until the backend says that it is ready.

        `unwelcome`: what is wrong with the pass; then it waits to be turned away. Raises NotConnected after the trace
        has its record of the refusal, the failure or the silence.
        """
        way = self.way = ConnectionSetup(self.target, self.profile, self.played_by, entry, self.kept)
        try:
            await way.prepare()
            transport = self._transport = transport_of(way, self.target, self)
            self._asked_as = {
                "attempt": attempt, "unwelcome": unwelcome, "proxied": via is not None,
                "expires_at": None if entry.expires_s is None else entry.expires_s - self.recorder.checker.epoch_s,
                "values": {name: self._clean_value(value) for name, value in way.looked_up.items()},
            }  # fmt: skip
            self._asked_at = time.monotonic()
            async with asyncio.timeout(self.budgets.handshake_s + MARGIN_S):
                await transport.open(tls=tls, via=via)
        except (OSError, NotOpened, StepRefused) as error:
            raise self._refused(error, unwelcome) from error
        if entry.first_message is not None:
            await self.write(msgspec.json.encode(entry.first_message).decode(), what="hello")
        trouble = await shake_hands(self)
        if unwelcome:
            await wait_to_be_refused(self, lambda: self._answered(0, *_ANSWERS) or not self.open)
        elif trouble is not None:
            raise NotConnected(f"{self.person} {trouble}")
        elif self.profile.promises.ready:
            wait_s = self.budgets.handshake_s
            if not await self.heard.until(lambda: self._answered(0, "ready") or not self.open, wait_s):
                self.recorder.add(TimedOut, self.connection, waiting_for="ready", after_s=wait_s)
                raise NotConnected(f"{self.person} was let in, but not told that the backend is ready")
            if not self.open:
                raise NotConnected(f"{self.person}'s connection {self._ended}")

    def _refused(self, error: Exception, unwelcome: str) -> NotConnected:
        self.open = False
        clean = self.recorder.clean
        reason = clean(said(error))
        status = error.status if isinstance(error, NotOpened | StepRefused) else None
        answer = error if isinstance(error, NotOpened) else NotOpened("")
        self.recorder.add(
            Closed, self.connection, by="server" if status else "nobody", during="handshake", status=status,
            reason=reason, person=self.person, persona=self.persona,
            headers=kept_headers(answer.headers, clean), body=kept_body(answer.body, clean), unwelcome=unwelcome,
        )  # fmt: skip
        return NotConnected(f"{self.person} was not let in: {reason}")

    async def close(self, *, keep_window: bool = False) -> None:
        """Says goodbye and waits for the answer, for a moment; then clears away what was made for the connection."""
        if self._transport is not None and self.open:
            self._transport.close()
            await self._transport.wait_gone(_CLOSE_S)
        if self.way is not None:
            way, self.way = self.way, None
            for complaint in await way.leave(window=not keep_window):
                log.warning("%s", self.recorder.clean(complaint))

    # What the transport reports ------------------------------------------------------------------------------

    def on_open(self, accepted: Accepted, at: float) -> None:
        """The connection is open."""
        self.open = True
        recorder, clean = self.recorder, self.recorder.clean
        try:
            recorder.add(
                Opened, self.connection, at, person=self.person, persona=self.persona, user=self.user,
                handshake_ms=round((at - self._asked_at) * 1e3, 3), headers=kept_headers(accepted.headers, clean),
                subprotocol=clean(accepted.subprotocol) if accepted.subprotocol else None, beside=recorder.beside,
                **self._asked_as,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 -- here it would look as if the target had not let them in
            recorder.fault = recorder.fault or error

    def on_texts(self, texts: list[bytes], at: float) -> None:
        """Messages have come."""
        for text in texts:
            if self.open:  # one of them may have been too much
                self.heard.frame("text", text, at)

    def on_binary(self, data: bytes, at: float) -> None:
        """A binary message has come."""
        if self.open:
            self.heard.frame("binary", data, at)

    def on_other(self, kind: str, data: bytes, at: float) -> None:
        """What is no message has come."""
        if self.open:
            self.heard.frame(kind, data, at)

    def on_read(self, at: float) -> None:
        """Something has come, be it nothing but protocol."""
        self.heard.changed.set()

    def on_writable(self, at: float) -> None:
        """Whoever writes waits for it by itself."""

    def on_gone(self) -> None:
        """Nothing is left of the connection, which has ended before."""

    def on_close(self, ending: Ending, at: float) -> None:
        """The connection has ended: what was asked on it is given up, unless it was cut by the suite."""
        if not self.open:
            return
        self.open = False
        by, code, reason, unsaid = ending
        reason = self.recorder.clean(reason)
        self._ended = how(Ending(by, code, reason))
        try:
            if unsaid:
                self.recorder.other("close", unsaid, at, self.connection)
            self.recorder.add(Closed, self.connection, at, by=by, code=code, reason=reason)
        except Exception as error:  # noqa: BLE001 -- whoever waits has to hear of the end in any case
            self.recorder.fault = self.recorder.fault or error
        for question in self.heard.questions:
            if not question.over and not self.cut_by_us:
                question.give_up()
        self.heard.changed.set()

    def _give_up(self, why: str) -> None:
        if self._transport is not None:
            self._transport.give_up(why)

    def _answer(self, values: dict[str, Any]) -> None:
        self._answering = asyncio.ensure_future(answer(self, values))

    # Speaking ------------------------------------------------------------------------------------------------

    async def ask(
        self, text: str, expect: Expect, thread: str | None = None, *, foreign: str = "", claims: str | None = None
    ) -> UserRequest:
        """Asks a question; `thread` continues a conversation. Raises NotConnected if the line is gone.

        `foreign`: whose user id `claims` is, if the person claims to be somebody else.
        """
        request = uuid.uuid4().hex
        expect = msgspec.structs.replace(expect, prompt=text)
        question = UserRequest(self.person, text, request=request, expect=expect, at=time.monotonic())
        self.heard.questions.append(question)
        self.recorder.answers.asked(question)
        values = {"request": request, "prompt": text, "thread": thread}
        kept = {"request": request, "thread": thread, "expect": expect, "foreign": foreign, "claims": claims}
        if claims is None:
            await self.send(self.template("start"), values, what="start", **kept)
        else:
            await self.send(self.template("claim"), {**values, "user": claims}, what="start", **kept)
        return question

    async def stop(self, question: UserRequest) -> None:
        """Tells the backend to stop a run."""
        values = {"run": question.run, "request": question.request, "thread": question.thread}
        await self.send(self.template("stop"), values, what="stop", run=question.run)

    async def ping(self) -> bool:
        """Whether an application ping was answered within its budget."""
        ponged, budget = await self._ping(), self.budgets.ping_s
        answered = await self.heard.until(ponged, budget)
        if not answered:
            self.recorder.add(TimedOut, self.connection, waiting_for="pong", after_s=budget)
        return answered

    async def _ping(self) -> Callable[[], bool]:
        """Sends a ping, and returns what tells whether it was answered."""
        nonce, before = uuid.uuid4().hex[:12], len(self.heard.controls)
        await self.send(self.template("ping"), {"nonce": nonce}, what="ping", nonce=nonce)
        return lambda: self.heard.pong(nonce, before)

    async def restore(self, thread: str, last_seq: int) -> bool:
        """Asks for the rest of a thread; whether the backend said that it was restored."""
        before = len(self.heard.controls)
        run = next((question.run for question in reversed(self.heard.questions) if question.thread == thread), None)
        values = {"thread": thread, "last_seq": last_seq, "run": run}
        await self.send(self.template("restore"), values, what="restore", thread=thread, last_seq=last_seq)
        budget = self.budgets.start_s
        if not await self.heard.until(lambda: self._answered(before, "restored", "error") or not self.open, budget):
            self.recorder.add(TimedOut, self.connection, waiting_for="restored", after_s=budget)
        return self._answered(before, "restored")

    async def flood(self, count: int) -> None:
        """Sends so many pings of the WebSocket protocol as fast as it can; the answers are not waited for."""
        if self._transport is None or not self.open:
            raise NotConnected(f"{self.person}'s connection {self._ended}")
        self.recorder.add(Sent, self.connection, what="pings", text=f"{count} pings")
        with contextlib.suppress(ConnectionEnded):  # whoever floods may be shown the door
            for number in range(count):
                self._transport.ping()
                await self._transport.drained()
                if number % _BREATH == 0:
                    await asyncio.sleep(0)  # what others are shown meanwhile is stamped when it comes

    def _answered(self, since: int, *names: str) -> bool:
        return self.heard.since(since, *names) is not None

    def template(self, what: str) -> Any:
        """The profile's frame for something that an app sends."""
        return self.profile.spec.send[what]

    @property
    def values(self) -> Values:
        """All values of this connection by name: given, captured and remembered."""
        known = (Values() if self.way is None else self.way.values).over({})
        known.update(self.recorder.checker.connections[self.connection].reader.values)
        return known

    async def send(self, template: Any, given: dict[str, Any] | None = None, **record: Any) -> None:
        """Sends a frame of the profile, filled in. `record` is kept of it. Raises NotConnected if the line is gone."""
        try:
            text, raw = self.profile.wire(template, self.values.over(given or {}))
        except KeyError as error:
            raise NotConnected(f"{self.person}'s app knows no {error} yet, which its next frame needs") from error
        except UndecodableError as error:
            raise NotConnected(f"{self.person}'s app cannot send its next frame: {error}") from error
        await self.write(text, raw, **record)

    def _clean_value(self, value: Any) -> Any:
        return self.recorder.clean(value) if isinstance(value, str) else value

    async def write(
        self, text: str, raw: str | bytes | list[str | bytes] | None = None, *, as_text: bool = False, **record: Any
    ) -> None:  # fmt: skip
        """Sends `raw`, which is `text` for people, or `text` itself. Raises NotConnected if the line is gone.

        `as_text`: bytes go into a text frame, whatever they are.
        """
        if self._transport is None or not self.open:
            raise NotConnected(f"{self.person}'s connection {self._ended}")
        self.recorder.add(Sent, self.connection, None, text=self.recorder.clean(text), **record)
        try:
            for message in raw if isinstance(raw, list) else [text if raw is None else raw]:
                is_text = as_text or isinstance(message, str)
                self._transport.send(message.encode() if isinstance(message, str) else message, text=is_text)
                await self._transport.drained()
        except ConnectionEnded as error:
            raise NotConnected(f"{self.person}'s connection {self._ended}") from error

    # Waiting -------------------------------------------------------------------------------------------------

    async def wait_end(self, question: UserRequest) -> bool:
        """Waits until the answer has ended; False, with a record of it, when a person would wait no longer."""
        return await self.wait_until(question, lambda: question.over)

    async def wait_until(self, question: UserRequest, condition: Callable[[], bool]) -> bool:
        """Waits for a condition on an answer, as long as the answer goes on within its budgets."""
        while not condition():
            if question.over:
                return False
            now = time.monotonic()
            left_s = question.patience_ends(self.patience) - now
            if left_s <= 0:
                self.patience.ended(question.last_at, now, question.open_tools)
                waited = now - question.last_at
                self.recorder.add(
                    TimedOut, self.connection, waiting_for="end" if question.events else "start",
                    after_s=round(waited, 3), request=question.request, run=question.run,
                )  # fmt: skip
                question.gave_up = True
                question.give_up()
                return condition()
            question.changed.clear()
            try:
                await asyncio.wait_for(question.changed.wait(), left_s)
            except TimeoutError:
                continue
        return True

    async def flush(self) -> None:
        """Lets what the backend has already sent arrive: what was sent before a pong is here before it."""
        if self.open and self.target.capabilities.ping and self.profile.can_send("ping"):
            try:
                ponged = await self._ping()
            except NotConnected:
                return
            await self.heard.until(lambda: ponged() or not self.open, _FLUSH_S)

    async def wait_closed(self, timeout_s: float) -> bool:
        """Whether the connection ended within the time."""
        return await self.heard.until(lambda: not self.open, timeout_s)
