"""One connection of one user: what is sent on it, what is received, and how long each is waited for.

All methods run on the loop thread. Whatever happens becomes a record; so does each wait that timed out.
"""

import asyncio
import contextlib
import errno
import logging
import ssl
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import msgspec

from greenlight_gate.client.endings import NotConnected, how, said
from greenlight_gate.client.inbox import Inbox
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest, resuming
from greenlight_gate.client.trace_context import new_traceparent
from greenlight_gate.client.upgrade import kept_body, kept_headers, transport_of
from greenlight_gate.events import Control
from greenlight_gate.measure import record_feed
from greenlight_gate.rules.engine.deadlines import MARGIN_S, Deadlines, TimeBudgets
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.errors import Misconfigured, TargetFault
from greenlight_gate.targets.http import Reply
from greenlight_gate.targets.http_calls import Values
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.redactor import proves_identity
from greenlight_gate.targets.sections import Persona
from greenlight_gate.trace import KEPT_OF_RESPONSE, LEAST_ERROR, Closed, Expect, Opened, Sent, Throttled, TimedOut
from greenlight_gate.transport.connection_setup import (
    NOTHING_NAMED,
    ConnectionSetup,
    Kept,
    Naming,
    StepRefused,
    names_told,
    new_request,
    user_shown,
)
from greenlight_gate.transport.cookies import CookieJar
from greenlight_gate.transport.interface import (
    Accepted,
    ConnectionEnded,
    Ending,
    HttpAnswer,
    NotOpened,
    Post,
    Transport,
)
from greenlight_gate.wire.codecs import UndecodableError
from greenlight_gate.wire.connecting import Step
from greenlight_gate.wire.http_call import HttpCall, call_in, parts_of
from greenlight_gate.wire.profile import PlainReader, Profile
from greenlight_gate.wire.reader import Reader
from greenlight_gate.wire.templates import fill, holds

_FLUSH_S = 0.25
_UNREACHABLE = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL})
_CLOSE_S = 2.0
_SHOWN_OF_INVALID = 2_000
_LATE_HEARTBEAT_S = 0.5
_ANSWERS = ("ready", "error", "pong", "restored", "heartbeat")
log = logging.getLogger("greenlight")


class Session:
    """One connection of `user`, and the `Receiver` of its transport.

    `before`: an earlier connection of the same tab, whose captured values and requests it continues. `gave_up`: a
    request on it was waited for in vain, so that its run may still be in progress. `ended_in_order`: the server has
    ended the channel as HTTP has it, and owed nothing. `jar`: the cookies of the user;
    `of_user`: what was captured once for the user; `earlier`: what was captured on each of the user's connections.
    """

    def __init__(
        self, user: str, persona: Persona, target: Target, *, profile: Profile, recorder: Recorder,
        before: "Session | None" = None, patience: Deadlines | None = None, jar: CookieJar | None = None,
        earlier: deque[Mapping[str, Any]] | None = None, of_user: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.user = user
        self.user_id = user_shown(persona, target, profile.spec)
        self.persona = persona.name
        self.played_by = persona
        self.kept: Kept = before.kept if before is not None else Kept(of_user)
        self.naming = NOTHING_NAMED
        self.jar = jar or CookieJar()
        self.earlier = deque() if earlier is None else earlier
        self.setup: ConnectionSetup | None = None
        self._told = Values()
        self.target = target
        self.profile = profile
        self.recorder = recorder
        self.connection = recorder.next_connection()
        self.budgets: TimeBudgets = target.budgets
        self.patience = patience or Deadlines(self.budgets)
        self.open = False
        self.cut_by_us = False
        self.gave_up = False
        self.ended_in_order = False
        self._was_usable = False
        self.inbox: Inbox = Inbox(
            recorder, self.connection, target.limits, before.inbox.questions if before is not None else [],
            too_much=self._give_up, asked_to_answer=self._answer, run_ended=self._unsubscribe,
        )  # fmt: skip
        self._transport: Transport | None = None
        self._asked_at = 0.0
        self._asked_as: dict[str, Any] = {}
        # The trace context of the upgrade, in whose trace the first run belongs.
        self._traceparent = ""
        self._ended = "has ended"
        # When the latest request by HTTP was sent, and those whose answer is still streaming.
        self._posted_at = 0.0
        self._streaming: set[str] = set()
        # Those whose answer has begun.
        self._begun: set[str] = set()
        self._unsubscribed: set[str] = set()

    # Opening and closing -------------------------------------------------------------------------------------

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

    @property
    def by_http(self) -> bool:
        """Whether each message is an HTTP request of its own."""
        return self.profile.spec.connection.by_http

    @property
    def one_at_a_time(self) -> bool:
        """Whether the server answers one request at a time (HTTP/2), so that others are not even sent meanwhile."""
        return self._transport is not None and self._transport.one_at_a_time

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
        status = error.status if isinstance(error, NotOpened | StepRefused) else None
        in_vain = isinstance(error, TimeoutError) or (isinstance(error, StepRefused) and error.unanswered)
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

    async def close(self, *, keep_tab: bool = False) -> None:
        """Closes the connection, waits for the answer, and makes the requests that the profile has for afterwards."""
        if self._transport is not None and self.open:
            await self.wait_answers()
            self._transport.close()
            await self._transport.wait_gone(_CLOSE_S)
        if self.setup is not None:
            setup, self.setup = self.setup, None
            self._told = setup.values
            for complaint in await setup.leave(tab=not keep_tab):
                log.warning("%s", self.recorder.clean(complaint))

    async def wait_answers(self) -> None:
        """By HTTP, requests are answered, and the stream of one ends with its run; if not, the trace records it."""
        if self.by_http and not self.cut_by_us:
            await self._wait_answered()
        ended = {question.request for question in self.inbox.questions if question.has_end}
        budget = self.budgets.handshake_s
        if not await self._until(lambda: not self._streaming & ended, budget):
            self._timed_out("stream end", budget)

    async def _wait_answered(self) -> None:
        """Waits for the answers that are no streams: nothing else does so where events come on a channel."""
        transport, since = self._transport, self._posted_at
        waited_s = time.monotonic() - since - self.recorder.lost_s(since)
        left_s = max(self.budgets.handshake_s - waited_s, 0.0)
        if transport is not None and not await self._until(lambda: not transport.unanswered, left_s):
            self._timed_out("answer", waited_s + left_s)

    # What the transport reports ------------------------------------------------------------------------------

    def on_open(self, accepted: Accepted, at: float) -> None:
        """The connection is open."""
        self.open = True
        self.jar.take(accepted.headers)
        recorder, clean = self.recorder, self.recorder.clean
        try:
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
        except Exception as error:  # noqa: BLE001 -- raised here, it would be reported as a refusal by the target
            recorder.fault = recorder.fault or error

    def _captured_earlier(self) -> tuple[str, ...]:
        """The user's own ids of earlier connections: what still comes of their conversations is no other user's."""
        names = self.profile.spec.scope_names
        found = (values.get(name) for values in self.earlier for name in names)
        return tuple(sorted({self.recorder.clean(str(value)) for value in found if value is not None}))

    def on_texts(self, texts: list[bytes], at: float) -> None:
        """Text messages have come."""
        for text in texts:
            if self.open:  # the one before may have exceeded a limit
                self.inbox.frame("text", text, at)

    def on_binary(self, data: bytes, at: float) -> None:
        """A binary message has come."""
        if self.open:
            self.inbox.frame("binary", data, at)

    def on_other(self, kind: str, data: bytes, at: float) -> None:
        """Something other than a message has come."""
        if self.open:
            self.inbox.frame(kind, data, at)

    def on_read(self, at: float) -> None:
        """One read has been handed over."""
        self.inbox.changed.set()

    def on_writable(self, at: float) -> None:
        """Nothing to do: `write` waits by itself."""

    def on_gone(self) -> None:
        """Nothing to do: `on_close` came before."""

    def on_answer(self, answer: HttpAnswer, at: float) -> None:
        """A message by HTTP was answered."""
        if not self.open:
            return
        self._begun.add(answer.label)
        self.jar.take(answer.headers)
        clean = self.recorder.clean
        self.inbox.responded(
            at, status=answer.status, request=answer.label or None, problem=clean(answer.problem),
            http_version=answer.http_version,
            after_ms=round((answer.after_s - self.recorder.lost_s(at - answer.after_s)) * 1e3, 3),
            headers=kept_headers(answer.headers, clean), body=kept_body(answer.body, clean),
        )  # fmt: skip
        if answer.problem or answer.status >= LEAST_ERROR:
            self._streaming.discard(answer.label)
        if answer.problem:
            self._stream_over(answer.label)

    def on_wait(self, at: float, *, over: bool) -> None:
        """Requests wait until the server answers them: no time is judged meanwhile."""
        if self.open:
            self.recorder.add(Throttled, self.connection, at, over=over)

    def on_stream_end(self, label: str, at: float, reset: str = "") -> None:
        """The stream that answers a message has ended: what it has not brought by now never comes."""
        self._streaming.discard(label)
        if self.open:
            self.inbox.stream_ended(at, label or None, reset)
            self._stream_over(label)

    def _stream_over(self, label: str) -> None:
        for question in self.inbox.questions:
            is_over_or_asks = question.over or question.asked_input is not None
            if question.request == label and not is_over_or_asks and not self.cut_by_us:
                question.give_up()

    def on_close(self, ending: Ending, at: float) -> None:
        """The connection has ended. Its open requests are given up, unless the suite itself cut the connection."""
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
        except Exception as error:  # noqa: BLE001 -- what waits for this connection has to be woken in any case
            self.recorder.fault = self.recorder.fault or error
        is_in_order = by == "server" and code is None and self.profile.spec.connection.by_channel
        owes_nothing = all(question.over for question in self.inbox.questions)
        self.ended_in_order = self._was_usable and is_in_order and owes_nothing and not self.cut_by_us
        for question in self.inbox.questions:
            if not question.over and not self.cut_by_us:
                question.give_up()
        self.inbox.changed.set()

    def _give_up(self, why: str) -> None:
        if self._transport is not None:
            self._transport.give_up(why)

    def _answer(self, values: dict[str, Any]) -> None:
        """Answers a message that one of the profile's [[answer]] tables is for."""
        template = self.profile.spec.answers[values["answer"]].send
        self._answering = asyncio.ensure_future(self.send(template, what="keepalive"))

    def _unsubscribe(self, question: UserRequest) -> None:
        """Tells the server that the stream of a run is not wanted any more, where the profile has a message for it."""
        if question.request not in self._unsubscribed and self.profile.can_send("unsubscribe"):
            self._unsubscribed.add(question.request)
            sending = self.send(self.template("unsubscribe"), self.names_of(question), what="unsubscribe")
            self._answering = asyncio.ensure_future(sending)

    # Sending -------------------------------------------------------------------------------------------------

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

    def resent(self, question: UserRequest) -> None:
        """Records that a proxy sends a request once more."""
        self.recorder.add(
            Sent, self.connection, what="again", text="by a proxy", request=question.request, thread=question.thread
        )  # fmt: skip

    def missed_heartbeat(self, after_s: float) -> None:
        """Records that the backend has sent nothing for so long, no heartbeat either."""
        self._timed_out("heartbeat", after_s)

    def _is_in(self, thread: str | None, what: str) -> bool:
        """Whether a request asks in this thread: it names it, or its connection is in it."""
        if "thread" in self.profile.spec.places_in(what):
            return True
        shown = self.recorder.checker.connections[self.connection].requests.orders
        return thread in shown or any(thread == str(value) for value in self.values.values())

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

    async def stop_early(self, question: UserRequest) -> None:
        """Tells the backend to stop a run by its request, whatever has been received of it.

        Streams of HTTP/2 are served in any order: a stop that overtakes its request would be one of nothing.
        """
        if self._transport is not None and self._transport.multiplexes:
            await self._until(lambda: question.request in self._begun, self.budgets.handshake_s)
        values = {"request": question.request, "thread": question.thread}
        await self.send(self.template("early_stop"), values, to="early_stop", what="stop", request=question.request)

    async def respond(self, question: UserRequest, *, approves: bool) -> None:
        """Answers what is asked of the user in the run of a request. Raises NotConnected if nothing is asked."""
        values = self.answer_to(question, approves=approves)
        kept = {"run": question.run, "request": question.request, "thread": question.thread, "input": values["input"]}
        of_run = self._reader.values_of(question.run)
        filled = {**of_run, **values}
        question.answered(time.monotonic())
        await self.send(self.template("respond"), filled, to="respond", what="respond", approves=approves, **kept)

    def answer_to(self, question: UserRequest, *, approves: bool) -> dict[str, Any]:
        """What a response to the latest input_requested of a run is filled with."""
        asked, choices = question.asked_input, self.profile.spec.choices
        if asked is None or choices is None:
            raise NotConnected(f"nothing was asked of {self.user}, so that nothing can be answered", "")
        named = {"input": asked.input, "call": asked.call, "run": question.run}
        named |= {"request": question.request, "thread": question.thread, "prompt": question.text}
        choice = fill(choices.approve if approves else choices.deny, self.values.over(named))
        return {**named, "choice": choice}

    async def wait_input_over(self, question: UserRequest, input_s: float) -> bool:
        """Whether something shows what becomes of a request for input that nobody answers for so many seconds."""
        began, events = time.monotonic(), len(question.events)
        came = await self.inbox.until(
            lambda: len(question.events) > events or question.over, input_s + self.budgets.start_s
        )
        if not came:
            self._timed_out("input", time.monotonic() - began, request=question.request, run=question.run)
            question.give_up()
        return came

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

    async def websocket_ping(self) -> bool:
        """Whether a ping of the WebSocket protocol was answered within the budget (RFC 6455 section 5.5.2)."""
        transport, budget = self._transport, self.budgets.ping_s
        if transport is None or not self.open:
            raise self.not_open()
        self.recorder.add(Sent, self.connection, what="websocket ping", text="")
        try:
            transport.ping()
        except ConnectionEnded as error:
            raise self.not_open() from error
        answered = await self.inbox.until(lambda: not (transport.unanswered and self.open), budget)
        if not answered:
            self._timed_out("websocket pong", budget)
        return answered and not transport.unanswered

    @property
    def heartbeats(self) -> int:
        """How many heartbeats the backend has sent so far: pings, and those that the profile knows."""
        pings = self._transport.pings if self._transport is not None else 0
        return pings + sum(control.name == "heartbeat" for control in self.inbox.controls)

    async def wait_heartbeat(self, question: UserRequest, announced_s: float) -> tuple[bool, float]:
        """Waits for a heartbeat until an answer has ended. Whether one came, and after how many seconds either did.

        One that did not come within the announced time is recorded as missing, half a second later at the soonest.
        """
        before, began = self.heartbeats, time.monotonic()
        await self.inbox.until(lambda: self.heartbeats > before or question.over or not self.open, self.budgets.run_s)
        came, took_s = self.heartbeats > before, time.monotonic() - began - self.recorder.lost_s(began)
        if not came and took_s > announced_s + _LATE_HEARTBEAT_S:
            self._timed_out("heartbeat", took_s)
        return came, took_s

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
    def first_event_id(self) -> str:
        """The first id that an event of this connection had; "" without."""
        return self._transport.first_event_id if self._transport is not None else ""

    @property
    def last_event_id(self) -> str:
        """The last event id of the channel, which an EventSource sends when it connects again; "" without."""
        known = self._transport.last_event_id if self._transport is not None else ""
        return known or self.naming.values.get("last_event_id") or ""

    def template(self, what: str) -> Any:
        """The profile's template for a message that a client sends."""
        return self.profile.spec.send[what]

    @property
    def values(self) -> Values:
        """All values of this connection by name: from the target, captured, and remembered from messages.

        Those of a connection that was closed as well: they name the conversation that its user has left.
        """
        known = (self._told if self.setup is None else self.setup.values).over({})
        known.update(self._reader.values)
        return known

    @property
    def _reader(self) -> Reader | PlainReader:
        return self.recorder.checker.connections[self.connection].reader

    async def send(
        self, template: Any, values: dict[str, Any] | None = None, *, to: str = "", **record: Any
    ) -> int | None:
        """Sends a template of the profile, filled in with `values`; `record` goes into the trace.

        Where the profile has an HTTP request beside the connection for it, that is sent, and its status is returned.
        `to`: the message of the profile by whose address it goes, where the transport is HTTP. Raises NotConnected if
        it cannot be filled in or encoded, or if the connection has ended.
        """
        parts = parts_of(template)
        if len(parts) > 1:
            return await self._send_parts(parts, values, record)
        request, known = call_in(parts[0]), self.values.over(values or {})
        if request is not None:
            return await self._call(request, known, record)
        try:
            text, raw = self.profile.wire(template, known)
            post = self._post(to, known, record) if self.by_http else None
        except KeyError as error:
            raise NotConnected(f"{self.user}'s next message needs {error}, which is not known yet", "") from error
        except UndecodableError as error:
            raise NotConnected(f"{self.user}'s next message cannot be encoded: {error}", "") from error
        except NotOpened as error:
            raise NotConnected(f"{self.user}'s next message cannot be sent: {error}") from error
        await self.write(text, raw, post=post, **record)
        return None

    def _post(self, to: str, values: Mapping[str, Any], record: Mapping[str, Any]) -> Post:
        assert self.setup is not None, "a message is sent while the tab is open"
        self.setup.traceparent = record.get("traceparent", "")
        return self.setup.post(to, values, record.get("request") or "")

    async def _send_parts(self, parts: list[Any], values: dict[str, Any] | None, record: dict[str, Any]) -> int | None:
        """Sends HTTP requests and frames in turn, until one is refused. `record`: of the part that holds the prompt."""
        asks = [holds(part, "prompt") for part in parts]
        main, status = asks.index(True) if any(asks) else 0, None
        for index, part in enumerate(parts):
            came = await self.send(part, values, **(record if index == main else {"what": "hello"}))
            status = came if index == main else status
            if came is not None and came >= LEAST_ERROR:
                return came
        return status

    async def _call(self, request: HttpCall, values: Values, record: dict[str, Any]) -> int:
        """Sends an HTTP request beside the connection, and returns the status of the response."""
        if self.setup is None or not self.open:
            raise self.not_open()
        try:
            text = self.setup.shown(request, values)
        except KeyError as error:
            raise NotConnected(f"{self.user}'s next request needs {error}, which is not known yet", "") from error
        sent = self.recorder.add(Sent, self.connection, None, text=self.recorder.clean(text), **record)
        return await self.answered(sent, self.setup.act(request, values))

    async def answered(self, sent: Sent, asking: Awaitable[Reply]) -> int:
        """Sends an HTTP request beside the connection that is recorded already, and returns the status of the response.

        Raises NotConnected without one.
        """
        clean, what, asked_at = self.recorder.clean, sent.what, time.monotonic()
        try:
            reply = await asking
        except (TargetFault, Misconfigured) as error:
            raise NotConnected(f"{self.user}'s request to {what} failed: {error}", "") from error
        at = time.monotonic()
        after_s = at - asked_at - self.recorder.lost_s(asked_at)
        self.inbox.responded(
            at, status=reply.status, after_ms=round(after_s * 1e3, 3), request=sent.request,
            body=clean(reply.body.decode(errors="replace"))[:KEPT_OF_RESPONSE], to=sent.n, what=what,
        )  # fmt: skip
        return reply.status

    def _clean_value(self, value: Any) -> Any:
        return self.recorder.clean(value) if isinstance(value, str) else value

    async def write(
        self, text: str, raw: str | bytes | list[str | bytes] | None = None, *, as_text: bool = False,
        post: Post | None = None, **record: Any,
    ) -> None:  # fmt: skip
        """Sends `raw`, shown in the trace as `text`, or `text` itself. Raises NotConnected if the connection has ended.

        `as_text`: bytes go into a text frame, whether or not they are UTF-8. `post`: how it goes by HTTP; if it is not
        given, like a request.
        """
        if self._transport is None or not self.open:
            raise self.not_open()
        if self.by_http:
            post = post or self._post("start", self.values, record)
            text = f"{post.method} {post.path} {text}"
            self._posted_at = time.monotonic()
            self._streaming |= {post.label} if post.streams and post.label else set()
        self.recorder.add(Sent, self.connection, None, text=self.recorder.clean(text), **record)
        try:
            for message in raw if isinstance(raw, list) else [text if raw is None else raw]:
                is_text = as_text or isinstance(message, str)
                data = message.encode() if isinstance(message, str) else message
                self._transport.send(data, text=is_text, post=post)
                await self._transport.drained()
        except ConnectionEnded as error:
            raise self.not_open() from error
        except NotOpened as error:
            raise NotConnected(f"{self.user}'s next message cannot be sent: {error}", "") from error

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

    def not_open(self) -> NotConnected:
        """The error that says how the connection ended."""
        return NotConnected(f"{self.user}'s connection {self._ended}", "" if self.ended_in_order else "CONNECTION-3")

    def going_on(self) -> Naming:
        """What a channel names that takes the place of this one, which has ended in order: its last event id, if any.

        Nothing is missing that would have to come on the new one.
        """
        latest = next((each for each in reversed(self.inbox.questions) if each.thread is not None), None)
        last_id = self.last_event_id if self.profile.spec.resumes_by_event_id else ""
        if latest is None or not last_id:
            return NOTHING_NAMED
        shown = self.recorder.checker.connections[self.connection].requests.orders
        also = {thread: None for thread in shown if thread not in (None, latest.thread)}
        return resuming(latest, latest.last_seq, last_event_id=last_id, also=also)._replace(last_seq=None)

    # Sending what the backend has to refuse ------------------------------------------------------------------

    def names_of(self, question: UserRequest) -> dict[str, Any]:
        """What a request that was sent here, its run and its thread may be named by: ids, and what was captured."""
        spec = self.profile.spec
        captured = {
            name: value for name, value in {**self.values, **self._reader.values_of(question.run)}.items()
            if name in spec.captured - spec.endpoints and name not in spec.needs and not proves_identity(name)
        }  # fmt: skip
        return {**captured, "request": question.request, "run": question.run, "thread": question.thread}

    async def wait_event(self) -> bool:
        """Whether any event has come on this connection, or comes within the time for a run to begin."""
        await self._until(lambda: self.inbox.was_shown_an_event(0), self.budgets.start_s)
        return self.inbox.was_shown_an_event(0)

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

    async def _wait_refused(
        self, condition: Callable[[], bool], request: str | None = None, behind: UserRequest | None = None
    ) -> None:  # fmt: skip
        """Waits for a refusal, for the end of the connection, or for what `condition` says has come instead.

        `behind`: a request of another user; the time for the refusal begins once that is answered, or overdue.
        """
        budget, counts = self.budgets.refusal_s, False
        while not counts:
            counts = behind is None or behind.over or time.monotonic() > behind.patience_ends(self.patience)
            if await self._until(condition, budget):
                return
        self._timed_out("refusal", budget, request=request)

    # Waiting -------------------------------------------------------------------------------------------------

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

    async def wait_closed(self, timeout_s: float) -> bool:
        """Whether the connection ended within the time."""
        return await self._until(lambda: False, timeout_s)

    async def _until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Whether a condition on what has come became true, or the connection ended, within the time."""
        return await self.inbox.until(lambda: condition() or not self.open, timeout_s)

    def _answered(self, since: int, *names: str) -> bool:
        return self.inbox.since(since, *names) is not None

    def _timed_out(self, waiting_for: str, after_s: float, **record: Any) -> None:
        self.recorder.add(TimedOut, self.connection, waiting_for=waiting_for, after_s=round(after_s, 3), **record)
