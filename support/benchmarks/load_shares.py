"""What the isolation search, the leak search, the cutter and the instruments cost of the time of a checked event.

    python -m support.benchmarks.load_shares [ROUNDS]

The whole is a load of 50 users in closed loop on the fast server. The parts are timed alone, on answers like the fast
server's in one socket read each, by CPU time; figures are medians of the rounds, microseconds of an event.
"""

import statistics
import struct
import sys
import time
from collections.abc import Callable

from greenlight_gate.load.latency_counter import LatencyCounter
from greenlight_gate.rules.engine import canary_search, forbidden_text
from greenlight_gate.transport.frames import cut

from support.benchmarks.decode_and_rules import Answer, answers
from support.benchmarks.fast import PEERS, loaded, pin, serving, target_file

USERS, SECONDS = 50, 3.0
_MOST = 1 << 20


def isolation_search(work: list[Answer]) -> None:
    """The filter for canaries, once for each socket read."""
    for answer in work:
        canary_search.suspicious(answer.read)


def leak_search(work: list[Answer]) -> None:
    """The filter for debris, secrets and stack traces."""
    for answer in work:
        forbidden_text.suspicious(answer.read)


def instruments(work: list[Answer]) -> None:
    """The tallies of a run: the age of each event, first sign of life, whole answer, longest silence."""
    ages, run = LatencyCounter(), LatencyCounter()
    for answer in work:
        ages.record_ages(answer.at, [answer.at - 0.0004] * len(answer.frames))
        for seconds in (0.004, 0.005, 0.003):
            run.record(seconds)


def cutter(work: list[Answer]) -> None:
    """Finding the frames in a socket read, and joining their payloads for the searches."""
    for answer in work:
        read = b"".join(struct.pack("!BBH", 0x81, 126, len(frame)) + frame for frame in answer.frames)
        frames: list[bytes] = []
        cut(read, 0, _MOST, frames)
        b"".join(frames)


def building(work: list[Answer]) -> None:
    """What `cutter` has to do before it can begin, which is not part of its time."""
    for answer in work:
        b"".join(struct.pack("!BBH", 0x81, 126, len(frame)) + frame for frame in answer.frames)


def _us(part: Callable[[list[Answer]], None], work: list[Answer], events: int) -> float:
    began = time.process_time()
    part(work)
    return (time.process_time() - began) / events * 1e6


def main(rounds: int) -> None:
    """Prints the table."""
    pin(0, 1)
    work = answers()
    events = sum(len(answer.frames) for answer in work)
    parts = (isolation_search, leak_search, instruments, cutter, building)
    us: dict[str, list[float]] = {part.__name__: [] for part in parts}
    whole = []
    with serving(PEERS / "fast_server.py", "3", core=0) as port:
        for _ in range(rounds):
            summary = loaded(str(target_file(port)), USERS, duration_s=SECONDS)
            whole.append(summary.cpu_seconds / summary.events * 1e6)
            for part in parts:
                us[part.__name__].append(_us(part, work, events))
    total = statistics.median(whole)
    found = {name: statistics.median(times) for name, times in us.items()}
    found["cutter"] -= found.pop("building")
    print(f"{rounds} rounds, {USERS} users: {total:.2f} us of CPU for a checked event, of which")
    for name, each in found.items():
        print(f"  {name.replace('_', ' '):<18}{each:6.2f} us  {each / total:6.1%}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
