"""When the next round is due, whether it is played, and whether notices wait. Times are seconds since the epoch."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from greenlight_gate.targets.sections import MonitorSection
from greenlight_gate.targets.times_of_week import TimesOfWeek


class MonitorSchedule:
    """The [monitor] section of a target file, asked at a time. `every_s` (of `--every`) replaces all its intervals."""

    def __init__(self, section: MonitorSection, every_s: float | None = None) -> None:
        self._section = section
        self._zone = ZoneInfo(section.timezone)
        self._every_s = every_s
        self._quiet = [TimesOfWeek.parse(text) for text in section.quiet_hours]
        self._intervals = [(each.times, each.every_s) for each in section.schedule]

    def local(self, at: float) -> datetime:
        """The time in the target's time zone."""
        return datetime.fromtimestamp(at, self._zone)

    def day(self, at: float) -> date:
        """The day whose folder a round goes into."""
        return self.local(at).date()

    def every_s(self, at: float) -> float:
        """The interval between rounds at this time: of several that hold, the first one in the file."""
        if self._every_s is not None:
            return self._every_s
        local = self.local(at)
        return next((every_s for times, every_s in self._intervals if times.hold(local)), self._section.every_s)

    @property
    def longest_every_s(self) -> float:
        """The longest interval."""
        if self._every_s is not None:
            return self._every_s
        return max([self._section.every_s, *(every_s for _, every_s in self._intervals)])

    def next_due(self, due: float, now: float) -> float:
        """When the round after the one that was due at `due` is due; what was missed meanwhile is left out.

        Where the clock was set back, it is one interval from now.
        """
        every_s, due = self.every_s(now), min(due, now)
        missed = max(0, int((now - due) // every_s))
        return due + (missed + 1) * every_s

    def maintenance(self, at: float) -> str:
        """Why no round is played at this time; "" if one is."""
        local = self.local(at)
        return next((f"maintenance: {each.why}" for each in self._section.maintenance if each.holds(local)), "")

    def is_quiet(self, at: float) -> bool:
        """Whether notices wait at this time."""
        local = self.local(at)
        return any(times.hold(local) for times in self._quiet)
