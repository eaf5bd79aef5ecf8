"""The calls that a backend has made to the model: what it sent, and how the call went."""

import time
from collections import Counter, deque
from typing import Literal

from msgspec import Struct

_MOST_CALLS = 10_000
_MOST_MESSAGES = 10_000
_MOST_BYTES = 262_144
_EPOCH_OF_ZERO_S = time.time() - time.monotonic()

State = Literal["under way", "finished", "unfinished", "left"]


def steady_epoch_s() -> float:
    """The time in seconds since the epoch, by a clock that nobody moves while this process runs."""
    return _EPOCH_OF_ZERO_S + time.monotonic()


class ServedCall(Struct, kw_only=True):
    """One call. `number` from 1; `wire` is the path of the wire format, `began_epoch_s` and `took_s` are in seconds.

    `role`: the same for calls with the same instructions and tools. `finish`: the reason with which the model ended.
    `asked`: the user's last message; `body`: all that was sent, as JSON; `said`: what the model has said so far.
    `scripted`: the script has an answer to it; `fault`: the one that was played. `state`: `unfinished`: the model broke
    off or refused, or ended its answer before it was whole; `left`: the backend closed the connection before the end.
    `took_s` is None while it is under way.
    """

    number: int
    wire: str
    model: str
    stream: bool
    asked: str
    body: str
    tools: tuple[str, ...]
    scripted: bool
    fault: str
    began_epoch_s: float
    input_tokens: int
    output_tokens: int = 0
    said: str = ""
    role: str = ""
    finish: str = ""
    state: State = "under way"
    took_s: float | None = None


class Calls:
    """The latest calls, 10,000 at most, and how often a message had a fault. `count`: how many have come in all."""

    def __init__(self) -> None:
        self._calls: deque[ServedCall] = deque(maxlen=_MOST_CALLS)
        self._faults: Counter[str] = Counter()
        self.count = 0

    def after(self, number: int) -> list[ServedCall]:
        """The calls with a greater number, in order."""
        return [call for call in self._calls if call.number > number]

    def faults_of(self, message: str) -> int:
        """How many calls for this message have had a fault."""
        return self._faults[message]

    def begin(
        self, *, wire: str, model: str, stream: bool, asked: str, body: bytes, tools: tuple[str, ...], scripted: bool,
        fault: str, input_tokens: int, role: str,
    ) -> ServedCall:  # fmt: skip
        """Records a call that has come."""
        self.count += 1
        if fault and len(self._faults) < _MOST_MESSAGES:
            self._faults[asked] += 1
        sent = body[:_MOST_BYTES].decode(errors="replace")
        call = ServedCall(
            number=self.count, wire=wire, model=model, stream=stream, asked=asked, body=sent, tools=tools,
            scripted=scripted, fault=fault, began_epoch_s=steady_epoch_s(), input_tokens=input_tokens, role=role,
        )  # fmt: skip
        self._calls.append(call)
        return call

    @staticmethod
    def end(call: ServedCall, state: State) -> None:
        """Records how a call has ended."""
        call.state = state
        call.took_s = round(steady_epoch_s() - call.began_epoch_s, 3)
