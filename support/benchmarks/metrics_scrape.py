"""What a scrape of 10,000 series costs.

    python -m support.benchmarks.metrics_scrape [SERIES]

A quarter of the series are counters, the rest buckets of histograms, with two labels besides those that all have. A
scrape collects them all and writes their text; between scrapes every series changes. For comparison: the same series as
metrics of prometheus-client, written by its `generate_latest`. Both alternate in one process; wall time, medians of 15.
Then a scrape over HTTP on loopback. The bar is 20 ms.
"""

import gc
import json
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable

from greenlight_gate.monitor.metric_families import SECONDS, Counters, Histograms, text_of
from greenlight_gate.monitor.metrics_server import Address, serving
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

BAR_MS = 20.0
TIMES = 15
_OF_A_HISTOGRAM = len(SECONDS) + 3


class Ours:
    """The series as Greenlight keeps them."""

    def __init__(self, counters: int, histograms: int) -> None:
        self.registry = CollectorRegistry()
        self.counts = Counters("bench_total", "Counts.", (("environment", "staging"),), ("rule", "outcome"))
        self.times = Histograms("bench_seconds", "Times.", (("environment", "staging"),), ("rule", "outcome"))
        self.sizes = counters, histograms
        self.registry.register(self.counts)
        self.registry.register(self.times)

    def change(self, by: float) -> None:
        """Every series changes."""
        counters, histograms = self.sizes
        for number in range(counters):
            self.counts.add(f"RULE-{number}", "one", by=by)
        for number in range(histograms):
            self.times.observe(0.0001 * by, f"RULE-{number}", "one")

    def scrape(self) -> bytes:
        """The text."""
        return text_of(self.registry)


class Library:
    """The same as metrics of the library."""

    def __init__(self, counters: int, histograms: int) -> None:
        self.registry = CollectorRegistry()
        names = ["environment", "rule", "outcome"]
        self.counts = Counter("bench", "Counts.", names, registry=self.registry)
        self.times = Histogram("bench_seconds", "Times.", names, registry=self.registry, buckets=SECONDS)
        self.sizes = counters, histograms

    def change(self, by: float) -> None:
        """Every series changes."""
        counters, histograms = self.sizes
        for number in range(counters):
            self.counts.labels("staging", f"RULE-{number}", "one").inc(by)
        for number in range(histograms):
            self.times.labels("staging", f"RULE-{number}", "one").observe(0.0001 * by)

    def scrape(self) -> bytes:
        """The text."""
        return generate_latest(self.registry)


def _ms(work: Callable[[], bytes]) -> float:
    gc.collect()
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def measure(series: int) -> dict[str, float]:
    """The medians in milliseconds."""
    sizes = series // 4, -(-(series * 3 // 4) // _OF_A_HISTOGRAM)
    ours, library = Ours(*sizes), Library(*sizes)
    took: dict[str, list[float]] = {"ours_ms": [], "library_ms": [], "http_ms": []}
    with serving(ours.registry, Address("127.0.0.1", 0)) as address:

        def over_http() -> bytes:
            with urllib.request.urlopen(f"http://{address}/metrics") as answer:
                body: bytes = answer.read()
            return body

        for number in range(1, TIMES + 1):
            ours.change(number)
            library.change(number)
            took["ours_ms"].append(_ms(ours.scrape))
            took["library_ms"].append(_ms(library.scrape))
            ours.change(number)
            took["http_ms"].append(_ms(over_http))
    lines = [line for line in ours.scrape().splitlines() if not line.startswith(b"#")]
    figures = {name: round(statistics.median(each), 2) for name, each in took.items()}
    return {"series": len(lines), **figures, "ratio": round(figures["library_ms"] / figures["ours_ms"], 2)}


def main(arguments: list[str]) -> int:
    """Prints the figures as JSON; 1 if a scrape takes longer than the bar."""
    figures = measure(int(arguments[0]) if arguments else 10_000)
    print(json.dumps({**figures, "bar_ms": BAR_MS}))
    return int(figures["http_ms"] > BAR_MS)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
