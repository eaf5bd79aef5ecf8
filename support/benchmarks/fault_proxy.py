"""What the fault proxy adds to the way of an event, and how many events it carries through on one core.

    python -m support.benchmarks.fault_proxy [PAIRS]

Three processes on one machine: a server, the proxy with all of its faults known and off, and this one. An event is a
WebSocket frame of 400 bytes, sent by a call of its own. Latency: one event there and back, alternately straight and
through the proxy, half of the difference of the medians counted as one way. Throughput: events by the second of the
proxy's CPU time, which is what it carries with a core of its own: one by one as in the round trips, where none shares
a read with another, and in a flood. The gate is measured as well, open: it has to find the border of every frame. The
bars are 0.2 ms at p50 and 40,000 events a second, one by one.
"""

import asyncio
import contextlib
import multiprocessing
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import psutil
import uvloop
from greenlight_gate.faults.bandwidth import Bandwidth
from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.gate import Gate
from greenlight_gate.faults.half_open import HalfOpen
from greenlight_gate.faults.latency import Latency
from greenlight_gate.faults.proxy import FaultProxy
from greenlight_gate.faults.slices import Slices
from greenlight_gate.faults.stall import Stall

BAR_MS = 0.2
BAR_EVENTS_PER_S = 40_000
LEAST_PAIRS = 5
_EVENT = b"\x81\x7e" + (396).to_bytes(2) + b"x" * 396
_HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
_ROUND_TRIPS = 5_000
_FLOOD = 300_000


def serve(ready: Connection) -> None:
    """Answers "echo" with each event that comes, and "flood" with many events, each sent by a call of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready.send(listener.getsockname()[1])
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(ConnectionError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                wish = _receive(connection, 5)
                connection.sendall(_HEAD)
                if wish == b"flood":
                    for _ in range(_FLOOD):
                        connection.sendall(_EVENT)
                while wish == b"echo " and (event := _receive(connection, len(_EVENT))):
                    connection.sendall(event)


def carry(ready: Connection, port: int, *, gated: bool) -> None:
    """Runs the proxy in this process."""

    async def run() -> None:
        def each() -> tuple[Fault, ...]:
            return (Gate(),) if gated else ()

        async with FaultProxy("127.0.0.1", port, each=each) as proxy:
            proxy.add(Latency(1), Bandwidth(1), Slices(), Stall(), HalfOpen())
            ready.send(proxy.port)
            await asyncio.Event().wait()

    uvloop.run(run())


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size and (chunk := connection.recv(size - len(received))):
        received += chunk
    return received


def _connect(port: int, wish: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(wish)
    assert _receive(connection, len(_HEAD)) == _HEAD
    return connection


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def round_trips(port: int, pid: int) -> tuple[float, float]:
    """The median time of an event there and back, milliseconds, and single events a second of the process's CPU."""
    took, before_s = [], _cpu_s(pid)
    with _connect(port, b"echo ") as connection:
        for _ in range(_ROUND_TRIPS):
            began = time.perf_counter()
            connection.sendall(_EVENT)
            assert _receive(connection, len(_EVENT)) == _EVENT
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e3, 2 * _ROUND_TRIPS / max(_cpu_s(pid) - before_s, 1e-9)


def flood(port: int, pid: int) -> tuple[float, float]:
    """Events a second of wall time, and of the CPU time of the process."""
    before_s, began = _cpu_s(pid), time.perf_counter()
    left = _FLOOD * len(_EVENT)
    with _connect(port, b"flood") as connection:
        while left and (chunk := connection.recv(1 << 20)):
            left -= len(chunk)
    assert not left
    wall_s = time.perf_counter() - began
    return _FLOOD / wall_s, _FLOOD / max(_cpu_s(pid) - before_s, 1e-9)


@contextlib.contextmanager
def running(work: object, *arguments: object, **options: object) -> Iterator[tuple[int, int]]:
    """A process that says at which port it listens: (port, process id). It ends with the block."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=work,  # type: ignore[arg-type]
        args=(theirs, *arguments), kwargs=options, daemon=True,
    )  # fmt: skip
    process.start()
    assert process.pid is not None
    try:
        yield ours.recv(), process.pid
    finally:
        process.kill()
        process.join()


def main(pairs: int) -> tuple[float, float]:
    """Prints the figures; returns what is added at p50 (ms, one way) and the events a second of CPU."""
    pairs = max(pairs, LEAST_PAIRS)
    with (
        running(serve) as (straight, server),
        running(carry, straight, gated=False) as (through, proxy),
        running(carry, straight, gated=True) as (gated, gate),
    ):
        rounds = [
            (round_trips(straight, server), round_trips(through, proxy), round_trips(gated, gate)) for _ in range(pairs)
        ]
        direct = [flood(straight, server)[0] for _ in range(pairs)]
        wall, cpu = zip(*(flood(through, proxy) for _ in range(pairs)), strict=True)
        _, gate_cpu = zip(*(flood(gated, gate) for _ in range(pairs)), strict=True)
    near = statistics.median(one[0] for one, _, _ in rounds)
    ms = statistics.median((by[0] - one[0]) / 2 for one, by, _ in rounds)
    gated_ms = statistics.median((by[0] - one[0]) / 2 for one, _, by in rounds)
    per_s = statistics.median(by[1] for _, by, _ in rounds)
    print(f"{pairs} pairs, events of {len(_EVENT)} bytes (medians)")
    print(f"there and back, straight        {near:9.3f} ms")
    print(f"added at p50, one way           {ms:9.3f} ms        (the bar is {BAR_MS})")
    print(f"the same with an open gate      {gated_ms:9.3f} ms")
    print(f"one by one, of the proxy's CPU  {per_s:9,.0f} events/s  (the bar is {BAR_EVENTS_PER_S:,})")
    print(f"the same with an open gate      {statistics.median(by[1] for _, _, by in rounds):9,.0f} events/s")
    print(f"in a flood, of its CPU          {statistics.median(cpu):9,.0f} events/s")
    print(f"the same with an open gate      {statistics.median(gate_cpu):9,.0f} events/s")
    print(f"in a flood, by the clock        {statistics.median(wall):9,.0f} events/s")
    print(f"the same, straight              {statistics.median(direct):9,.0f} events/s")
    return ms, per_s


if __name__ == "__main__":
    added_ms, events_per_s = main(int(sys.argv[1]) if len(sys.argv) > 1 else LEAST_PAIRS)
    sys.exit(0 if added_ms <= BAR_MS and events_per_s >= BAR_EVENTS_PER_S else 1)
