"""One virtual user: its connection, the request that it waits for, and the records kept as evidence."""

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any

import msgspec

from greenlight_gate.events import Control, EventKind
from greenlight_gate.findings import Finding
from greenlight_gate.load.checker import LoadChecker
from greenlight_gate.load.plan import PlannedPrompt, PlannedUser
from greenlight_gate.load.shard_context import STALL_S, ShardContext
from greenlight_gate.rules.connection import blames_silence
from greenlight_gate.rules.engine import canary
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import Request, RunState
from greenlight_gate.rules.registry import CAUSED_BY_ABSENCE
from greenlight_gate.trace import (
    AnyRecord,
    Closed,
    Header,
    Opened,
    Received,
    Responded,
    Sent,
    Stalled,
    StreamEnded,
    TimedOut,
    encode_header,
    encode_record,
)
from greenlight_gate.transport.connection_setup import failure_of
from greenlight_gate.transport.interface import Accepted, Ending, HttpAnswer, NotOpened, Post, Transport
from greenlight_gate.transport.posting import post_to, transport_to

monotonic = time.monotonic
# So many reads since the latest request are kept, in case a rule objects to one of them.
_MOST_KEPT = 64


class VirtualUser:
    """A user of a shard, with at most one open request: the `Receiver` of its transport, the `Observer` of its checker.

    `ready` is set when it may ask, or never will: then `gone` is true. `on_free` is called when it may ask again. In
    memory there are a few numbers, and the messages since the latest request.
    """

    __slots__ = (
        "_alike", "_answers", "_chosen", "_closed", "_context", "_given_up", "_kept", "_meters", "_n", "_named",
        "_on_free", "_opened_at", "_prompt", "_searched", "_sent_at", "_sent_n", "_stalled", "_transport",
        "answered_at", "ask", "asked", "began_at", "checker", "connection", "gone", "intended", "is_slow", "key",
        "last_at", "left", "longest_s", "open", "planned", "ready", "request", "thread",
    )  # fmt: skip

    def __init__(
        self, planned: PlannedUser, context: ShardContext, number: int, on_free: Callable[["VirtualUser", float], None]
    ) -> None:
        self.planned = planned
        self.key = self.connection = f"{context.prefix}-{number}"
        self._context = context
        self._meters = context.meters
        self._on_free = on_free
        self.checker = self._new_checker(context.hear_control)
        self._transport: Transport | None = None
        self.began_at = monotonic()
        self.ready: asyncio.Event | None = asyncio.Event()
        self.open = False
        self.gone = False
        self.left = False
        self.is_slow = False
        self.last_at = 0.0
        self.longest_s = 0.0
        # The request.
        self.asked = 0
        self.request = ""
        self.ask: Request | None = None
        self.thread: str | None = None
        self.intended: float | None = None
        self._sent_at = 0.0
        self.answered_at = 0.0
        # Records: the number of the latest one; the opening, the latest request with the thread that it named, reads
        # since then, and the end.
        self._n = 0
        self._opened_at = 0.0
        self._chosen: str | None = None
        self._sent_n = 0
        self._prompt: PlannedPrompt | None = None
        self._named: str | None = None
        self._kept: list[tuple[int, float, list[bytes]]] = []
        self._closed: Closed | None = None
        self._given_up = False
        self._stalled: tuple[Stalled, ...] = ()
        self._answers: tuple[Responded | StreamEnded | TimedOut, ...] = ()
        # By HTTP: how requests are sent, where all are sent alike, and the headers of the latest answer.
        self._alike: Post | None = None
        self._searched: list[tuple[bytes, bytes]] = []

    def _new_checker(self, on_control: Callable[[Control, float], None]) -> LoadChecker:
        context = self._context
        return LoadChecker(
            context.profile, context.budgets, context.registry, self.connection, user=self, name=self.planned.user,
            meters=context.meters, found=self._found, on_control=on_control,
        )  # fmt: skip

    # Connecting -----------------------------------------------------------------------------------------------

    @property
    def opens_within_s(self) -> float:
        """How long the opening of a connection may take, until the backend is ready."""
        return self._context.budgets.handshake_s

    async def prepare(self) -> None:
        """Does what has to be done before each connection: nothing, where the url and the headers are known."""

    async def connect(self, tls: ssl.SSLContext | None, source: str) -> None:
        """Opens the connection. Raises NotOpened, OSError."""
        self.began_at = monotonic()
        planned, plan = self.planned, self._context.plan
        # Compression only where it was asked for, since it costs memory.
        self._transport = transport_to(
            self._context.profile.spec, planned.url, planned.headers, self, subprotocols=list(planned.subprotocols),
            compress=plan.compress, max_message_bytes=plan.max_frame_bytes, values={"user": planned.user_id},
            http_version=plan.http_version,
        )  # fmt: skip
        await self._transport.open(tls=tls, source=source)
        if self.ready is not None:
            self._maybe_ready(monotonic())  # by HTTP nothing may come before the first request

    def on_open(self, accepted: Accepted, at: float) -> None:
        """The connection is open."""
        self.open = True
        self._context.connection_opened()
        self._n += 1
        planned = self.planned
        self._opened_at, self._chosen = at, accepted.subprotocol
        opened = self._opened()
        self.checker.opened_with(
            opened.values, planned.user_id, opened.handshake_ms, self._n, unchosen=opened.unchosen
        )  # fmt: skip
        self.checker.searched(accepted.head, "the handshake", self._n)
        if planned.first_message is not None:
            self._send(msgspec.json.encode(planned.first_message))

    def refused(self, error: Exception) -> None:
        """The connection was not opened."""
        if self.gone:
            return
        status, in_vain = failure_of(error)
        self._n += 1
        # The body may hold whatever was sent, tokens included.
        said = f"HTTP {status}" if status is not None else str(error)
        self.checker.refused(status, said, self._n, unanswered=in_vain)
        self._is_gone()

    def not_ready(self, after_s: float, at: float) -> None:
        """The connection is open, but the backend did not report in time that it is ready."""
        self.checker.timed_out("ready", after_s, None, at, 1)

    def _maybe_ready(self, at: float) -> None:
        """It may ask as soon as the backend has sent what it promises to send first."""
        if self.ready is not None and self._is_ready():
            self._meters.connections_made += 1
            if self.began_at > self._context.stalled_at:
                self._meters.connect.record(at - self.began_at)
            self.ready.set()
            self.ready = None

    def _is_ready(self) -> bool:
        return self.checker.ready or not self._context.profile.promises.ready

    # What comes -----------------------------------------------------------------------------------------------

    def on_texts(self, texts: list[bytes], at: float) -> None:
        """Text messages have come."""
        context, meters = self._context, self._meters
        if at - context.watch.looked_at > STALL_S:
            context.look(at)
        silent_s = at - self.last_at
        self.longest_s = max(self.longest_s, silent_s)
        self.last_at = at
        count, n = len(texts), self._n + 1
        self._n += count
        meters.messages += count
        kept = self._kept
        kept.append((n, at, texts))
        if len(kept) > _MOST_KEPT:
            del kept[:-_MOST_KEPT]
        # Without their headers: the two bytes of a length may be any letters.
        self.checker.received_together(b"\n".join(texts) if count > 1 else texts[0], texts, at, n)
        stamps = self.checker.stamps
        if stamps:
            zero = meters.stamp_zero
            # What was sent before the shard stood still, or meanwhile, waited for the shard.
            if zero is not None and (not context.stalled_at or min(stamps) - zero > context.stalled_at):
                meters.delivery.record_ages(zero + at, stamps)
            stamps.clear()

    def on_binary(self, data: bytes, at: float) -> None:
        """A binary message has come."""
        self._n += 1
        self._meters.messages += 1
        self._kept.append((self._n, at, [data]))
        self.checker.received(data, at, self._n, binary=True)

    def on_other(self, kind: str, data: bytes, at: float) -> None:
        """Something other than a message has come: it is searched like one."""
        self.checker.searched(data, "part of a message" if kind == "part" else f"a {kind} frame", self._n)

    def on_answer(self, answer: HttpAnswer, at: float) -> None:
        """A request by HTTP was answered: an error status, or no stream, is an error in place of a run."""
        self._n += 1
        # The body may hold whatever was sent, tokens included.
        responded = Responded(
            n=self._n, at=at, connection=self.connection, status=answer.status, request=answer.label or None,
            problem=answer.problem, after_ms=round(answer.after_s * 1e3, 3), http_version=answer.http_version,
        )  # fmt: skip
        self._answers = (*self._answers, responded)
        if answer.body or answer.fields != self._searched:
            self._searched = answer.fields
            self.checker.searched(answer.head + answer.body, "an answer", self._n)
        self.checker.responded(responded)

    def on_wait(self, at: float, *, over: bool) -> None:
        """A user of a load has one request at most: only a server that answers none makes it wait."""

    def on_stream_end(self, label: str, at: float, reset: str = "") -> None:
        """The stream of a request has ended: a run that has not ended by now never does."""
        self._n += 1
        ended = StreamEnded(n=self._n, at=at, connection=self.connection, request=label or None, reset=reset)
        self._answers = (*self._answers, ended)
        ask = self.ask
        self.checker.stream_ended(label or None, at, self._n, reset)
        if ask is not None and self.ask is None:
            self.answered_at = at  # it may ask again, whether or not its run has ended

    def on_read(self, at: float) -> None:
        """All messages of one read are judged; only now is the user free again whose request one of them settled.

        What follows the end of an answer may be a finding.
        """
        if self.ready is not None:
            self._maybe_ready(at)
        if self.ask is None and self.answered_at and self.open:
            self.answered_at = 0.0
            self._on_free(self, at)

    # Asking ---------------------------------------------------------------------------------------------------

    @property
    def is_free(self) -> bool:
        """Whether it can ask."""
        return self.open and self.ask is None and self.ready is None and not self.gone and not self.left

    @property
    def takes_part(self) -> bool:
        """Whether it is connected, or soon will be again."""
        return self.open

    @property
    def is_full(self) -> bool:
        """Whether more is buffered than the backend reads."""
        return self._transport is not None and self._transport.is_full

    @property
    def awaits_canary(self) -> bool:
        """Whether its own canary had to be in an answer by now: the control that the search for it works."""
        marker = canary.MARKER.decode()
        first = next((n for n, q in enumerate(self.planned.questions) if marker in str(q.expect.contains)), None)
        return first is not None and self.asked > max(first, 1)

    def put(self, intended: float | None) -> None:
        """Sends the next request. `intended`: when it was due (monotonic seconds) in an open load."""
        planned = self.planned
        count, first = len(planned.questions), planned.again_from
        index = self.asked if self.asked < count else first + (self.asked - first) % (count - first)
        prompt = planned.questions[index]
        self.asked += 1
        self.request = request = self._new_request()
        self._n += 1
        at = self._sent_at = self.last_at = monotonic()
        self.intended, self.longest_s, self.answered_at = intended, 0.0, 0.0
        self.ask = Request(self._n, at if intended is None else intended, request, self.thread, prompt.expect)
        self._sent_n, self._prompt, self._named, self._kept = self._n, prompt, self.thread, []
        self._stalled = ()
        self._answers = ()
        if self.asked <= count:
            self.checker.search.typed(prompt.text)
        self.checker.asked(self.ask)
        self._meters.asked += 1
        self._say(prompt.text, request)

    def _new_request(self) -> str:
        return f"{self.connection}-{self.asked}"

    def _say(self, prompt: str, request: str) -> None:
        frame = self._context.requests.frame(prompt, request, self.thread)
        self._send(frame, self._post(request, prompt) if self._by_http else None)

    def on_settled(self, outcome: Outcome) -> None:
        """A request is settled; if it is the open one, the user is free again after this read."""
        if outcome.request is not self.ask:
            return
        self.ask = None
        meters, run = self._meters, outcome.run
        meters.settled(outcome)
        timed = self._sent_at > self._context.stalled_at
        if run is not None and run.started_at is not None:
            self._started(run, run.started_at, timed=timed)
        if outcome.error is not None:
            meters.failed += 1
            meters.refused_requests += 1
            self.answered_at = outcome.at
        elif outcome.ended_by is not None:
            meters.runs += 1
            if outcome.ended_by is EventKind.FAILED:
                meters.failed_runs += 1
                meters.failed += not _may_fail(outcome.request)
            self.answered_at = self.last_at
            if timed:
                meters.whole.record(self.last_at - self._sent_at)
                meters.silence.record(self.longest_s)

    def _started(self, run: RunState, at: float, *, timed: bool) -> None:
        """The latency of the first part, and of the acknowledgement: since the request was sent, and since it was due.

        `timed`: the shard has not stood still since the request was sent.
        """
        if timed:
            self._meters.raw.record(at - self._sent_at)
            if run.parts:
                self._meters.first_token.record(run.parts[0].at - self._sent_at)
        if self.intended is not None and self.intended > self._context.stalled_at:
            self._meters.corrected.record(at - self.intended)
        if self.thread is None and self._context.sends_thread:
            self.thread = run.thread

    def check_deadline(self, at: float) -> None:
        """Gives up the open request if its answer is overdue, by the deadlines of the scenarios."""
        ask, deadlines = self.ask, self._context.deadlines
        if ask is None or self.is_slow:
            return
        run = ask.run
        if run is None:
            last_at = ask.at
            over = at > deadlines.start_ends(last_at)
        else:
            last_at, at_work = run.last_at, [tool.name or "" for tool in run.tools]
            over = at > deadlines.ends(self._sent_at, last_at, at_work)
        if over:
            self._n += 1
            if run is not None:
                deadlines.ended(last_at, at, at_work)
            self.checker.timed_out("start" if run is None else "end", at - last_at, ask.request, at, self._n)
            if self.is_free:
                self._on_free(self, at)

    @property
    def lacks_answer(self) -> bool:
        """Whether a request by HTTP waits for an answer that is no stream."""
        return self.open and not self.is_slow and self._transport is not None and self._transport.unanswered > 0

    def not_answered(self, after_s: float, at: float) -> None:
        """A request by HTTP was not answered in time."""
        self._n += 1
        lacking = TimedOut(n=self._n, at=at, connection=self.connection, waiting_for="answer", after_s=after_s)
        self._answers = (*self._answers, lacking)
        self.checker.timed_out("answer", after_s, None, at, self._n)

    def stalled(self, at: float, for_s: float) -> None:
        """The shard stood still for so long until `at`."""
        self.checker.stalled(at, for_s)
        if self.ask is not None:
            self._n += 1
            self._stalled += (Stalled(n=self._n, at=at, connection="", for_s=round(for_s, 3)),)

    def ping(self, nonce: str) -> None:
        """Sends an application ping."""
        self._n += 1
        self.checker.pinged(nonce, self._n)
        post = self._post_to("ping", {"nonce": nonce}) if self._by_http else None
        self._send(self._context.profile.frame("ping", nonce=nonce).encode(), post)

    @property
    def _by_http(self) -> bool:
        return self._context.profile.spec.connection.by_http

    def _post(self, request: str, prompt: str) -> Post:
        alike = self._alike
        if alike is not None:
            return Post(alike.method, alike.path, alike.headers, request, alike.streams)
        post = self._post_to("start", {"request": request, "prompt": prompt, "thread": self.thread}, request)
        if self._context.posts_alike:
            self._alike = post
        return post

    def _post_to(self, what: str, values: dict[str, Any], label: str = "") -> Post:
        planned, spec = self.planned, self._context.profile.spec
        known = {"user": planned.user_id, **values}
        return post_to(spec.addresses[what], spec, planned.url, headers=planned.headers, values=known, label=label)

    def _send(self, data: bytes, post: Post | None = None, *, text: bool = True) -> None:
        transport = self._transport
        if transport is not None and transport.can_send:
            try:
                transport.send(data, text=text, post=post)
            except NotOpened as error:
                self._context.unable.append(f"{self.planned.user}'s next message cannot be sent: {error}")

    def on_writable(self, at: float) -> None:
        """The connection takes more again, after `is_full`."""
        if self.is_free:
            self._on_free(self, at)

    def stop_reading(self) -> None:
        """Reads nothing more from the connection, as if the network were very slow."""
        self.is_slow = True
        if self._transport is not None:
            self._transport.stop_reading()

    # Leaving --------------------------------------------------------------------------------------------------

    @property
    def is_used_up(self) -> bool:
        """Whether its connection answers no further request, so that it needs another one."""
        return False

    def leave(self) -> None:
        """Closes the connection; it ends when the backend has answered."""
        if self.open and not self.left and self._transport is not None:
            self.left = True
            self._transport.close()

    def hang_up(self) -> None:
        """Cuts the connection without a close frame."""
        self.left = True
        if self._transport is not None:
            self._transport.abort()

    def finish(self) -> None:
        """Judges what is still open, since nothing more will come."""
        self.checker.finish(self._n)

    async def clean_up(self) -> None:
        """Does what has to be done when a user has left: nothing, where nothing was done before."""

    @property
    def counts(self) -> dict[str, int]:
        """How often each rule was broken."""
        return self.checker.counts

    @property
    def has_seen_own(self) -> bool:
        """Whether its own canary came in an answer."""
        return self.checker.search.seen_own

    def on_close(self, ending: Ending, at: float) -> None:
        """The connection has ended: by a close frame, without one, or because what came exceeds what is taken."""
        if self.gone:
            return
        context = self._context
        context.look(at)
        # A backend may give up users who were away for long.
        is_lost = self.ready is None and not self.left and not self.is_slow and not self.is_used_up
        self._meters.connections_lost += is_lost and not context.registry.stalls.is_long
        self._n += 1
        by = "client" if self.left else ending.by
        self._closed = Closed(
            n=self._n, at=at, connection=self.connection, by=by, code=ending.code, reason=ending.reason, user=""
        )  # fmt: skip
        self._given_up = blames_silence(by, ending.reason)
        for said in (ending.reason.encode(), ending.unsaid):
            self.checker.searched(said, "the reason of the close", self._n)
        if by == "client" and not self.left:
            self.checker.gave_up(ending.code, ending.reason, self._n)
        else:
            self.checker.closed(by, ending.code, at, self._n, ending.reason)
        self._is_gone()

    def on_gone(self) -> None:
        """The connection of the operating system is gone."""
        self._transport = None
        if self._opened_at:
            self._context.connection_gone()

    def _is_gone(self) -> None:
        self.open, self.gone = False, True
        if not self.left:
            # Nobody resumes what was under way.
            self.checker.lost()
        self.ask = None
        if self.ready is not None:
            self.ready.set()
            self.ready = None

    # Evidence -------------------------------------------------------------------------------------------------

    def _found(self, finding: Finding) -> None:
        if self._given_up and finding.rule.startswith(CAUSED_BY_ABSENCE):
            # The backend has waited in vain for an answer to its ping, which a generator on a busy machine sends late.
            finding = msgspec.structs.replace(finding, late=True)
        self._context.found(finding, self._trace)

    def _opened(self) -> Opened:
        planned = self.planned
        return Opened(
            n=1, at=self._opened_at, connection=self.connection, user=planned.user, user_id=planned.user_id,
            handshake_ms=round((self._opened_at - self.began_at) * 1e3, 3), subprotocol=self._chosen,
            offered=len(planned.subprotocols),
        )  # fmt: skip

    def _trace(self) -> bytes:
        """What is kept of the latest request, as a trace."""
        records: list[AnyRecord] = [*self._stalled, *self._answers]
        if self._opened_at:
            records.append(self._opened())
        prompt = self._prompt
        if prompt is not None:
            records.append(
                Sent(
                    n=self._sent_n, at=self._sent_at, connection=self.connection, what="start", text=prompt.text,
                    request=self.request, thread=self._named, expect=prompt.expect, intended_at=self.intended,
                )
            )  # fmt: skip
        for n, at, texts in self._kept:
            records += [_received(number, at, self.connection, text) for number, text in enumerate(texts, n)]
        if self._closed is not None:
            records.append(self._closed)
        records.sort(key=lambda record: record.n)
        header = encode_header(Header(f"load, {self.connection}", self._meters.epoch_s))
        return b"".join([header, *map(encode_record, records)])


def _may_fail(request: Request) -> bool:
    """Whether the run of this request may fail; of an unknown one nothing is expected."""
    expect = request.expect
    return expect is None or expect.failing_tool or expect.end is EventKind.FAILED


def _received(n: int, at: float, connection: str, message: bytes) -> Received:
    try:
        return Received(n=n, at=at, connection=connection, text=message.decode())
    except UnicodeDecodeError:
        return Received(n=n, at=at, connection=connection, data=message)
