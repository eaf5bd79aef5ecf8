"""Stages of a load: how many users ask, or how many requests are due a second, rising and falling in straight lines."""

import math
from collections.abc import Sequence
from typing import NamedTuple


class _Stage(NamedTuple):
    begin_s: float
    seconds: float
    first: float
    last: float
    before: float

    @property
    def area(self) -> float:
        return (self.first + self.last) / 2 * self.seconds


class Stages:
    """From (seconds, level at their end) of each stage; the first one begins at level 0.

    A stage of 0 seconds is a step. Levels are users, or requests a second.
    """

    def __init__(self, stages: Sequence[tuple[float, float]]) -> None:
        self._stages: list[_Stage] = []
        begin_s = first = before = 0.0
        for seconds, last in stages:
            stage = _Stage(begin_s, seconds, first, last, before)
            self._stages.append(stage)
            begin_s, first, before = begin_s + seconds, last, before + stage.area
        self.seconds = begin_s

    def level(self, at: float) -> float:
        """The level so many seconds after the beginning; 0 after the end."""
        for stage in self._stages:
            if at < stage.begin_s + stage.seconds:
                return stage.first + (stage.last - stage.first) * (at - stage.begin_s) / stage.seconds
        return 0.0

    def moment(self, count: float) -> float | None:
        """When so many requests have been due, with the level as their rate; None if that many never are."""
        for stage in self._stages:
            left = count - stage.before
            if stage.seconds and 0 <= left < stage.area:
                slope = (stage.last - stage.first) / stage.seconds
                # Half the slope times the square of the time, plus the first rate times the time, is what is left.
                root = math.sqrt(max(stage.first**2 + 2 * slope * left, 0.0))
                return stage.begin_s + (2 * left / (stage.first + root) if left else 0.0)
        return None
