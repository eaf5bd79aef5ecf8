"""What a session is held to, and the two comparisons with it: whether it is too slow, and how much arrived."""

from typing import Annotated, NamedTuple, Protocol

from msgspec import Meta, Struct

Milliseconds = Annotated[float, Meta(gt=0, le=600_000)]

# Percent of the expected events and connections under load.
LEAST_SUCCESS = 99.0


class Thresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[thresholds]: what the verdict compares with. Milliseconds, percent and megabytes (10^6 bytes).

    `failed_runs_percent`: of the requests of a load, those that no completed answer ended.

    Read once from the target file, and carried whole: through the evidence to the verdict.
    """

    latency_ms_avg: Milliseconds = 100.0
    latency_ms_p95: Milliseconds | None = None
    latency_ms_p99: Milliseconds | None = None
    success_percent: Annotated[float, Meta(gt=0, le=100)] = 95.0
    memory_mb_growth: Annotated[float, Meta(gt=0, le=1_000_000)] = 500.0
    failed_runs_percent: Annotated[float, Meta(ge=0, lt=100)] | None = None

    @property
    def latency_allowed(self) -> str:
        """The thresholds of latency in words."""
        parts = [f"<= {self.latency_ms_avg:g} ms"]
        parts += [f"p95 <= {self.latency_ms_p95:g} ms"] if self.latency_ms_p95 is not None else []
        parts += [f"p99 <= {self.latency_ms_p99:g} ms"] if self.latency_ms_p99 is not None else []
        return ", ".join(parts)


def too_slow(
    thresholds: Thresholds, avg_ms: float, p95_ms: float | None = None, p99_ms: float | None = None
) -> tuple[str, ...]:
    """In what a latency is above its thresholds, each in words; () where it is above none of them.

    None: not measured. What has no threshold is not compared.
    """
    compared = (
        ("on average", avg_ms, thresholds.latency_ms_avg),
        ("at p95", p95_ms, thresholds.latency_ms_p95),
        ("at p99", p99_ms, thresholds.latency_ms_p99),
    )
    return tuple(
        f"{ms:.1f} ms {what}, {most:g} ms are allowed"
        for what, ms, most in compared
        if ms is not None and most is not None and ms > most
    )


class ExpectedCounts(Protocol):
    """Counts of what was expected and of what arrived: of traces, or of a load."""

    @property
    def expected_events(self) -> int:
        """Events that the requests asked for."""

    @property
    def arrived_events(self) -> int:
        """Those of them that came."""

    @property
    def connections_tried(self) -> int:
        """Connections that should have come about."""

    @property
    def connections_made(self) -> int:
        """Those of them that did."""


class Success(NamedTuple):
    """A share in percent, and of how many events and connections."""

    percent: float
    of: int


def success(*counted: ExpectedCounts) -> Success | None:
    """How much of all that was expected arrived, events and connections alike; None where nothing was expected."""
    of = sum(each.expected_events + each.connections_tried for each in counted)
    if not of:
        return None
    came = sum(each.arrived_events + each.connections_made for each in counted)
    return Success(100.0 * came / of, of)
