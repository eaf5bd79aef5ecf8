"""Loads of the evidence, as part of the course of the session: the same that a live monitor was told."""

from collections.abc import Mapping, Sequence

from support.course.counted import Counted
from support.course.course import Course
from support.criteria import Loaded
from support.histogram import Histogram, Summary


def gather(course: Course, loads: Sequence[Loaded], names: Mapping[str, str]) -> None:
    """Takes what loads had counted into the course. `names` are those of scenarios, by their keys."""
    for load in loads:
        summary = load.summary
        counted = Counted(
            course, f"{names.get(load.scenario, load.scenario)}: {load.label}",
            convicting={offence.finding.rule for offence in summary.convicting()}, is_timed=not summary.saturated,
            offences=[offence.finding for offence in summary.offences],
        )  # fmt: skip
        for counts in summary.course:
            counted.take(counts)


def latency_under_load(loads: Sequence[Loaded]) -> Summary | None:
    """How late events came in all loads that can say so: since the backend's stamp, or else since the question."""
    timed = [load.summary.latency for load in loads if not load.summary.saturated]
    for kind in ("delivery", "acknowledgement"):
        whole = Histogram()
        for known in timed:
            if kind in known:
                whole.merge(Histogram.decode(known[kind]))
        if whole.samples:
            return whole.summary()
    return None
