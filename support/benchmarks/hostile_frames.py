"""Whether 100,000 hostile frames harm the suite: nothing crashes, nothing hangs, and memory stays where it was.

    python -m support.benchmarks.hostile_frames [FRAMES [SEED]]

A server on the loopback answers questions with frames of legal conversations that were spoilt: bytes flipped, fields
taken away or filled with whatever JSON can say, escapes in heaps, halves of canaries, fragments, pings, and in the end
of each connection something that is no WebSocket frame. Each goes the whole way: the client's WebSocket, the profile,
the rules, the record. Then the same frames are judged read by read, as under load, and every fourth trace is judged
again from its evidence. Hypothesis makes the values and the order; the same seed makes the same frames. Exit code 1: a
crash, a hang, or more memory or CPU time than the bars.
"""

import asyncio
import contextlib
import copy
import json
import random
import re
import resource
import struct
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.session import Session
from greenlight_gate.evidence.conversation import as_table
from greenlight_gate.evidence.replay import Meter
from greenlight_gate.rules.engine.canary import HALF, canary_word
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Budgets, Persona, Prompt, Prompts
from greenlight_gate.trace import Expect, Header, Other, Received, encode_header, encode_record, read_trace
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from support.tests.hostile import conduct as does
from support.tests.hostile.server import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, HostileServer, Wire, head_of
from support.tests.rules.talk import PROFILE

BAR_MB = 300.0
MOST_S = 75.0
LONGEST_S = 5.0
_FRAMES_EACH = 250
_BUDGETS = Budgets(handshake_s=5, start_s=5, silence_s=5, run_s=10)
_CANARY = canary_word("Bashir", "abcdefgh").encode()
_HEAPS = (
    b"%", b"&#", b"\\", b"\\u0025", b"&amp;", b"%25", b"\xe2\x80\x8b", HALF, HALF.hex().encode(), b"YWppcXl2", b'"',
    b"[", b'{"a":', b"eyJ", b"<", b"(", b"at ", b"\xff", b"\x1b[31m", b"\x00", b"sk-", b"9", _CANARY, b"ajiq",
)  # fmt: skip
_ODD = (
    1e400, -1e400, float("nan"), 10**30, -(10**4299), 1e-320, True, None, "", "\ud800", "\u202e", "\x1b[2J\x07",
    "__proto__", "../../etc/passwd", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59",
    "2026-01-01T00:00:00.5Z", "<Enum.X: 1>", "[token of Ada]", _CANARY.decode(), _CANARY.hex(), "x" * 70_000,
)  # fmt: skip
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=30)
    | st.sampled_from(_ODD),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
_PROMPTS = Prompts(with_tool=Prompt(ask="x", tools=("t",)))
_KINDS = ("agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed", "agent_failed")


class _Enough(BaseException):
    """So many frames, or so much time: Hypothesis lets pass what is no Exception."""


class _Server:
    """What the server says next, and what it has said: the hostile part of one connection."""

    def __init__(self) -> None:
        self.dice = random.Random(0)
        self.values: list[Any] = []
        self.said: list[bytes] = []

    async def door(self, wire: Wire) -> None:
        await does.greet(wire)
        talk = does.Talk(wire, await wire.hear(), self.dice.randrange(3))
        self.said = [self.spoilt(talk) for _ in range(_FRAMES_EACH)]
        await wire.raw(b"".join(map(self.framed, self.said)) + self.farewell())
        wire.writer.write_eof()
        await does.forever(wire)

    def spoilt(self, talk: does.Talk) -> bytes:
        """A frame of a conversation, most often with something wrong in it."""
        dice = self.dice
        frame = talk.event(dice.choice(_KINDS), message="on it", reasoning="hm", tool_name="t", result="391")
        if dice.random() < 0.2:
            frame = {"type": dice.choice(("pong", "error_message", "connection_established", "session_restored", "x"))}
        for _ in range(dice.randrange(3)):
            place = frame["payload"] if dice.random() < 0.3 and isinstance(frame.get("payload"), dict) else frame
            name = dice.choice(["payload", "new", *frame]) if place is frame else dice.choice([*place, "new"])
            if dice.random() < 0.3:
                place.pop(name, None)
            else:
                place[name] = copy.deepcopy(dice.choice(self.values))
        data = json.dumps(frame, ensure_ascii=dice.random() < 0.5).encode(errors="surrogatepass")
        return self.mangled(data) if dice.random() < 0.4 else data

    def mangled(self, data: bytes) -> bytes:
        """The bytes flipped, cut, doubled, or with a heap of something inside."""
        dice = self.dice
        at = dice.randrange(len(data) + 1)
        way = dice.randrange(6)
        if way == 0:
            return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
        if way == 1:
            return data[:at]
        if way == 2:
            return data + data
        if way == 3:
            return json.dumps(data.decode(errors="replace")).encode()
        heap = dice.choice(_HEAPS) * dice.choice((1, 1, 3, 3, 50, 50, 50, 2_000))
        return data[:at] + heap + data[at if way == 4 else at + len(heap) :]

    def framed(self, data: bytes) -> bytes:
        """The message as WebSocket frames: now and then in fragments, as bytes, or after a ping."""
        dice = self.dice
        before = b""
        if dice.random() < 0.1:
            payload = dice.choice((b"", _CANARY, dice.randbytes(dice.randrange(125))))
            before = head_of(dice.choice((PING, PONG)), len(payload)) + payload
        opcode = BINARY if dice.random() < 0.02 else TEXT
        if dice.random() < 0.1:
            at = dice.randrange(len(data) + 1)
            first, rest = data[:at], data[at:]
            return head_of(opcode, len(first), fin=False) + first + before + head_of(CONTINUATION, len(rest)) + rest
        return before + head_of(opcode, len(data)) + data

    def farewell(self) -> bytes:
        """How the connection ends: with a close frame of some kind, or with what is no frame at all."""
        dice = self.dice
        payload = struct.pack("!H", dice.randrange(65536)) + dice.choice((b"", _CANARY, dice.randbytes(9)))
        close = head_of(CLOSE, len(payload)) + payload
        return dice.choice((close, close, head_of(CLOSE, 0), b"\xff" * 20, head_of(TEXT, 1 << 40), dice.randbytes(64)))


def _peak_mb() -> float:
    """The most memory that this program ever held; getrusage would count that of the process it was forked from."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    kilobytes = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * 1024 / 1e6


class Fuzz:
    """The figures of a run. `faults` are crashes, whoever noticed them."""

    def __init__(self) -> None:
        self.messages = self.others = self.connections = self.findings = 0
        self.rules: Counter[str] = Counter()
        self.faults: list[str] = []
        self.longest_s = 0.0

    async def meet(self, server: _Server, url: str) -> None:
        """One connection: a question, and all that the server makes of it."""
        target = Target(name="here", url=url, prompts=_PROMPTS, budgets=_BUDGETS)
        recorder = Recorder("fuzz", None, PROFILE, _BUDGETS, bytes)
        session = Session("Ada", Persona(name="Ada"), target, profile=PROFILE, recorder=recorder)
        # CPU time, with that of the server: how long it takes by the clock depends on what else runs.
        began = time.process_time()
        try:
            await session.connect(Token("Ada", "none"), None)
            await session.ask("What is 17*23?", Expect(prompt="What is 17*23?", tools=1, contains=(("391",),)))
            if not await session.wait_closed(LONGEST_S):
                self.faults.append(f"connection {self.connections} hangs")
        except NotConnected:
            pass
        await session.close()
        recorder.finish()
        self._judge_together(server.said)
        if self.connections % 4 == 0:
            self._judge_again(recorder)
        self.longest_s = max(self.longest_s, time.process_time() - began)
        if recorder.fault is not None:
            self.faults.append(repr(recorder.fault))
        self.connections += 1
        self.messages += sum(isinstance(entry.record, Received) for entry in recorder.entries)
        self.others += sum(isinstance(entry.record, Other) for entry in recorder.entries)
        self.findings += len(recorder.findings)
        self.rules.update({finding.rule for finding in recorder.findings})

    def _judge_again(self, recorder: Recorder) -> None:
        """The evidence, written and read, has to give the same findings; and the table of it is made."""
        records = [entry.record for entry in recorder.entries]
        written = [encode_header(Header("fuzz", recorder.checker.epoch_s)), *map(encode_record, records)]
        header, read = read_trace(written)
        again, meter = TraceChecker(PROFILE, _BUDGETS, header.epoch_s), Meter("ping")
        for record in read:
            meter.take(record, again.feed(record), header.epoch_s)
        again.finish()
        meter.end_of_trace()
        if len(again.findings) != len(recorder.findings) or meter.observed().messages == 0:
            self.faults.append(f"{len(recorder.findings)} findings live, {len(again.findings)} in the replay")
        if not as_table([(entry.record, entry.reading) for entry in recorder.entries]).replace("\n", "").isprintable():
            self.faults.append("a table holds what cannot be printed")

    def _judge_together(self, frames: list[bytes]) -> None:
        checker = ConnectionChecker(PROFILE, _BUDGETS, IdRegistry(), "Ada", "c1", epoch_s=0.0, found=lambda _: None)
        for at in range(0, len(frames), 7):
            read = frames[at : at + 7]
            checker.received_together(b"".join(read), read, 1.0, at + 1)
        checker.finish(len(frames))


def main(frames: int, number: int) -> bool:
    """Prints the figures; whether nothing was harmed."""
    server, fuzz, began = _Server(), Fuzz(), time.monotonic()
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _, context: fuzz.faults.append(str(context.get("exception") or context)))

    @seed(number)
    @settings(
        max_examples=frames // _FRAMES_EACH * 4,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(values=st.lists(_VALUES, min_size=6, max_size=12), start=st.integers(0, 2**32))
    def connection(values: list[Any], start: int) -> None:
        if fuzz.messages >= frames or time.monotonic() - began > MOST_S:
            raise _Enough
        server.values, server.dice = values, random.Random(start)
        try:
            loop.run_until_complete(asyncio.wait_for(fuzz.meet(server, hostile.url), 4 * LONGEST_S))
        except Exception as error:  # noqa: BLE001 -- this is what is looked for
            fuzz.faults.append(repr(error))

    with HostileServer(server.door, does.health()) as hostile, contextlib.suppress(_Enough):
        connection()
    loop.close()
    peak_mb = _peak_mb()
    print(
        f"{fuzz.messages} hostile messages, {fuzz.others} other frames, {fuzz.connections} connections, seed {number}"
    )
    print(
        f"in {time.monotonic() - began:.1f} s, the longest connection {fuzz.longest_s:.2f} CPU-s (bar: {LONGEST_S:g})"
    )
    print(f"peak memory {peak_mb:.0f} MB, with the server and Hypothesis (the bar is {BAR_MB:g} MB)")
    print(f"{fuzz.findings} findings of {len(fuzz.rules)} rules: {', '.join(sorted(fuzz.rules))}")
    print(f"{len(fuzz.faults)} crashes or hangs")
    for fault in fuzz.faults[:9]:
        print(f"  {fault[:300]}")
    return not fuzz.faults and fuzz.messages >= frames and peak_mb < BAR_MB and fuzz.longest_s <= LONGEST_S


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    sys.exit(0 if main(*(arguments + [100_000, 1][len(arguments) :])) else 1)
