"""An independent check: what the kernel's netem does to a line, measured in the same way as what our fault does.

It needs Linux, root, `ip` and `tc`, and a kernel with sch_netem; everywhere else it says that it was not run.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.tests.needs import skip_without_program

_ROOT = Path(__file__).resolve().parents[3]
_DELAY_S = 0.05
# Runs inside the namespace: the round trip through netem (there and back), and through our proxy without it.
_MEASURE = """
import asyncio, json, statistics, subprocess, sys, time
from greenlight_gate.faults.latency import Latency
from greenlight_gate.faults.proxy import FaultProxy

async def echo(reader, writer):
    while data := await reader.read(100):
        writer.write(data)
        await writer.drain()

async def round_trip(host, port):
    reader, writer = await asyncio.open_connection(host, port)
    took = []
    for _ in range(9):
        began = time.perf_counter()
        writer.write(b"x")
        await reader.readexactly(1)
        took.append(time.perf_counter() - began)
    writer.close()
    return statistics.median(took)

async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with FaultProxy("127.0.0.1", port) as proxy:
        latency = Latency(DELAY)
        proxy.add(latency)
        await latency.switch_on()
        ours = await round_trip(*proxy.address)
    subprocess.run(["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", f"{DELAY}s"], check=True)
    netem = await round_trip("127.0.0.1", port)
    lossy = ["delay", "1ms", "loss", "20%"]
    subprocess.run(["tc", "qdisc", "change", "dev", "lo", "root", "netem", *lossy], check=True)
    async with FaultProxy("127.0.0.1", port) as proxy:
        reader, writer = await asyncio.open_connection(*proxy.address)
        sent = bytes(range(250)) * 40
        writer.write(sent)
        whole = await asyncio.wait_for(reader.readexactly(len(sent)), 40) == sent
        writer.close()
    print(json.dumps({"netem": netem, "ours": ours, "whole": whole}))

asyncio.run(main())
"""


def _in_namespace(*command: str) -> "subprocess.CompletedProcess[str]":
    whole = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
    return subprocess.run(whole, capture_output=True, text=True, timeout=60, check=False, cwd=_ROOT)


def _why_not() -> str:
    missing = [tool for tool in ("unshare", "ip", "tc") if shutil.which(tool) is None]
    if missing:
        return f"{missing[0]} is not there"
    tried = _in_namespace("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")
    return "" if tried.returncode == 0 else tried.stderr.strip().splitlines()[-1]


def test_our_latency_is_what_the_kernel_calls_latency() -> None:
    reason = _why_not()
    if reason:
        skip_without_program("netem", f"the kernel's cannot be had here ({reason})")
    ran = _in_namespace(sys.executable, "-c", _MEASURE.replace("DELAY", str(_DELAY_S)))
    assert ran.returncode == 0, ran.stderr
    took = json.loads(ran.stdout)
    # There and back both delay twice.
    assert took["netem"] == pytest.approx(2 * _DELAY_S, rel=0.2)
    assert took["ours"] == pytest.approx(took["netem"], rel=0.2)
    assert took["whole"], "where packets are lost, TCP sends them again, and the proxy keeps the order"
