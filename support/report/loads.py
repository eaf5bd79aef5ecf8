"""Loads of the evidence, as part of the course of the session: the same that a live monitor was told."""

from collections.abc import Mapping, Sequence

from support.course.counted import Counted
from support.course.course import Course
from support.criteria import Loaded


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
