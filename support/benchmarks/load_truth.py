"""Whether the reported latencies are true: against servers whose delay is known, and one that freezes.

    python -m support.benchmarks.load_truth [SECONDS]

Ten people in closed loop with 50 ms to think, against delays of 0, 5, 50 and 200 ms: p50 within 1 ms and p99 within 3
ms of the delay, while the generator is not saturated. Then an open load on a server that stands still for 200 ms of
each second: the corrected p99 is at least 150 ms.
"""

import sys

from support.benchmarks.fast import PEERS, loaded, serving, target_file
from support.summary import figures

DELAYS_MS = (0, 5, 50, 200)
FROZEN_MS = 200
_SERVER = PEERS / "delayed_server.py"


def delays(seconds: float) -> bool:
    """Prints what was reported of each delay."""
    met = True
    print("delay      p50      p99   (ms, reported)")
    for delay_ms in DELAYS_MS:
        with serving(_SERVER, str(delay_ms), core=0) as port:
            summary = loaded(str(target_file(port)), 10, duration_s=seconds, think_s=0.05)
        assert not summary.counts, summary.counts
        found = figures(summary.raw)
        assert found is not None
        true = abs(found.p50_ms - delay_ms) <= 1.0 and abs(found.p99_ms - delay_ms) <= 3.0
        met = met and (true or bool(summary.saturated))
        note = f"saturated: {summary.saturated}" if summary.saturated else ("true" if true else "NOT TRUE")
        print(f"{delay_ms:5d} {found.p50_ms:8.2f} {found.p99_ms:8.2f}   {note}, of {found.samples}")
    return met


def frozen(seconds: float) -> bool:
    """Prints raw and corrected latency of an open load on a server that freezes."""
    with serving(_SERVER, "0", str(FROZEN_MS), core=0) as port:
        summary = loaded(str(target_file(port)), 5, duration_s=seconds, arrival="open", rate=200)
    raw, corrected = figures(summary.raw), figures(summary.corrected)
    assert raw is not None
    assert corrected is not None
    print(f"frozen for {FROZEN_MS} ms of each second, open load of 200 questions/s, 5 people:")
    for name, found in (("raw", raw), ("corrected", corrected)):
        print(f"  {name:<10} p50 {found.p50_ms:7.2f}  p95 {found.p95_ms:7.2f}  p99 {found.p99_ms:7.2f} ms")
    return corrected.p99_ms >= 150.0


if __name__ == "__main__":
    chosen = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    results = [delays(chosen), frozen(chosen)]
    sys.exit(0 if all(results) else 1)
