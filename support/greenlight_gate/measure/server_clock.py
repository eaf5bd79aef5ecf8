"""How far the server's clock is ahead of ours: the one place that says so, for traces and for loads."""

from greenlight_gate.events import Control
from greenlight_gate.wire.values import read_stamp


class ServerClock:
    """`offset_s`: the server's clock less ours, in seconds; None while it is not known.

    `clock` is the target's: `same-host` is known at once, `ping` once a ping was answered, anything else never. Times
    of ours are seconds on a clock whose zero is `epoch_s`.
    """

    def __init__(self, clock: str) -> None:
        self.offset_s: float | None = 0.0 if clock == "same-host" else None
        self._by_ping = clock == "ping"
        self._best_rtt_s = float("inf")
        self._pinged: dict[str, float] = {}
        self._moved = False

    def pinged(self, nonce: str, at: float) -> None:
        """An application ping was sent."""
        if self._by_ping:
            self._pinged[nonce] = at

    def awaits(self, nonce: str) -> bool:
        """Whether this ping is not answered yet."""
        return nonce in self._pinged

    def ponged(self, pong: Control, at: float, epoch_s: float) -> None:
        """The answer to a ping. With the server's time in it, the shortest round trip says the offset best (Cristian).

        The server read its clock somewhere in the round trip: in its middle, on average.
        """
        sent_at = self._pinged.pop(str(pong.values.get("nonce")), None)
        server_s, _ = read_stamp(pong.values.get("server_time"))
        if sent_at is not None and server_s is not None and at - sent_at < self._best_rtt_s:
            self._best_rtt_s = at - sent_at
            self.offset_s = server_s - (epoch_s + (sent_at + at) / 2)

    def moved(self, by_s: float) -> None:
        """Our wall clock was moved, but not that of the trace: on the same host the server's was moved as well."""
        self._moved = True
        if self.offset_s is not None and not self._by_ping:
            self.offset_s += by_s

    def end_of_trace(self) -> None:
        """A trace has ended: what was not answered in it is answered in no other, whose clock may be another one."""
        self._pinged.clear()
        if self._moved:
            self.offset_s = 0.0 if self.offset_s is not None and not self._by_ping else None
            self._best_rtt_s = float("inf")
            self._moved = False
