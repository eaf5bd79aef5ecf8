"""CONNECTION and REFUSAL-4: doors that open in time, answer when spoken to, and close with a reason."""

from greenlight_gate.events import Control
from greenlight_gate.rules.engine.run_state import Report

_LEGAL = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
_NEVER_SENT = {1004: "reserved", 1005: "a close without a code", 1006: "no close frame", 1015: "a TLS failure"}
_REFUSING = frozenset({1002, 1003, 1007, 1008, 1009})
_GIVING_UP = frozenset({1000, 1011})
_MOST_PINGS = 64


class ConnectionRules:
    """One connection's coming and going, and what is said about the protocol itself.

    `promised` is whether the backend must say that it is ready. `spoken`: the person has sent something;
    `flooded`: more than anybody has to read.
    """

    def __init__(self, report: Report, *, promised: bool) -> None:
        self.report = report
        self.promised = promised
        self.ready = False
        self.spoken = False
        self.flooded = False
        self._pings: dict[str, int] = {}
        # A list: an empty deque takes 700 bytes, of ten thousand people each.
        self._invalid: list[int] = []
        self._instead: str | None = None

    def opened(self, handshake_ms: float, n: int, handshake_s: float) -> None:
        """CONNECTION-1: the upgrade came in time."""
        if handshake_ms > handshake_s * 1e3:
            self.report("CONNECTION-1", f"a handshake within {handshake_s:g} s", f"{handshake_ms / 1e3:.2f} s", n)

    def not_opened(self, status: int | None, reason: str, n: int) -> None:
        """CONNECTION-1: the connection did not come about."""
        came = reason or (f"HTTP {status}" if status is not None else "nothing")
        self.report("CONNECTION-1", "a connection", came, n)

    def pinged(self, nonce: str | None, n: int) -> None:
        """An application ping was sent."""
        if len(self._pings) < _MOST_PINGS:
            self._pings[str(nonce)] = n

    def ponged(self, nonce: object) -> None:
        """The answer to an application ping came."""
        self._pings.pop(str(nonce), None)

    def sent_invalid(self, n: int) -> None:
        """Something was sent that must be refused."""
        self._invalid.append(n)
        del self._invalid[:-_MOST_PINGS]
        self._instead = None

    def strange(self, reason: str) -> None:
        """A frame came that nobody can read."""
        self._instead = reason

    def took_refusal(self, error: Control, n: int) -> bool:
        """Whether an error is the answer to what had to be refused; REFUSAL-4 if it does not say what was wrong."""
        if not self._invalid:
            return False
        sent = self._invalid.pop(0)
        said = (error.values.get("text"), error.values.get("code"))
        if not any(str(value).strip() for value in said if value is not None):
            self.report("REFUSAL-4", "an error that says what is wrong", "an error without words", sent, n)
        return True

    def timed_out(self, waiting_for: str, after_s: float, n: int) -> None:
        """The person waited in vain for what is not an answer: ready, pong, refusal or close."""
        waited = f"nothing within {after_s:.1f} s"
        if waiting_for == "ready":
            self.report("CONNECTION-1", "the backend says that it is ready", waited, n)
        elif waiting_for == "pong":
            pinged = self._pings.pop(next(reversed(self._pings))) if self._pings else n
            self.report("CONNECTION-2", "an answer to the ping", waited, pinged, n)
        elif waiting_for == "close":
            self.report("CONNECTION-3", "a close that is answered", waited, n)
        elif waiting_for == "refusal":
            came = f"{self._instead} instead" if self._instead else waited
            self.report("REFUSAL-4", "a clear error", came, *self._invalid, n)
            self._invalid.clear()

    def closed(self, by: str, code: int | None, n: int) -> None:
        """The server (with a close frame) or nobody (the line just broke) ended the connection."""
        if by == "nobody":
            came = "a line that broke"
            # With pings unread, a reset may overtake the close frame on its way (RFC 9293 section 3.6.1).
            if not self.flooded:
                self.report("CONNECTION-3", "a close frame before the line ends", "none", n)
        else:
            came = f"a close with {code}"
            self.judge_code(code, n)
        if self._invalid and not (code is not None and (code in _REFUSING or code >= 4000)):
            self.report("REFUSAL-4", "a clear error", came, *self._invalid, n)
        self._invalid.clear()
        if self.promised and not self.ready:
            self.report("CONNECTION-1", "the backend says that it is ready", came, n)
        elif not self.spoken and code in _GIVING_UP:
            self.report("CONNECTION-1", "a connection that can be used", f"{came} before a word was said", n)

    def judge_code(self, code: int | None, n: int) -> None:
        """CONNECTION-3: a code that RFC 6455 section 7.4 allows on the wire (or a private one, 3000 to 4999)."""
        if code is None or code in _LEGAL or 3000 <= code <= 4999:
            return
        meaning = _NEVER_SENT.get(code, "not assigned")
        self.report("CONNECTION-3", "a legal close code", f"{code} ({meaning})", n)
