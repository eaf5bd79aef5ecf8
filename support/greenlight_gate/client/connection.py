"""One connection of one user: what is received and sent on it, and how it ends.

All methods run on the loop thread. Whatever happens becomes a record; so does each wait that timed out.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from greenlight_gate.client.endings import NotConnected, how
from greenlight_gate.client.inbox import Inbox
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.upgrade import kept_body, kept_headers
from greenlight_gate.rules.engine.deadlines import Deadlines, TimeBudgets
from greenlight_gate.targets.errors import Misconfigured, TargetFault
from greenlight_gate.targets.http import Reply
from greenlight_gate.targets.http_calls import Values
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.redactor import proves_identity
from greenlight_gate.trace import KEPT_OF_RESPONSE, LEAST_ERROR, Closed, Sent, Throttled, TimedOut
from greenlight_gate.transport.connection_setup import ConnectionSetup
from greenlight_gate.transport.cookies import CookieJar
from greenlight_gate.transport.interface import ConnectionEnded, Ending, HttpAnswer, NotOpened, Post, Transport
from greenlight_gate.wire.codecs import UndecodableError
from greenlight_gate.wire.http_call import HttpCall, call_in, parts_of
from greenlight_gate.wire.profile import PlainReader, Profile
from greenlight_gate.wire.reader import Reader
from greenlight_gate.wire.templates import holds

_CLOSE_S = 2.0
log = logging.getLogger("greenlight")


class UserConnection:
    """One connection of `user`: the `Receiver` of its transport, once that is opened.

    `setup`: how it was opened, and what it captured. `ended_in_order`: the server has ended the channel as HTTP has it,
    and owed nothing. `cut_by_us`: the suite has cut it. `jar`: the cookies of the user. `before`: an earlier connection
    of the same tab, whose requests it continues.
    """

    def __init__(
        self, user: str, target: Target, *, profile: Profile, recorder: Recorder, before: "UserConnection | None",
        patience: Deadlines | None, jar: CookieJar | None,
    ) -> None:  # fmt: skip
        self.user = user
        self.jar = jar or CookieJar()
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
        self.ended_in_order = False
        self._was_usable = False
        self.inbox: Inbox = Inbox(
            recorder, self.connection, target.limits, before.inbox.questions if before is not None else [],
            too_much=self._give_up, asked_to_answer=self._answer, run_ended=self._unsubscribe,
        )  # fmt: skip
        self._transport: Transport | None = None
        self._ended = "has ended"
        # When the latest request by HTTP was sent, and those whose answer is still streaming.
        self._posted_at = 0.0
        self._streaming: set[str] = set()
        # Those whose answer has begun.
        self._begun: set[str] = set()
        self._unsubscribed: set[str] = set()

    @property
    def by_http(self) -> bool:
        """Whether each message is an HTTP request of its own."""
        return self.profile.spec.connection.by_http

    @property
    def one_at_a_time(self) -> bool:
        """Whether the server answers one request at a time (HTTP/2), so that others are not even sent meanwhile."""
        return self._transport is not None and self._transport.one_at_a_time

    # Closing ----------------------------------------------------------------------------------------------------

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

    def not_open(self) -> NotConnected:
        """The error that says how the connection ended."""
        return NotConnected(f"{self.user}'s connection {self._ended}", "" if self.ended_in_order else "CONNECTION-3")

    # What the transport reports ---------------------------------------------------------------------------------

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
        with self.recorder.keeping_faults():
            if unsaid:
                self.recorder.other("close", unsaid, at, self.connection)
            self.recorder.add(Closed, self.connection, at, by=by, code=code, reason=reason)
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

    # Sending ----------------------------------------------------------------------------------------------------

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

    def names_of(self, question: UserRequest) -> dict[str, Any]:
        """What a request that was sent here, its run and its thread may be named by: ids, and what was captured."""
        spec = self.profile.spec
        captured = {
            name: value for name, value in {**self.values, **self._reader.values_of(question.run)}.items()
            if name in spec.captured - spec.endpoints and name not in spec.needs and not proves_identity(name)
        }  # fmt: skip
        return {**captured, "request": question.request, "run": question.run, "thread": question.thread}

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
        except KeyError as error:
            raise self._unsent(f"needs {error}, which is not known yet") from error
        except UndecodableError as error:
            raise self._unsent(f"cannot be encoded: {error}") from error
        await self.write(text, raw, to=to, values=known, **record)
        return None

    def _unsent(self, why: str, rule: str = "") -> NotConnected:
        return NotConnected(f"{self.user}'s next message {why}", rule)

    def _post(self, to: str, values: Mapping[str, Any], record: Mapping[str, Any]) -> Post:
        """The HTTP request for a message. Raises NotConnected where the backend gave no address for it."""
        assert self.setup is not None, "a message is sent while the tab is open"
        self.setup.traceparent = record.get("traceparent", "")
        try:
            return self.setup.post(to, values, record.get("request") or "")
        except KeyError as error:
            raise self._unsent(f"needs {error}, which is not known yet") from error
        except NotOpened as error:
            raise self._unsent(f"cannot be sent: {error}", "CONNECTION-1") from error

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
            raise self._unsent(f"needs {error}, which is not known yet") from error
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

    async def write(
        self, text: str, raw: str | bytes | list[str | bytes] | None = None, *, as_text: bool = False,
        to: str = "start", values: Mapping[str, Any] | None = None, **record: Any,
    ) -> None:  # fmt: skip
        """Sends `raw`, shown in the trace as `text`, or `text` itself. Raises NotConnected if the connection has ended.

        `as_text`: bytes go into a text frame, whether or not they are UTF-8. `to`: by HTTP, the message of the profile
        by whose address it goes, which `values` fill in; those of the connection, if they are not given.
        """
        if self._transport is None or not self.open:
            raise self.not_open()
        post = self._post(to, self.values if values is None else values, record) if self.by_http else None
        if post is not None:
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
            raise self._unsent(f"cannot be sent: {error}") from error

    # Waiting ----------------------------------------------------------------------------------------------------

    async def wait_closed(self, timeout_s: float) -> bool:
        """Whether the connection ended within the time."""
        return await self._until(lambda: False, timeout_s)

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

    async def _until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Whether a condition on what has come became true, or the connection ended, within the time."""
        return await self.inbox.until(lambda: condition() or not self.open, timeout_s)

    def _answered(self, since: int, *names: str) -> bool:
        return self.inbox.since(since, *names) is not None

    def _timed_out(self, waiting_for: str, after_s: float, **record: Any) -> None:
        self.recorder.add(TimedOut, self.connection, waiting_for=waiting_for, after_s=round(after_s, 3), **record)
