"""CONNECTION: a connection opens in time, pings on it are answered, and it is closed with a legal code."""

import re

from greenlight_gate.rules.engine.finding_sink import Report
from greenlight_gate.rules.engine.suite_stalls import Stalls

_WITHOUT_CODE = 1005
_LEGAL = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
_NEVER_SENT = {1004: "reserved", _WITHOUT_CODE: "a close without a code", 1006: "no close frame", 1015: "a TLS failure"}
_GIVING_UP = frozenset({1000, 1011})
_MOST_PINGS = 64
# How servers say that they gave up a client which did not answer in time ("keepalive ping timeout", ...).
_TOO_LATE = re.compile(r"ping|pong|keep-?alive|heartbeat|time[ds]?[ -]?out|inactiv|\bidle", re.IGNORECASE)


class ConnectionRules:
    """What one connection owes from the handshake to the close.

    `promised`: whether the backend must report that it is ready; `by_http`: in answer to a request. `spoken`: the user
    has sent something; `flooded`: more than a client has to read.
    """

    def __init__(self, report: Report, *, promised: bool, by_http: bool = False) -> None:
        self.report = report
        self.by_http = by_http
        self.promised = promised
        self.ready = False
        self.spoken = False
        self.flooded = False
        self._pings: dict[str, int] = {}

    def opened(self, handshake_ms: float, n: int, handshake_s: float, *, unchosen: int = 0) -> None:
        """CONNECTION-1: the upgrade came in time, with one of the subprotocols that were offered.

        One that was not offered has failed the handshake before (RFC 6455 section 4.1). Without any, browsers fail the
        connection too ("establish a WebSocket connection", WHATWG WebSockets), as nobody has agreed to what was sent.
        """
        if handshake_ms > handshake_s * 1e3:
            took = f"{handshake_ms / 1e3:.2f} s"
            self.report("CONNECTION-1", f"a handshake within {handshake_s:g} s", took, n, late=True)
        if unchosen:
            offered = "the subprotocol that was" if unchosen == 1 else f"one of the {unchosen} subprotocols that were"
            self.report("CONNECTION-1", f"{offered} offered", "none chosen", n)

    def not_opened(self, status: int | None, reason: str, n: int, *, unanswered: bool) -> None:
        """CONNECTION-1: the connection was refused or failed, or `unanswered` in time."""
        came = reason or (f"HTTP {status}" if status is not None else "nothing")
        self.report("CONNECTION-1", "a connection", came, n, late=unanswered)

    def no_stream(self, came: str, n: int) -> None:
        """CONNECTION-1, by HTTP: a request is answered with the stream that it asks for, or with an error status."""
        self.report("CONNECTION-1", "a stream of events, or an error status", came, n)

    def headed(self, after_ms: float, n: int, handshake_s: float) -> None:
        """CONNECTION-1, by HTTP: the head of an answer comes within the handshake's budget."""
        if after_ms > handshake_s * 1e3:
            took = f"{after_ms / 1e3:.2f} s"
            self.report("CONNECTION-1", f"the head of an answer within {handshake_s:g} s", took, n, late=True)

    def no_event_came(self, ask_n: int, n: int, *, late: bool) -> None:
        """CONNECTION-1: nothing of any run was received, although the backend had reported that it is ready.

        `ask_n`: the record of the first request; `late`: it was waited for in vain.
        """
        if self.promised and self.ready:
            came = "no event of the first request"
            self.report("CONNECTION-1", "a backend that is ready when it reports so", came, ask_n, n, late=late)

    def pinged(self, nonce: str | None, n: int) -> None:
        """An application ping was sent."""
        if len(self._pings) < _MOST_PINGS:
            self._pings[str(nonce)] = n

    def ponged(self, nonce: object) -> None:
        """The answer to an application ping came."""
        self._pings.pop(str(nonce), None)

    def timed_out(self, waiting_for: str, after_s: float, n: int) -> None:
        """The user waited in vain: ready, an answer (CONNECTION-1), a pong (-2), a close or stream end (-3)."""
        waited = f"nothing within {after_s:.1f} s"
        if waiting_for == "ready":
            self.report("CONNECTION-1", "the backend reports that it is ready", waited, n, late=True)
        elif waiting_for == "answer":
            self.report("CONNECTION-1", "an answer to each request by HTTP", waited, n, late=True)
        elif waiting_for == "pong":
            pinged = self._pings.pop(next(reversed(self._pings))) if self._pings else n
            self.report("CONNECTION-2", "an answer to the ping", waited, pinged, n, late=True)
        elif waiting_for == "websocket pong":
            expected = "an answer to the WebSocket ping (RFC 6455 section 5.5.2)"
            self.report("CONNECTION-2", expected, waited, n, late=True)
        elif waiting_for == "heartbeat":
            self.report("CONNECTION-2", "a heartbeat while a run is in progress", waited, n, late=True)
        elif waiting_for == "stream end":
            self.report(
                "CONNECTION-3", "a stream that ends with its run", f"still open after {after_s:.1f} s", n, late=True
            )
        elif waiting_for == "close":
            self.report("CONNECTION-3", "an answer to the close frame", waited, n, late=True)

    def closed(self, by: str, code: int | None, n: int, reason: str) -> None:
        """CONNECTION-3 for the end of the connection: by the server (with a close frame) or by nobody (without).

        By HTTP there is nothing but its loss inside an answer (RFC 9112 section 8: such an answer is incomplete), or an
        answer that is none: `reason` says which. A channel that the server ends is an answer that has ended.
        """
        if self.by_http and by == "server":
            return
        if self.by_http:
            came = reason or "a connection that ended inside it"
            self.report("CONNECTION-3", "an answer that ends as HTTP has it", came, n)
        elif by != "nobody":
            self.judge_code(code, n)
        # With pings unread, a reset may overtake the close frame on its way (RFC 9293 section 3.6.1).
        elif not self.flooded:
            self.report("CONNECTION-3", "a close frame before the connection ends", "none", n)

    def reset(self, error: str, n: int) -> None:
        """CONNECTION-3, by HTTP/2: a stream that the server resets is incomplete (RFC 9113 section 8.1)."""
        self.report("CONNECTION-3", "an answer that ends as HTTP has it", f"its stream was reset ({error})", n)

    def judge_code(self, code: int | None, n: int) -> None:
        """CONNECTION-3: a code that RFC 6455 section 7.4 allows on the wire (or a private one, 3000 to 4999).

        A close frame may leave it out (5.5.1), which the user's side has as 1005 (7.1.5). Legal, but without a meaning:
        nobody can tell a restart, after which to connect again, from the end of an access.
        """
        if code is None or code in _LEGAL or 3000 <= code <= 4999:
            return
        meaning = _NEVER_SENT.get(code, "not assigned")
        expected = "a close code that says why" if code == _WITHOUT_CODE else "a legal close code"
        self.report("CONNECTION-3", expected, f"{code} ({meaning})", n)

    def given_up(self, by: str, reason: str, stalls: Stalls) -> bool:
        """Whether the backend ended the connection for a silence (CONNECTION-3) that the suite's machine may cause.

        On a busy one, it may be the suite that answers a ping too late.
        """
        return blames_silence(by, reason) and stalls.may_have_caused("CONNECTION-3", late=True)

    def unusable(self, code: int | None, came: str, n: int) -> None:
        """CONNECTION-1: the connection has ended before the backend was ready, or before anything was sent on it."""
        if self.promised and not self.ready:
            self.report("CONNECTION-1", "the backend reports that it is ready", came, n)
        elif not self.spoken and code in _GIVING_UP:
            self.report("CONNECTION-1", "a usable connection", f"{came} before anything was sent", n)


def blames_silence(by: str, reason: str) -> bool:
    """Whether a server closed the connection because, as it says, the client did not answer in time."""
    return by == "server" and _TOO_LATE.search(reason) is not None
