"""A user's session on one connection: it is opened, the user asks, stops and restores, and waits for the answers.

All methods run on the loop thread. Whatever happens becomes a record; so does each wait that timed out.
"""

import asyncio
import contextlib
import errno
import ssl
import time
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec

from greenlight_gate.client.connection import UserConnection
from greenlight_gate.client.endings import NotConnected, said
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.trace_context import new_traceparent
from greenlight_gate.client.upgrade import kept_body, kept_headers, transport_of
from greenlight_gate.events import Control
from greenlight_gate.measure import record_feed
from greenlight_gate.rules.engine.deadlines import MARGIN_S, Deadlines
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Persona
from greenlight_gate.trace import Closed, Expect, Opened, Sent
from greenlight_gate.transport.connection_setup import (
    NOTHING_NAMED,
    ConnectionSetup,
    Kept,
    Naming,
    StepRefused,
    failure_of,
    names_told,
    new_request,
    user_shown,
)
from greenlight_gate.transport.cookies import CookieJar
from greenlight_gate.transport.interface import Accepted, NotOpened
from greenlight_gate.wire.connecting import Step
from greenlight_gate.wire.profile import Profile

_FLUSH_S = 0.25
_UNREACHABLE = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL})
_SHOWN_OF_INVALID = 2_000
_ANSWERS = ("ready", "error", "pong", "restored", "heartbeat")


class Session(UserConnection):
    """One connection of `user`, and what the user does on it.

    `before`: an earlier connection of the same tab, whose captured values and requests it continues. `gave_up`: a
    request on it was waited for in vain, so that its run may still be in progress. `jar`: the cookies of the user;
    `of_user`: what was captured once for the user; `earlier`: what was captured on each of the user's connections.
    """

    def __init__(
        self, user: str, persona: Persona, target: Target, *, profile: Profile, recorder: Recorder,
        before: "Session | None" = None, patience: Deadlines | None = None, jar: CookieJar | None = None,
        earlier: deque[Mapping[str, Any]] | None = None, of_user: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(user, target, profile=profile, recorder=recorder, before=before, patience=patience, jar=jar)
        self.user_id = user_shown(persona, target, profile.spec)
        self.persona = persona.name
        self.played_by = persona
        self.kept: Kept = before.kept if before is not None else Kept(of_user)
        self.naming = NOTHING_NAMED
        self.earlier = deque() if earlier is None else earlier
        self.gave_up = False
        self._asked_at = 0.0
        self._asked_as: dict[str, Any] = {}
        # The trace context of the upgrade, in whose trace the first run belongs.
        self._traceparent = ""

    # Opening ----------------------------------------------------------------------------------------------------

    async def connect(
        self, token: Token, tls: ssl.SSLContext | None, attempt: int = 1, *, unwelcome: str = "",
        via: tuple[str, int] | None = None, naming: Naming = NOTHING_NAMED,
    ) -> None:  # fmt: skip
        """Opens the connection and waits until the backend reports that it is ready.

        `unwelcome`: what is wrong with the token; then it waits for the refusal. `naming`: the conversation that the
        connection resumes, or what it names of another user. Raises NotConnected after the trace has its record of the
        refusal, the failure or the timeout.
        """
        self.naming = naming
        # Cookies of the user could admit a connection that has to be refused for its token.
        jar = self.jar = CookieJar() if unwelcome else self.jar
        kept = Kept() if unwelcome else self.kept
        setup = self.setup = ConnectionSetup(
            self.target, self.profile, self.played_by, token, kept, jar=jar, naming=naming
        )  # fmt: skip
        if record_feed.is_traced():
            setup.traceparent = self._traceparent = new_traceparent()
        try:
            await setup.prepare()
            # Whether a token is refused is asked where it matters: with the request of a user.
            transport = self._transport = transport_of(setup, self.target, self, opens=not unwelcome)
            self._asked_as = {
                "attempt": attempt, "unwelcome": unwelcome, "proxied": via is not None,
                "offered": len(setup.subprotocols),
                "expires_at": None if token.expires_s is None else token.expires_s - self.recorder.checker.epoch_s,
                "values": {name: self._clean_value(value) for name, value in setup.looked_up.items()},
                "names": names_told(self.played_by, self.target, self.profile.spec) if not unwelcome else (),
                "traceparent": setup.traceparent, "foreign": naming.foreign, "behind": naming.behind,
                "named": tuple(str(value) for value in naming.values.values()) if naming.foreign else (),
                "resumes": naming.thread if naming.resumes else None, "last_seq": naming.last_seq,
            }  # fmt: skip
            self._asked_at = time.monotonic()
            await self._within(transport.open(tls=tls, via=via), self.budgets.handshake_s + MARGIN_S)
        except (OSError, NotOpened, StepRefused) as error:
            raise self._refused(error, unwelcome) from error
        if token.first_message is not None:
            await self.write(msgspec.json.encode(token.first_message).decode(), what="hello")
        failure = await self._shake_hands()
        answers = 0
        if unwelcome and self.by_http:
            answers = await self._ask_unwelcome()
        if unwelcome:
            await self._wait_refused(lambda: self._answered(answers, *_ANSWERS))
            return
        if failure is not None:
            raise NotConnected(f"{self.user} {failure}")
        if self.profile.promises.ready:
            await self._wait_ready()
        try:
            setup.check_endpoints(self.values)
        except NotOpened as error:
            transport.abort()
            raise self._refused(error, "") from error
        self._was_usable = True

    async def _ask_unwelcome(self) -> int:
        """Sends a request that has to be refused for its token: without one, nothing refuses a tab by HTTP.

        It is the one that resumes a conversation, where that is what is tried. Beside a channel that was accepted, none
        is sent: that is what has to be refused. Nor is one to an address that only a channel gives, unless one has
        given it to the user before. Returns how many messages came before.
        """
        spec, before = self.profile.spec, len(self.inbox.controls)
        knows_address = spec.endpoints <= self.values.keys()
        if spec.connection.by_channel and not (knows_address and self._answered(0, "error")):
            return 0
        values: dict[str, Any] = {"request": uuid.uuid4().hex, "prompt": "hello", "thread": None}
        what = "restore" if self.naming.resumes and spec.connection.has_stream_for_each else "start"
        if what == "restore":
            values["thread"] = self.naming.thread
        await self.send(self.template(what), values, to=what, what="hello")
        return before

    async def _within(self, opening: Coroutine[Any, Any, None], timeout_s: float) -> None:
        """Waits so long for the opening, without the time in which the suite stood still. Raises TimeoutError."""
        task, began = asyncio.ensure_future(opening), time.monotonic()
        try:
            while not task.done():
                left_s = self.recorder.wait_s(began, timeout_s)
                if left_s <= 0:
                    raise TimeoutError
                await asyncio.wait([task], timeout=left_s)
            await task
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _shake_hands(self) -> str | None:
        """Takes the steps of the profile's handshake in turn. Returns what failed, which the trace records, or None."""
        for index in self.profile.spec.steps_to_take(resumes=self.naming.resumes):
            step = self.profile.spec.steps[index]
            if step.send is not None:
                await self.send(step.send, what="hello")
            elif (failure := await self._receive_step(index, step)) is not None:
                return failure
        return None

    async def _receive_step(self, index: int, step: Step) -> str | None:
        def came() -> bool:
            return self.inbox.handshake_step(index) >= step.nth

        began = time.monotonic()
        wait_s = step.timeout_s or self.budgets.handshake_s
        await self._until(lambda: came() or self._answered(0, "error"), wait_s)
        if came():
            return None
        if self._answered(0, "error"):
            return "was refused in the handshake"
        if not self.open:
            return "lost the connection in the handshake"
        # Of a connection that names what is another user's, silence is a refusal.
        self._timed_out("refusal" if self.naming.foreign else "ready", time.monotonic() - began)
        return f"received nothing for step {index + 1} of the handshake"

    async def _wait_ready(self) -> None:
        wait_s = self.budgets.handshake_s
        if not await self._until(lambda: self._answered(0, "ready"), wait_s):
            self._timed_out("refusal" if self.naming.foreign else "ready", wait_s)
            raise NotConnected(f"{self.user} was accepted, but the backend did not report that it is ready")
        if not self.open:
            raise self.not_open()

    def _refused(self, error: Exception, unwelcome: str) -> NotConnected:
        self.open = False
        clean = self.recorder.clean
        reason = clean(said(error))
        status, in_vain = failure_of(error)
        unreachable = isinstance(error, OSError) and error.errno in _UNREACHABLE
        answer = error if isinstance(error, NotOpened) else NotOpened("")
        self.jar.take(answer.headers)
        self.recorder.add(
            Closed, self.connection, by="server" if status else "nobody", during="handshake", status=status,
            reason=reason, user=self.user, persona=self.persona, unanswered=in_vain, unreachable=unreachable,
            headers=kept_headers(answer.headers, clean), body=kept_body(answer.body, clean), unwelcome=unwelcome,
            traceparent=self._traceparent, foreign=self.naming.foreign, behind=self.naming.behind,
        )  # fmt: skip
        return NotConnected(f"{self.user} could not connect: {reason}")

    def on_open(self, accepted: Accepted, at: float) -> None:
        """The connection is open."""
        self.open = True
        self.jar.take(accepted.headers)
        recorder, clean = self.recorder, self.recorder.clean
        with recorder.keeping_faults():
            recorder.add(
                Opened, self.connection, at, user=self.user, persona=self.persona, user_id=self.user_id,
                handshake_ms=round((at - self._asked_at - recorder.lost_s(self._asked_at)) * 1e3, 3),
                headers=kept_headers(accepted.headers, clean),
                subprotocol=clean(accepted.subprotocol) if accepted.subprotocol else None,
                in_parallel=recorder.in_parallel, earlier=self._captured_earlier(), **self._asked_as,
            )  # fmt: skip
            for thread, last_seq in self.naming.also.items():
                recorder.add(
                    Sent, self.connection, at, what="restore", text="by the last event id", thread=thread,
                    last_seq=last_seq,
                )  # fmt: skip
            if not self.naming.foreign:
                self.earlier.append(recorder.checker.connections[self.connection].reader.values)

    def _captured_earlier(self) -> tuple[str, ...]:
        """The user's own ids of earlier connections: what still comes of their conversations is no other user's."""
        names = self.profile.spec.scope_names
        found = (values.get(name) for values in self.earlier for name in names)
        return tuple(sorted({self.recorder.clean(str(value)) for value in found if value is not None}))

    def _clean_value(self, value: Any) -> Any:
        return self.recorder.clean(value) if isinstance(value, str) else value

    # What a user does -------------------------------------------------------------------------------------------

    async def ask(
        self, text: str, expect: Expect, thread: str | None = None, *, foreign: str = "", claims: str | None = None,
        refusable: bool = False, behind: str = "", twice: bool = False,
        replaces: tuple[UserRequest, str] | None = None, request: str = "",
    ) -> UserRequest:  # fmt: skip
        """Sends a request; `thread` continues a conversation. Raises NotConnected if the connection has ended.

        `claims`: a user id to send with it; `foreign`: the name of that user, if it is another one. `refusable`: the
        backend may refuse the request; `behind`: the request that is in progress in the thread, so that it may as well.
        `twice`: it is sent once more at the same moment, with the same id. `replaces`: an earlier request of which it
        takes the place, and the frame that says so. `request`: its id, if it is to have one that was used before.
        """
        request = request or new_request(self.profile.spec)
        expect = msgspec.structs.replace(expect, prompt=text)
        question = UserRequest(
            self.user, text, request=request, expect=expect, at=time.monotonic(), connection=self.connection
        )  # fmt: skip
        self.inbox.questions.append(question)
        self.recorder.answers.asked(question)
        values = {"request": request, "prompt": text, "thread": thread}
        what = "start" if replaces is None else replaces[1]
        template = self.template(what)
        kept = {
            "request": request, "thread": thread if self._is_in(thread, what) else None, "expect": expect,
            "foreign": foreign, "claims": claims,
            "refusable": refusable, "behind": behind,
        }  # fmt: skip
        if replaces is not None:
            values |= {"run": replaces[0].run, "replaced": replaces[0].request}
        if record_feed.is_traced():
            values["traceparent"] = kept["traceparent"] = new_traceparent(self._traceparent)
            self._traceparent = ""
            if replaces is None:
                template = self.profile.spec.traced_start or template
        if claims is None:
            await self.send(template, values, to=what, what="start", **kept)
            if twice:
                await self.send(template, values, to=what, what="again", request=request, thread=kept["thread"])
        else:
            await self.send(self.template("claim"), {**values, "user": claims}, to="claim", what="start", **kept)
        return question

    def _is_in(self, thread: str | None, what: str) -> bool:
        """Whether a request asks in this thread: it names it, or its connection is in it."""
        if "thread" in self.profile.spec.places_in(what):
            return True
        shown = self.recorder.checker.connections[self.connection].requests.orders
        return thread in shown or any(thread == str(value) for value in self.values.values())

    @property
    def needs_another_to_ask(self) -> bool:
        """Whether the next request needs a new connection.

        This one answers one request only, or one at a time and the last one is still unanswered.
        """
        runs = self.profile.spec.connection.runs
        if runs != "one":
            return runs == "one_at_a_time" and self.gave_up
        # Those of an earlier connection of the tab that are over are none of this one's.
        return any(each.connection == self.connection or not each.over for each in self.inbox.questions)

    async def stop(self, question: UserRequest) -> None:
        """Tells the backend to stop a run, or closes the stream of its answer where that is how it is stopped."""
        if self.profile.spec.stops_by_closing:
            self._close_stream(question)
            return
        values = {"run": question.run, "request": question.request, "thread": question.thread}
        of_run = self._reader.values_of(question.run)
        # Where the backend names no run, the other ids say in the trace which one is meant.
        kept = {"run": question.run} if question.run is not None else values
        await self.send(self.template("stop"), {**of_run, **values}, to="stop", what="stop", **kept)

    def _close_stream(self, question: UserRequest) -> None:
        if self._transport is None or not self.open:
            raise self.not_open()
        request = question.request if question.run is None else None
        self.recorder.add(
            Sent, self.connection, what="stop", text="(closes the stream of the answer)", run=question.run,
            request=request,
        )  # fmt: skip
        if self._transport.close_stream(question.request):
            self._streaming.discard(question.request)
            self.inbox.stream_ended(time.monotonic(), question.request, "", by_user=True)
        question.give_up()

    async def ping(self) -> bool:
        """Whether an application ping was answered within its budget."""
        ponged, budget = await self._ping(), self.budgets.ping_s
        answered = await self.inbox.until(ponged, budget)
        if not answered:
            self._timed_out("pong", budget)
        return answered

    async def _ping(self) -> Callable[[], bool]:
        """Sends a ping, and returns what tells whether it was answered."""
        nonce, before = uuid.uuid4().hex[:12], len(self.inbox.controls)
        await self.send(self.template("ping"), {"nonce": nonce}, to="ping", what="ping", nonce=nonce)
        return lambda: self.inbox.pong(nonce, before)

    async def send_invalid(
        self, data: str | bytes, *, request: str | None = None, as_text: bool = False
    ) -> Control | None:
        """Sends an invalid message. Returns the backend's error, or None if it kept silent or closed the connection.

        `request`: the id in it, which an answer may name. `as_text`: bytes go into a text frame, UTF-8 or not.
        """
        before = len(self.inbox.controls)
        shown = data if isinstance(data, str) else f"{len(data)} bytes"
        try:
            await self.write(shown[:_SHOWN_OF_INVALID], data, as_text=as_text, what="invalid", request=request)
        except NotConnected:
            return self.inbox.since(before, "error")  # the backend closed before all was written
        invalid = self.recorder.checker.connections[self.connection].invalid
        await self._wait_refused(lambda: self._answered(before, "error") or invalid.failure is not None)
        return self.inbox.since(before, "error") or invalid.failure

    async def restore(self, thread: str, last_seq: int, run: str | None = None) -> bool:
        """Asks for the rest of a thread, or of a run in it; whether the backend reported that it was restored.

        Where a profile resumes by connecting again, this connection may have asked for it when it was opened.
        """
        if not self.profile.can_send("restore") or self.naming.asks_for(thread, last_seq):
            return await self._resumed()
        before = len(self.inbox.controls)
        run = run or next(
            (question.run for question in reversed(self.inbox.questions) if question.thread == thread), None
        )
        values = {"thread": thread, "last_seq": last_seq, "run": run}
        template = self.template("restore")
        await self.send(template, values, to="restore", what="restore", thread=thread, last_seq=last_seq)
        return await self._restored(before)

    async def _resumed(self) -> bool:
        """Whether a connection that resumes has resumed: where the profile knows a message for that, once it came."""
        if self.profile.spec.shows("restored"):
            return await self._restored(0)
        return self.open and not self._answered(0, "error")

    async def _restored(self, before: int) -> bool:
        budget = self.budgets.start_s
        if not await self._until(lambda: self._answered(before, "restored", "error"), budget):
            self._timed_out("restored", budget)
        return self._answered(before, "restored")

    @property
    def last_event_id(self) -> str:
        """The last event id of the channel, which an EventSource sends when it connects again; "" without."""
        known = self._transport.last_event_id if self._transport is not None else ""
        return known or self.naming.values.get("last_event_id") or ""

    # Waiting ----------------------------------------------------------------------------------------------------

    async def wait_end(self, question: UserRequest) -> bool:
        """Whether the request was settled in time; if not, the trace records it."""
        return await self.wait_until(question, lambda: question.over)

    async def wait_until(self, question: UserRequest, condition: Callable[[], bool]) -> bool:
        """Waits for a condition on a request, as long as its run stays within the budgets."""
        while not condition():
            if question.over:
                return False
            last_at = question.last_at
            left_s = self.recorder.wait_s(last_at, question.patience_ends(self.patience) - last_at)
            if left_s <= 0:
                now = time.monotonic()
                self.patience.ended(last_at, now - self.recorder.lost_s(last_at), question.open_tools)
                self._timed_out(
                    "end" if question.events else "start", now - question.last_at,
                    request=question.request, run=question.run,
                )  # fmt: skip
                question.gave_up = self.gave_up = True
                question.give_up()
                return condition()
            question.changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await question.changed.wait()
        return True

    async def flush(self) -> None:
        """Waits until what the backend has already sent has arrived: a pong comes after it."""
        if self.open and self.target.capabilities.ping and self.profile.can_send("ping"):
            try:
                ponged = await self._ping()
            except NotConnected:
                return
            await self._until(ponged, _FLUSH_S)
