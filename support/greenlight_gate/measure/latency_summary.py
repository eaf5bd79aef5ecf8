"""What is shown and kept of latencies."""

import msgspec


class LatencySummary(msgspec.Struct, frozen=True):
    """The summary of a latency: milliseconds, and the number of samples."""

    samples: int
    avg_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class Encoded(msgspec.Struct, frozen=True):
    """A histogram as text, and the exact sum of its samples in microseconds."""

    hdr: str
    sum_us: float = 0.0
