"""The trace: everything that was sent and received in one scenario, append-only, as JSON lines.

Times (`at`) are seconds on one monotonic clock, stamped when the bytes were read; `Header` ties it to the wall clock.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from greenlight_gate.events import EventKind

# The codes with which a client closes a connection after data that it cannot accept (RFC 6455 section 7.4.1).
_ABANDONED = frozenset({1002, 1003, 1007, 1008, 1009})

# The HTTP statuses that report success, and the first one that reports an error (RFC 9110 section 15).
SUCCESS = range(200, 300)
LEAST_ERROR = 400
# What a record keeps of the body of a response, in bytes.
KEPT_OF_RESPONSE = 2_000
# What is sent to begin a run.
ASKS = frozenset({"start", "claim", "edit", "regenerate"})

# The ways in which a connection ends because the suite ends the backend.
RESTART = "restart"
KILL = "kill"


class Expect(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a user may expect of the run of a request.

    `contains` is a conjunction of alternatives: the answer must hold, whatever the case, one text of each group.
    `tools` is the least number of tools; `parallel` asks that two of them are open at once; `failing_tool` that one
    fails; `paced` that events arrive as they happen (TIMELINESS-3). `hidden` are the kinds of event that this wire or
    this target does not show. `approval`: the user has to approve its tool; `input_s`: how long the backend waits for
    that, if it is known.
    """

    prompt: str = ""
    thinking: bool = False
    tools: int = 0
    parallel: bool = False
    failing_tool: bool = False
    paced: bool = False
    contains: tuple[tuple[str, ...], ...] = ()
    end: EventKind = EventKind.COMPLETED
    hidden: tuple[str, ...] = ()
    approval: bool = False
    input_s: float | None = None


class Record(
    msgspec.Struct, frozen=True, tag_field="record", tag=str.lower, omit_defaults=True, kw_only=True, gc=False
):
    """One entry of a trace: its number from 1, its time, and the connection it belongs to."""

    n: int
    at: float
    connection: str


class Opened(Record, frozen=True):
    """A connection attempt succeeded at the WebSocket level.

    `persona`: the target's persona, if the scenario uses another name. `headers`: of the response to the upgrade, as
    "name: value", as far as they are stored. `unwelcome`: what is wrong with the token, so that the backend should have
    refused it. `expires_at`: when the token expires, in the trace's time. `traceparent`: the trace context in the
    request to upgrade, as in W3C Trace Context. `offered`: how many subprotocols the client offered, of which
    `subprotocol` was chosen. `proxied`: the connection goes through the
    suite's own proxy, which may delay messages. `in_parallel`: other scenarios ran in parallel, which may delay them as
    well. `values`: what was captured before the connection, by name, as far as the profile's rules need it. `names`: by
    which the backend knows the user, beside the user id. `earlier`: what was captured on earlier connections of the
    user by which a frame says whose it is. `resumes`: the thread that the connection goes on with, from the number
    after `last_seq`. `foreign`: the other user whose conversation the connection names, by the values `named`, so that
    the backend should refuse it; `behind`: the request of that user that is answered there meanwhile.
    """

    user: str = msgspec.field(name="person")
    user_id: str | None = msgspec.field(default=None, name="user")
    attempt: int = 1
    handshake_ms: float = 0.0
    subprotocol: str | None = None
    persona: str = ""
    headers: tuple[str, ...] = ()
    unwelcome: str = ""
    expires_at: float | None = None
    offered: int = 0
    proxied: bool = False
    in_parallel: bool = msgspec.field(default=False, name="beside")
    values: dict[str, Any] = {}
    names: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    traceparent: str = ""
    resumes: str | None = None
    last_seq: int | None = None
    foreign: str = ""
    named: tuple[str, ...] = ()
    behind: str = ""

    @property
    def unchosen(self) -> int:
        """How many subprotocols were offered in vain: none of them was chosen."""
        return self.offered if self.subprotocol is None else 0


class Sent(Record, frozen=True):
    """A frame that the user's client sent.

    `what` is one of start, again (the same request once more), stop, ping (of the application), restore, hello (a step
    of the handshake), keepalive, unsubscribe, respond (an answer to what is asked of the user), invalid (sent to be
    refused), "websocket ping", or pings (a flood of those).
    `last_seq` is the last number that a restore says was received; `intended_at` is when it was due, from which latency
    counts; `foreign` is the owner of the conversation, run or user id (`claims`) that the frame names: the backend has
    to refuse it. `refusable`: the backend may refuse the request, or let it wait for another one; `behind`: that one,
    in progress in the same thread. `input`: what a response answers, and `approves`, whether it does.
    `traceparent`: the trace context of its run, whether or not the profile has a place for it in the message.
    `unwelcome`: what is wrong with the token that a request beside the connection was sent with, so that nothing may
    come of it.
    """

    what: str
    text: str
    request: str | None = None
    run: str | None = None
    thread: str | None = None
    nonce: str | None = None
    last_seq: int | None = None
    expect: Expect | None = None
    intended_at: float | None = None
    foreign: str = ""
    claims: str | None = None
    refusable: bool = False
    behind: str = ""
    traceparent: str = ""
    input: str | None = None
    approves: bool = False
    unwelcome: str = ""


class _Payload(Record, frozen=True):
    text: str | None = None
    data: bytes | None = None

    def raw(self) -> bytes:
        """The bytes as received."""
        text = self.text
        if text is not None and text.isascii():
            return text.encode()
        return self.data if self.data is not None else (text or "").encode(errors="surrogatepass")


class Received(_Payload, frozen=True):
    """A message as received. `binary` frames and broken UTF-8 are kept as bytes (base64 in JSON)."""

    binary: bool = False


class Other(_Payload, frozen=True, kw_only=True):
    """Received data that is no complete message.

    `what`: a `ping` or a `pong` with a payload, a `close` frame whose text is not the reason in `Closed`, or the `part`
    of a message that had arrived when the connection ended. Of an event stream: a `comment`, or the field `id` or
    `event` of an event.
    """

    what: str


class Closed(Record, frozen=True):
    """The end of a connection by the client, the server or neither (the connection was lost).

    `during` is "handshake" when the connection was never established; `status` is that of the response to the upgrade.
    `unwelcome`: what is wrong with the token, so that the backend should refuse it. `persona`, `headers`,
    `traceparent`, `foreign`, `behind`: as in `Opened`. `body`: of the refusal, as far as it is stored. `unanswered`:
    the upgrade was waited for in vain. `unreachable`: nothing accepts connections at the address, which says nothing
    of whose connection would be accepted.
    """

    by: str
    during: str = "session"
    code: int | None = None
    reason: str = ""
    status: int | None = None
    user: str = msgspec.field(default="", name="person")
    unwelcome: str = ""
    persona: str = ""
    headers: tuple[str, ...] = ()
    body: str = ""
    unanswered: bool = False
    unreachable: bool = False
    traceparent: str = ""
    foreign: str = ""
    behind: str = ""

    @property
    def abandoned(self) -> bool:
        """The client had to end it: what it received was no WebSocket message, or larger than the limit."""
        return self.by == "client" and self.code in _ABANDONED


def to_be_refused(record: Opened | Closed) -> bool:
    """Whether the backend should refuse a connection: for its token, or because it names what is another user's."""
    return bool(record.unwelcome or record.foreign)


class Responded(Record, frozen=True):
    """The response to an HTTP request of the user's client: the head of a stream, or all of another one.

    `request`: whose it is. `problem`: what is wrong with it, if a stream was expected and something else came without
    an error status (`status` is 0 if nothing came). `after_ms`: from the request to the head. `headers` and `body` as
    far as they are stored. Of a request that was sent beside the connection, `to` is the record, and `what` is as
    there; of others, `http_version` is "1.1" or "2".
    """

    status: int
    after_ms: float
    request: str | None = None
    headers: tuple[str, ...] = ()
    body: str = ""
    problem: str = ""
    to: int | None = None
    what: str = ""
    http_version: str = ""


class StreamEnded(Record, frozen=True):
    """The stream that answered a request has ended as HTTP wants it: nothing more comes on it.

    `reset`: the error with which the server has given it up instead (HTTP/2). `by_user`: it has not, but the user has
    closed it, to stop the run.
    """

    request: str | None = None
    reset: str = ""
    by_user: bool = False


class Cut(Record, frozen=True):
    """The suite is about to interfere with this connection, so that its end, or its failure to open, is no violation.

    `way`: how (a reset, a restart of the backend, ...); `where`: at which point, in words. `after`: how many events of
    the answer had arrived, if the place is exact; `inside`: the connection was cut in the middle of the next one.
    `user`: the user, if the connection is not open yet.
    """

    way: str
    where: str = ""
    after: int | None = None
    inside: bool = False
    user: str = msgspec.field(default="", name="person")

    @property
    def ends_backend(self) -> bool:
        """Whether the backend itself ends, and its runs with it."""
        return self.way in (RESTART, KILL)

    def __str__(self) -> str:
        return f"{self.way} {self.where}".rstrip()


class Stalled(Record, frozen=True):
    """The suite itself stood still for so many seconds before `at`, be it frozen with its process or its machine.

    What came meanwhile was received late, and what was waited for may have come: no time is judged across it.
    """

    for_s: float


class ClockMoved(Record, frozen=True):
    """The wall clock of the suite's machine was moved by so many seconds (negative: back), as was noticed at `at`."""

    by_s: float


class Crowded(Record, frozen=True):
    """Other programs left too little CPU time on the suite's machine for so many seconds until `at`; `why`: in words.

    What was late, or did not come in time, in that time, just before it or on any later record says nothing about the
    backend.
    """

    for_s: float
    why: str


class Throttled(Record, frozen=True):
    """From now on the suite reads hardly anything from this connection; with `over`, it reads normally again.

    Or its requests wait, for the server allows no more at the same time. What arrives in between was delayed for an
    unknown time.
    """

    over: bool = False


class TimedOut(Record, frozen=True):
    """A wait that ended without its event.

    One of ready, start, end, input (what becomes of a request for input that nobody answers), pong, websocket pong,
    heartbeat, refusal, expiry, restored, answer (to a request by HTTP that asks for no stream), stream end or close.
    """

    waiting_for: str
    after_s: float
    request: str | None = None
    run: str | None = None


class ModelCall(Record, frozen=True):
    """A call of the backend to the scripted model, as the model has recorded it until `at`.

    It is for `request`, whose text stands in its prompt, `alone` if the user's last message is that and nothing else.
    `number`: among all calls to this model. `began_at`, `ended_at`: on the trace's clock; None while it is under way.
    `state`, `fault`, `said`, `finish`: how far it came, what the model was to do, what it has said, and the reason with
    which it ended. `role`: the same for calls with the same instructions and tools; `stream`, `tools`: whether a stream
    was asked for, and how many tools were offered. `owners`: whose canaries its prompt holds.
    """

    request: str
    number: int
    began_at: float
    ended_at: float | None = None
    state: str = ""
    fault: str = ""
    said: str = ""
    owners: tuple[str, ...] = ()
    finish: str = ""
    role: str = ""
    stream: bool = False
    tools: int = 0
    alone: bool = False


AnyRecord = (
    Opened | Sent | Responded | Received | Other | Closed | TimedOut | Cut | Stalled | ClockMoved | Crowded | Throttled
    | ModelCall | StreamEnded
)  # fmt: skip


class Header(msgspec.Struct, frozen=True):
    """The first line of a trace file: which scenario it is, and the wall time (epoch seconds) of monotonic zero."""

    scenario: str
    epoch_s: float


_encoder = msgspec.json.Encoder()
_record_decoder = msgspec.json.Decoder(AnyRecord)
_header_decoder = msgspec.json.Decoder(Header)


def encode_header(header: Header) -> bytes:
    """One JSON line, newline included."""
    return _encoder.encode(header) + b"\n"


def encode_record(record: AnyRecord) -> bytes:
    """One JSON line, newline included. Halves of surrogate pairs, which JSON in UTF-8 cannot hold, are replaced."""
    try:
        return _encoder.encode(record) + b"\n"
    except UnicodeEncodeError:
        return _encoder.encode(_without_surrogates(msgspec.to_builtins(record))) + b"\n"


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {key: _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    return value


def read_trace(lines: Iterable[bytes]) -> tuple[Header, Iterator[AnyRecord]]:
    """The header and a stream of the records of a trace file's lines, each read when it is asked for.

    Raises msgspec.ValidationError or msgspec.DecodeError for a line that is not whole; StopIteration is never raised.
    """
    iterator = iter(lines)
    first = next(iterator, None)
    if first is None:
        raise msgspec.ValidationError("an empty file is no trace: its header is missing")
    return _header_decoder.decode(first), map(_record_decoder.decode, iterator)
