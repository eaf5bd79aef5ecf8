"""Metric families for a registry of prometheus-client, and their text, fast enough for 10,000 series a scrape.

The library's own metrics build the labels of each sample anew for each scrape, and its text escapes them anew: 60 ms
for 10,000 series. Here labels are built and escaped once, when a series is made.
"""
# mypy: allow-untyped-calls
# prometheus-client does not type all of its functions.

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""The upper bounds of the buckets of a latency, in seconds; the last bucket has none."""


class SeriesLabels(dict[str, str]):
    """The labels of one series, never changed, with their `text` as the exposition format has it."""

    def __init__(self, labels: Iterable[tuple[str, str]]) -> None:
        super().__init__(labels)
        inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(self.items()))
        self.text = f"{{{inner}}}" if inner else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class _Value:
    """One number of a series, and the sample that was made of it, as long as it is the same."""

    __slots__ = ("_sample", "labels", "name", "value")

    def __init__(self, name: str, labels: SeriesLabels) -> None:
        self.name, self.labels, self.value = name, labels, 0.0
        self._sample: Sample | None = None

    @property
    def sample(self) -> Sample:
        sample = self._sample
        if sample is None or sample.value != self.value:
            sample = self._sample = Sample(self.name, self.labels, self.value)
        return sample


class MetricFamily:
    """The series of one metric: a collector for a registry. Any thread may change and collect it.

    `kind`: counter, gauge or histogram. `common` are labels that all series have; `names` those that differ.
    """

    def __init__(
        self, name: str, help_: str, kind: str, common: Sequence[tuple[str, str]], names: Sequence[str] = ()
    ) -> None:  # fmt: skip
        self.name, self.help, self.kind = name, help_, kind
        self.names = tuple(names)
        self._common = tuple(common)
        self._lock = threading.Lock()
        self._series: dict[tuple[str, ...], list[_Value]] = {}

    def describe(self) -> list[Metric]:
        """The metric without its series, as a registry asks for it."""
        return [Metric(self.name, self.help, self.kind)]

    def collect(self) -> Iterator[Metric]:
        """The metric with all its samples now."""
        metric = Metric(self.name, self.help, self.kind)
        with self._lock:
            metric.samples = [each.sample for values in self._series.values() for each in values]
        yield metric

    def _labels(self, values: tuple[str, ...], *more: tuple[str, str]) -> SeriesLabels:
        return SeriesLabels((*self._common, *zip(self.names, values, strict=True), *more))


class Counters(MetricFamily):
    """A counter; its name ends with _total."""

    def __init__(self, name: str, help_: str, common: Sequence[tuple[str, str]], names: Sequence[str] = ()) -> None:
        super().__init__(name.removesuffix("_total"), help_, "counter", common, names)

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Counts; by 0 the series is there from the beginning."""
        with self._lock:
            known = self._series.get(labels)
            if known is None:
                known = self._series[labels] = [_Value(f"{self.name}_total", self._labels(labels))]
            known[0].value += by


class Gauges(MetricFamily):
    """A number that goes up and down."""

    def __init__(self, name: str, help_: str, common: Sequence[tuple[str, str]], names: Sequence[str] = ()) -> None:
        super().__init__(name, help_, "gauge", common, names)

    def set(self, *labels: str, to: float) -> None:
        """The value now."""
        with self._lock:
            known = self._series.get(labels)
            if known is None:
                known = self._series[labels] = [_Value(self.name, self._labels(labels))]
            known[0].value = float(to)


class Histograms(MetricFamily):
    """A histogram of seconds with the buckets `SECONDS`; its name ends with _seconds."""

    def __init__(self, name: str, help_: str, common: Sequence[tuple[str, str]], names: Sequence[str] = ()) -> None:
        super().__init__(name, help_, "histogram", common, names)

    def observe(self, seconds: float, *labels: str) -> None:
        """Adds one sample."""
        self.merge(((seconds, 1),), seconds, *labels)

    def merge(self, samples: Iterable[tuple[float, int]], sum_s: float, *labels: str) -> None:
        """Adds samples as (seconds, how many), and their exact sum. None of them makes the series, as 0."""
        with self._lock:
            values = self._series.get(labels)
            if values is None:
                values = self._series[labels] = self._made(labels)
            *buckets, count, total = values
            for seconds, times in samples:
                for bucket in buckets[bisect_left(SECONDS, seconds) :]:
                    bucket.value += times
                count.value += times
            total.value += sum_s

    def _made(self, labels: tuple[str, ...]) -> list[_Value]:
        bounds = (*map(_number, SECONDS), "+Inf")
        buckets = [_Value(f"{self.name}_bucket", self._labels(labels, ("le", bound))) for bound in bounds]
        plain = self._labels(labels)
        return [*buckets, _Value(f"{self.name}_count", plain), _Value(f"{self.name}_sum", plain)]


def text_of(registry: CollectorRegistry) -> bytes:
    """All metrics of a registry in the text format 0.0.4 of Prometheus, as `generate_latest` writes it."""
    lines: list[str] = []
    for metric in registry.collect():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        lines.append(f"# HELP {name} {metric.documentation}\n# TYPE {name} {metric.type}\n")
        lines += [f"{sample.name}{_text(sample.labels)} {_number(sample.value)}\n" for sample in metric.samples]
    return "".join(lines).encode()


def _text(labels: dict[str, Any]) -> str:
    return labels.text if isinstance(labels, SeriesLabels) else SeriesLabels(labels.items()).text


def _number(value: float) -> str:
    return f"{value:.1f}" if value.is_integer() and abs(value) < 1e6 else str(floatToGoString(value))
