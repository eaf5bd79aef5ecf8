"""Whether the reported latencies are true: against servers whose delay is known, and one that freezes.

    python -m support.benchmarks.load_truth [SECONDS]

Ten users in closed loop with 50 ms to think, against delays of 0, 5, 50 and 200 ms. The server keeps what each delay
really was, which on a busy machine is more than it was told: p50 within 1 ms and p99 within 3 ms of that, while the
generator is not saturated. The server looks at its clock all the time and has core 0, the generator has core 1: on the
same core one would wait for the other's slice of 3 ms. Then an open load on a server that stands still for 200 ms of
each second: the corrected p99 is at least 150 ms.
"""

import sys
import tempfile
from pathlib import Path

from greenlight_gate.measure.load_result import figures

from support.benchmarks.fast import PEERS, loaded, pin, serving, target_file

DELAYS_MS = (0, 5, 50, 200)
FROZEN_MS = 200
_SERVER = PEERS / "delayed_server.py"


def _really(file: Path) -> tuple[float, float]:
    """p50 and p99 of what the server did, in milliseconds."""
    ms = sorted(float(line) for line in file.read_text(encoding="ascii").splitlines())
    return ms[len(ms) // 2], ms[min(int(len(ms) * 0.99), len(ms) - 1)]


def delays(seconds: float) -> bool:
    """Prints what was reported of each delay, beside what it was."""
    met = True
    print("told  p50: really reported  p99: really reported   (ms)")
    for delay_ms in DELAYS_MS:
        file = Path(tempfile.mkdtemp()) / "really"
        with serving(_SERVER, str(delay_ms), "0", str(file), core=0) as port:
            summary = loaded(str(target_file(port)), 10, duration_s=seconds, think_s=0.05)
        assert not summary.counts, summary.counts
        found, (p50_ms, p99_ms) = figures(summary.raw), _really(file)
        assert found is not None
        true = abs(found.p50_ms - p50_ms) <= 1.0 and abs(found.p99_ms - p99_ms) <= 3.0
        met = met and (true or bool(summary.saturated))
        note = f"saturated: {summary.saturated}" if summary.saturated else ("true" if true else "NOT TRUE")
        row = f"{delay_ms:4d} {p50_ms:12.2f} {found.p50_ms:8.2f} {p99_ms:12.2f} {found.p99_ms:8.2f}"
        print(f"{row}   {note}, of {found.samples}")
    return met


def frozen(seconds: float) -> bool:
    """Prints raw and corrected latency of an open load on a server that freezes."""
    file = Path(tempfile.mkdtemp()) / "really"
    with serving(_SERVER, "0", str(FROZEN_MS), str(file), core=0) as port:
        summary = loaded(str(target_file(port)), 5, duration_s=seconds, arrival="open", rate=200)
    raw, corrected = figures(summary.raw), figures(summary.corrected)
    assert raw is not None
    assert corrected is not None
    print(f"frozen for {FROZEN_MS} ms of each second, open load of 200 questions/s, 5 users:")
    for name, found in (("raw", raw), ("corrected", corrected)):
        print(f"  {name:<10} p50 {found.p50_ms:7.2f}  p95 {found.p95_ms:7.2f}  p99 {found.p99_ms:7.2f} ms")
    return corrected.p99_ms >= 150.0


if __name__ == "__main__":
    pin(0, 1)
    chosen = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    results = [delays(chosen), frozen(chosen)]
    sys.exit(0 if all(results) else 1)
