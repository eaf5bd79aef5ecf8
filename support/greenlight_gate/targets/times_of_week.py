"""Times of the week, as target files write them: "mon-fri 08:00-18:00"."""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = f"(?:{'|'.join(_DAYS)})"
_TEXT = re.compile(rf"(?:(?P<first>{_DAY})(?:-(?P<last>{_DAY}))? )?(?P<begin>[0-2]\d:[0-5]\d)-(?P<end>[0-2]\d:[0-5]\d)")
_MINUTES_OF_A_DAY = 24 * 60
EXPECTED = 'times such as "22:00-06:00" or "mon-fri 08:00-18:00" (mon tue wed thu fri sat sun)'


class TimesOfWeek(NamedTuple):
    """A span of each of these days (0 is Monday): minutes after midnight; one that ends earlier ends the next day."""

    days: frozenset[int]
    begin: int
    end: int

    @classmethod
    def parse(cls, text: str) -> "TimesOfWeek":
        """The times that a text means. Raises ValueError, without a reason."""
        found = _TEXT.fullmatch(text.strip().lower())
        begin, end = (_minutes(found[name]) for name in ("begin", "end")) if found is not None else (0, 0)
        if found is None or begin == end or begin >= _MINUTES_OF_A_DAY or end > _MINUTES_OF_A_DAY:
            raise ValueError
        if found["first"] is None:
            return cls(frozenset(range(7)), begin, end)
        first = _DAYS.index(found["first"])
        last = _DAYS.index(found["last"] or found["first"])
        return cls(frozenset((first + each) % 7 for each in range((last - first) % 7 + 1)), begin, end)

    def hold(self, at: datetime) -> bool:
        """Whether a local time lies within."""
        minute = at.hour * 60 + at.minute
        if self.begin < self.end:
            return at.weekday() in self.days and self.begin <= minute < self.end
        began_yesterday = (at - timedelta(days=1)).weekday() in self.days and minute < self.end
        return began_yesterday or (at.weekday() in self.days and minute >= self.begin)


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)
