"""The trace: everything that was sent and received in one scenario, append-only, as JSON lines.

Times (`at`) are seconds on one monotonic clock, stamped when the bytes were read; `Header` ties it to the wall clock.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from greenlight_gate.events import EventKind

# How a client ends a connection on which something came that it cannot take (RFC 6455 section 7.4.1).
_GIVEN_UP = frozenset({1002, 1003, 1007, 1008, 1009})

# Ways in which a line ends because the suite ends the backend.
RESTART = "restart"
KILL = "kill"


class Expect(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a person who asks may expect of the run.

    `contains` is a conjunction of alternatives: the answer must hold, whatever the case, one text of each group.
    `tools` is the least number of tools; `parallel` asks that two of them are open at once; `failing_tool` that one
    is shown as failed; `paced` that events come as they happen (TIMELINESS-3). `hidden` are the kinds of event that
    this wire does not show.
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


class Record(
    msgspec.Struct, frozen=True, tag_field="record", tag=str.lower, omit_defaults=True, kw_only=True, gc=False
):
    """One entry of a trace: its number from 1, its time, and the connection it belongs to."""

    n: int
    at: float
    connection: str


class Opened(Record, frozen=True):
    """A connection attempt succeeded at the WebSocket level.

    `persona`: who of the target's people it is, where the scenario calls them otherwise. `headers`: what the upgrade
    was answered with, as "name: value", as far as it is kept. `unwelcome`: what is wrong with the pass that was shown,
    so that nobody should have been let in. `expires_at`: when the pass ends, in the trace's time. `proxied`: it goes
    through the suite's own proxy, which may delay what comes. `beside`: so may other scenarios, which ran beside this
    one. `values`: what was captured before the connection, by name, as far as the profile's rules ask for it.
    """

    person: str
    user: str | None = None
    attempt: int = 1
    handshake_ms: float = 0.0
    subprotocol: str | None = None
    persona: str = ""
    headers: tuple[str, ...] = ()
    unwelcome: str = ""
    expires_at: float | None = None
    proxied: bool = False
    beside: bool = False
    values: dict[str, Any] = {}


class Sent(Record, frozen=True):
    """A frame that the person's client sent.

    `what` is one of start, stop, ping, restore, hello (a step of the handshake), keepalive or invalid (sent to be
    refused).
    `last_seq` is what a restore says was seen last; `intended_at` is when it was due, which is when latency begins;
    `foreign` is whose conversation, run or user id (`claims`) the frame reaches for, so that it has to be refused.
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


class _Payload(Record, frozen=True):
    text: str | None = None
    data: bytes | None = None

    def raw(self) -> bytes:
        """The bytes as they came."""
        text = self.text
        if text is not None and text.isascii():
            return text.encode()
        return self.data if self.data is not None else (text or "").encode(errors="surrogatepass")


class Received(_Payload, frozen=True):
    """A message as it came. `binary` frames and broken UTF-8 are kept as bytes (base64 in JSON)."""

    binary: bool = False


class Other(_Payload, frozen=True, kw_only=True):
    """What came and is no whole message.

    `what`: a `ping` or a `pong` that carries something, a `close` frame whose words are not the reason in `Closed`, or
    the `part` of a message that was there when the connection ended.
    """

    what: str


class Closed(Record, frozen=True):
    """The end of a connection by the client, the server or nobody (the line broke).

    `during` is "handshake" when the connection never came about; `status` is what the upgrade was answered with.
    `unwelcome`: what is wrong with the pass that was shown, so that being turned away is what should happen.
    `persona`, `headers`: as in `Opened`. `body`: of the refusal, as far as it is kept.
    """

    by: str
    during: str = "session"
    code: int | None = None
    reason: str = ""
    status: int | None = None
    person: str = ""
    unwelcome: str = ""
    persona: str = ""
    headers: tuple[str, ...] = ()
    body: str = ""

    @property
    def given_up(self) -> bool:
        """The client had to end it, because of what came: no WebSocket message, or more than anybody takes."""
        return self.by == "client" and self.code in _GIVEN_UP


class Cut(Record, frozen=True):
    """The suite is about to do something to this line, so that its end, or its never coming about, is no fault.

    `way`: how (a reset, a restart of the backend, ...); `where`: at which moment, in words. `after`: how many events
    of the answer had come, where it is an exact place; `inside`: the line was cut in the middle of the next one.
    `person`: whose line it is, where it has not been opened yet.
    """

    way: str
    where: str = ""
    after: int | None = None
    inside: bool = False
    person: str = ""

    @property
    def ends_backend(self) -> bool:
        """Whether it is the backend itself that goes, and its runs with it."""
        return self.way in (RESTART, KILL)

    def __str__(self) -> str:
        return f"{self.way} {self.where}".rstrip()


class Stalled(Record, frozen=True):
    """The suite itself stood still for so many seconds: what comes now may have waited that long to be stamped."""

    for_s: float


class Throttled(Record, frozen=True):
    """From now on the suite takes hardly anything off this line; with `over`, all that comes again.

    What comes in between was held back by the suite, for nobody knows how long.
    """

    over: bool = False


class TimedOut(Record, frozen=True):
    """A wait that ended without what was waited for: ready, start, end, pong, refusal, expiry, restored or close."""

    waiting_for: str
    after_s: float
    request: str | None = None
    run: str | None = None


AnyRecord = Opened | Sent | Received | Other | Closed | TimedOut | Cut | Stalled | Throttled


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
