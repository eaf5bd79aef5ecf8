"""`greenlight verdict` on a session of a million events: how long, and in how much memory.

    python -m support.benchmarks.judge_again [EVENTS]
    python -m support.benchmarks.judge_again --ten-million [EVENTS]

Writes one trace of EVENTS (default 1,000,000) and one of a tenth, 50 users asking in turn, and judges each in a
process of its own on one core. Prints CPU seconds and peak memory of the judging and of the pictures, the exponent of
both (0: flat, 1: in proportion), and what json.loads alone takes for the lines. The bar is 10 s for a million.

With --ten-million only the judging of one trace of EVENTS (default 10,000,000, which take 6 GB of the temporary folder)
is measured. The bar is 150 MB.
"""

import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from greenlight_gate.trace import AnyRecord, Closed, Header, Opened, Received, Sent, encode_header, encode_record

from support.tests.evidence.folders import ENDED, FINISHED, KEY, MEASURED, SELECTED, SESSION, sealed, write_ledger
from support.tests.rules.talk import EPOCH_S, TOOL_QUESTION, iso

if TYPE_CHECKING:
    from greenlight_gate.evidence.judge import Judgement

_USERS = 50
_STEP_S = 0.0005
_PAYLOADS = {
    "agent_started": {"message": "on it"},
    "agent_thinking": {"reasoning": "let me see", "step_number": 1},
    "tool_executing": {"tool_name": "weather", "tool_call_id": "k1", "parameters": {"city": "Oslo"}},
    "tool_completed": {
        "tool_name": "weather", "tool_call_id": "k1", "status": "ok", "result": "rain", "execution_time_ms": 3
    },
    "agent_completed": {"result": "There is rain in Oslo.", "execution_time_ms": 12},
}  # fmt: skip


def _begin(folder: Path) -> Path:
    """All of a session but its trace, and where that belongs."""
    evidence = folder / "evidence"
    (evidence / "traces").mkdir(parents=True)
    (evidence / "session.json").write_text(json.dumps(SESSION))
    (evidence / "measurements.json").write_text(json.dumps(MEASURED))
    write_ledger(folder, SELECTED, FINISHED, ENDED)
    return evidence / "traces/1.jsonl"


def _write(trace: Path, events: int) -> None:
    with trace.open("wb") as file:
        file.writelines(_lines(events))


def _lines(events: int) -> Iterator[bytes]:
    n, seqs = 0, [0] * _USERS

    def line(kind: type[AnyRecord], number: int, **values: object) -> bytes:
        nonlocal n
        n += 1
        record = kind(n=n, at=round(n * _STEP_S, 6), connection=f"c{number}", **values)  # type: ignore[arg-type]
        return encode_record(record)

    yield encode_header(Header(KEY, EPOCH_S))
    for user in range(_USERS):
        yield line(Opened, user, user=f"P{user}", user_id=f"u{user}")
        yield line(Received, user, text=json.dumps({"type": "connection_established", "user_id": f"u{user}"}))
    for question in range(events // len(_PAYLOADS)):
        user = question % _USERS
        yield line(Sent, user, what="start", text="{}", request=f"{question:032x}", expect=TOOL_QUESTION)
        for kind, payload in _PAYLOADS.items():
            seqs[user] += 1
            body = {
                "type": kind, "request_id": f"{question:032x}", "run_id": f"run-{question:032x}",
                "thread_id": f"thread-{user:032x}", "user_id": f"u{user}", "agent_name": "assistant",
                "seq": seqs[user], "event_id": f"event-{n:032x}", "timestamp": iso(n * _STEP_S - 0.004),
                "payload": payload,
            }  # fmt: skip
            yield line(Received, user, text=json.dumps(body))
    for user in range(_USERS):
        yield line(Closed, user, by="client", code=1000)


def _measure(folder: Path, *, draw: bool) -> None:
    """Runs in a process of its own: one line of JSON with seconds and MB."""
    from greenlight_gate.evidence.judge import judge  # noqa: PLC0415 -- the parent shall not have it in its memory

    began = time.process_time()
    judgement = judge(folder)
    judged = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if judgement.decision.verdict != "APPROVED":
        raise SystemExit(judgement.decision.reason)
    figures = {"events": judgement.observed.events, "judge": judged - began, "mb": peak}
    print(json.dumps(figures | (_drawn(judgement, folder) if draw else {})))


def _drawn(judgement: "Judgement", folder: Path) -> dict[str, float]:
    began = time.process_time()
    from greenlight_gate.report.html_page import write_page  # noqa: PLC0415 -- as above
    from greenlight_gate.report.pictures import draw_pictures  # noqa: PLC0415 -- as above

    write_page(judgement, folder, draw_pictures(judgement, folder))
    drawn = time.process_time()
    with (folder / "evidence/traces/1.jsonl").open("rb") as lines:
        for line in lines:
            json.loads(line)
    bare = time.process_time() - drawn
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"draw": drawn - began, "json": bare, "mb_drawn": whole}


def _run(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "support.benchmarks.judge_again", *arguments]
    figures: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return figures


def _ten_million(events: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _write(_begin(Path(folder)), events)
        sealed(Path(folder))
        figures = _run("--judge", folder)
    print(
        f"{figures['events']:>10,} events: judged in {figures['judge']:.1f} s CPU, {figures['mb']:.0f} MB (at most 150)"
    )


def main() -> None:
    """Measures and prints."""
    if sys.argv[1:2] in (["--measure"], ["--judge"]):
        _measure(Path(sys.argv[2]), draw=sys.argv[1] == "--measure")
        return
    if sys.argv[1:2] == ["--ten-million"]:
        _ten_million(int(sys.argv[2]) if len(sys.argv) > 2 else 10_000_000)
        return
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    found = []
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for count in (events // 10, events):
        with tempfile.TemporaryDirectory() as folder:
            _write(_begin(Path(folder)), count)
            sealed(Path(folder))
            figures = _run("--measure", folder)
        found.append(figures)
        ratio = figures["judge"] / figures["json"]
        print(
            f"{count:>10,} events: judged in {figures['judge']:6.2f} s CPU ({ratio:.1f} times json.loads of the "
            f"lines), {figures['mb']:5.0f} MB; pictures and page {figures['draw']:.2f} s, "
            f"{figures['mb_drawn']:.0f} MB"
        )
    for name, what in (("judge", "time"), ("mb", "memory")):
        print(f"exponent of {what}: {math.log10(found[1][name] / found[0][name]):.2f}")


if __name__ == "__main__":
    main()
