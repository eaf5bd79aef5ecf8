"""What was received on one connection, and waiting for more."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import Control, Event, Reading, each
from greenlight_gate.targets.sections import Limits
from greenlight_gate.trace import Responded, StreamEnded
from greenlight_gate.wire.values import read_stamp


class Inbox:
    """Used on the loop thread. `changed` is set whenever something has come, or when nothing more will.

    `too_much` is called with the limit that the backend has exceeded; `asked_to_answer` gets the values of a message
    that one of the profile's [[answer]] tables is for; `run_ended` each request whose run
    has ended, with the message that ended it and with all that come later.
    """

    def __init__(
        self, recorder: Recorder, connection: str, limits: Limits, questions: list[UserRequest], *,
        too_much: Callable[[str], None], asked_to_answer: Callable[[dict[str, Any]], None],
        run_ended: Callable[[UserRequest], None],
    ) -> None:  # fmt: skip
        self.questions = questions
        self.controls: list[Control] = []
        self.changed = asyncio.Event()
        self._recorder = recorder
        self._connection = connection
        self._limits = limits
        self._too_much = too_much
        self._asked_to_answer = asked_to_answer
        self._run_ended = run_ended

    def frame(self, kind: str, data: bytes, at: float) -> None:
        """Records a message (text, binary) or something else (ping, pong, part). `at`: monotonic seconds."""
        recorder = self._recorder
        with recorder.keeping_faults():
            if kind in ("text", "binary"):
                touched = recorder.answers.touched
                touched.clear()
                reading = recorder.received(data, kind == "binary", at, self._connection)
                for part in each(reading):
                    self._control(part)
                for question in touched:
                    self._grown(question, len(data))
                    if question.has_end:
                        self._run_ended(question)
            else:
                recorder.other(kind, data, at, self._connection)
            if recorder.is_full:
                self._too_much(f"more than {recorder.most_bytes} bytes in one scenario")
        self.changed.set()

    def responded(self, at: float, **answer: Any) -> None:
        """Records the response to an HTTP request (fields of `Responded`), and takes the error that it may be."""
        with self._recorder.keeping_faults():
            self._recorder.add(Responded, self._connection, at, **answer)
            self._control_of_last()
        self.changed.set()

    def _control_of_last(self) -> None:
        for part in each(self._recorder.entries[-1].reading):
            self._control(part)

    def stream_ended(self, at: float, request: str | None, reset: str, *, by_user: bool = False) -> None:
        """Records that the stream of a request has ended; `reset`: the error with which the server gave it up."""
        with self._recorder.keeping_faults():
            self._recorder.add(StreamEnded, self._connection, at, request=request, reset=reset, by_user=by_user)
        self.changed.set()

    def _control(self, reading: Reading) -> None:
        if isinstance(reading, Control):
            self.controls.append(reading)
            if reading.name == "keepalive":
                self._asked_to_answer(reading.values)

    def _grown(self, asked: UserRequest, size: int) -> None:
        asked.size += size
        excess = asked.excess(self._limits)
        if excess:
            self._too_much(excess)

    # What has come -------------------------------------------------------------------------------------------

    def control(self, name: str) -> Control | None:
        """The first control message of this name."""
        return self.since(0, name)

    def since(self, index: int, *names: str) -> Control | None:
        """The first control message of these names, from that one on."""
        return next((control for control in self.controls[index:] if control.name in names), None)

    def handshake_step(self, index: int) -> int:
        """How often a step of the profile's handshake (from 0) has come."""
        return sum(c.name == "handshake" and c.values.get("step") == index for c in self.controls)

    def pong(self, nonce: str, since: int) -> bool:
        """Whether a ping was answered by one of the control messages from that one on."""
        return any(c.name == "pong" and c.values.get("nonce", nonce) == nonce for c in self.controls[since:])

    def was_shown_an_event(self, records: int) -> bool:
        """Whether any event came on this connection after so many records."""
        new = self._recorder.entries[records:]
        return any(
            any(isinstance(part, Event) for part in each(e.reading)) and e.record.connection == self._connection
            for e in new
        )

    def announced(self, name: str) -> int | None:
        """A number that the backend announced when it said that it is ready; None if it did not."""
        ready = self.control("ready")
        value = ready.values.get(name) if ready is not None else None
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None

    @property
    def clock_ahead_s(self) -> float:
        """By how much the backend's clock is ahead of ours, as far as it said its time when it was ready."""
        ready = self.control("ready")
        server_s, _ = read_stamp(ready.values.get("server_time") if ready is not None else None)
        at = next((e.record.at for e in self._recorder.entries if e.reading is ready), 0.0)
        return 0.0 if server_s is None else server_s - (self._recorder.epoch_s + at)

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Whether a condition on what has come became true in time; while the suite stands still, no time passes."""
        began = time.monotonic()
        while not condition():
            left = self._recorder.wait_s(began, timeout_s)
            if left <= 0:
                return False
            self.changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self.changed.wait()
        return True
