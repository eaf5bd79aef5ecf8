"""What is shown and kept of latencies."""

import msgspec


class Summary(msgspec.Struct, frozen=True):
    """What is always shown of a latency: milliseconds, and from how many samples."""

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
