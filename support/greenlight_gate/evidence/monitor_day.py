"""The session folder of one day of the monitor: every round as a line, and the traces of rounds with findings.

It is written so that a killed monitor loses the round under way only, and a restarted one goes on in it. At the end of
the day it is sealed like that of a run.
"""

import contextlib
import errno
import fcntl
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple, TextIO

import msgspec

from greenlight_gate.evidence.safe_files import append_line, bounded_lines, open_regular
from greenlight_gate.evidence.session_folder import (
    Ended,
    Evidence,
    Finished,
    JudgedTarget,
    Measurements,
    Selected,
    write_whole,
)
from greenlight_gate.monitor.round import Round, RoundOutcome
from greenlight_gate.monitor.windows import scenario_of
from greenlight_gate.verdict.facts import ScenarioOutcome

MONITOR_FOLDER = "monitor_day"
ROUNDS = "rounds.jsonl"
CATEGORY = "monitor"
CAVEAT = (
    "a day of the monitor, which keeps the traces of rounds with findings only and says nothing of all others, "
    "so that it approves no release (evidence/rounds.jsonl has every round)"
)
# Of a backend that is broken all day, the first traces say as much as all would. What breaks the same rules is alike.
MOST_TRACES = 400
MOST_ALIKE = 40
UNWATCHED = "the monitor was not running at the end of the day"
_LOCK = "monitor.lock"
# Of these, another folder on the same disk would be no better.
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
_KEY = re.compile(rf"{CATEGORY}/round-(\d+)")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9.-]+")
_MOST_FOLDERS = 100
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Round)


class TraceOfRound(msgspec.Struct, frozen=True):
    """The whole trace of a round with findings: its lines, its number of records, and whose privacy it watched."""

    lines: bytes
    records: int
    private: tuple[str, ...] = ()


class InUse(Exception):
    """Another monitor writes to this day's folder."""


class MonitorDay:
    """The folder of one day, open for writing until `close`. Raises OSError where the disk does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.evidence = Evidence(folder)
        self.last_number = 0
        # The folders of the same day that nothing can be written to, and why.
        self.left: dict[Path, str] = {}
        self.most_traces, self.most_alike = MOST_TRACES, MOST_ALIKE
        self._traces: Counter[frozenset[str]] = Counter()
        self._lock: TextIO | None = None

    @classmethod
    def of(cls, output_dir: Path, day: date, session: JudgedTarget) -> "MonitorDay":
        """The day's folder of this target, which is made where there is none yet.

        Another folder is begun where the target file, the profile or the environment is not the same any more, or the
        folder is sealed. Raises InUse.
        """
        left: dict[Path, str] = {}
        for number in range(1, _MOST_FOLDERS):
            opened = cls(_folder(output_dir, day, session.environment, number))
            opened.left = left
            if opened._take_up(session):
                return opened
        raise OSError(errno.EEXIST, f"there are {_MOST_FOLDERS} folders of {day}", str(output_dir))

    def _take_up(self, session: JudgedTarget) -> bool:
        """Whether rounds of this session belong into this folder, which then is locked and has its files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock()
        try:
            kept = self.evidence.session()
        except FileNotFoundError:
            self.evidence.begin(msgspec.structs.replace(session, session_id=self.folder.name))
            return True
        except (OSError, msgspec.MsgspecError) as error:
            self.left[self.folder] = _said(error)
            self.close()
            return False
        try:
            if not self.is_sealed and _without_time(kept) == _without_time(session) and not self._recover():
                return True
        except OSError as error:
            if error.errno in _DISK:
                raise
            self.left[self.folder] = _said(error)
        self.close()
        return False

    def lock(self) -> None:
        """Keeps other monitors from writing to it. Raises InUse."""
        self._lock = (self.folder / _LOCK).open("a", encoding="ascii")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise InUse(f"{self.folder}: another monitor of this target writes to it") from None

    def close(self) -> None:
        """Lets others write to it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def is_sealed(self) -> bool:
        """Whether the day is over."""
        return self.evidence.manifest() is not None

    @property
    def rounds(self) -> Path:
        """Every round, a line each."""
        return self.evidence.folder / ROUNDS

    def _recover(self) -> bool:
        """Goes on where a monitor ended or was killed: takes away what the round under way had left.

        Returns whether the day had ended, which then is sealed. Raises OSError for what no monitor has left there.
        """
        self.evidence.traces.mkdir(exist_ok=True)
        left = list(self.evidence.traces.iterdir())
        for path in left:
            with open_regular(path):
                pass
        for lines in (self.evidence.ledger, self.rounds):
            _mend(lines)
        if any(isinstance(entry, Ended) for entry in self._entries()):
            self.evidence.seal()
            return True
        known = {entry.trace for entry in self._entries() if isinstance(entry, Finished)}
        numbers = [int(found[1]) for entry in self._entries() if (found := _KEY.fullmatch(_key(entry)))]
        for path in left:
            if f"traces/{path.name}" not in known:
                path.unlink()
        for one in rounds_in(self.folder):
            numbers.append(one.number)
            self._traces[_kind(one)] += bool(one.evidence)
        self.last_number = max(numbers, default=0)
        return False

    def _entries(self) -> Iterator[Selected | Finished | Ended]:
        return (line.entry for line in self.evidence.lines() if line.entry is not None)

    def add(self, one: Round, trace: TraceOfRound | None = None) -> Round:
        """Keeps a round, on the disk when this returns. Returns it with the path of its evidence, if any was kept."""
        if trace is not None and self._traces[_kind(one)] < self.most_alike and self._traces.total() < self.most_traces:
            one = self._with_trace(one, trace)
        append_line(self.rounds, _encoder.encode(one))
        self.last_number = one.number
        return one

    def _with_trace(self, one: Round, trace: TraceOfRound) -> Round:
        name, key = f"traces/round-{one.number:06d}.jsonl", f"{CATEGORY}/round-{one.number:06d}"
        write_whole(self.evidence.folder / name, trace.lines)
        self.evidence.append(Selected(key=key, name=scenario_of(one), category=CATEGORY, feature="greenlight monitor"))
        finished = Finished(
            key=key, outcome=ScenarioOutcome.FAILED, reason=one.why, findings=len(one.findings), trace=name,
            duration_s=one.took_s, private=trace.private, records=trace.records,
        )  # fmt: skip
        self.evidence.append(finished)
        self._traces[_kind(one)] += 1
        return msgspec.structs.replace(one, evidence=f"{self.folder.name}/evidence/{name}")

    def finish(self, epoch_s: float) -> None:
        """Seals a day that nobody watched to its end. Raises InUse; OSError or MsgspecError for no such day."""
        self.evidence.session()
        self.lock()
        if not self._recover():
            self.seal(epoch_s, None, UNWATCHED)

    def seal(self, epoch_s: float, measurements: Measurements | None, interrupted: str = "") -> None:
        """The day is over: what is changed from now on is no evidence.

        `interrupted`: why it was not watched to its end.
        """
        if measurements is not None:
            self.evidence.measured(measurements)
        # The ledger's own scenarios: no report of Allure is made of a day.
        keys = tuple(entry.key for entry in self._entries() if isinstance(entry, Finished))
        self.evidence.end(Ended(epoch_s=epoch_s, interrupted=interrupted, fault="", allure=keys))
        self.close()


def rounds_in(folder: Path) -> Iterator[Round]:
    """The rounds of a day's folder in the order in which they were played; lines that are not whole are left out.

    Raises OSError; a folder without rounds has none.
    """
    try:
        file = open_regular(folder / "evidence" / ROUNDS)
    except FileNotFoundError:
        return
    with file:
        for line in bounded_lines(file):
            with contextlib.suppress(msgspec.MsgspecError):
                yield _decoder.decode(line)


def _mend(lines: Path) -> None:
    """Takes away the last line, if it is torn."""
    with contextlib.suppress(FileNotFoundError):
        data = lines.read_bytes()
        if not data.endswith(b"\n"):
            write_whole(lines, data[: data.rfind(b"\n") + 1])


def is_of(folder: Path, url: str) -> bool:
    """Whether a day's folder is that of the target at this url ("": at any)."""
    try:
        return not url or Evidence(folder).session().url == url
    except (OSError, msgspec.MsgspecError):
        return False


def folders_of(output_dir: Path, environment: str, since: date) -> list[Path]:
    """The folders of a target's days from `since` on, in the order of time."""
    named = f"{_slug(environment)}"
    found: list[tuple[str, int, Path]] = []
    for path in output_dir.glob(f"{MONITOR_FOLDER}_*"):
        parts = re.fullmatch(rf"{MONITOR_FOLDER}_(\d{{4}}-\d\d-\d\d)_(.+?)(?:_(\d+))?", path.name)
        if parts is not None and parts[2] == named and parts[1] >= since.isoformat() and path.is_dir():
            found.append((parts[1], int(parts[3] or 1), path))
    return [path for _, _, path in sorted(found)]


class DayFigures(NamedTuple):
    """What a day's rounds came to: rounds by outcome, and of each rule how many rounds broke it."""

    folder: Path
    day: str
    environment: str
    outcomes: Counter[RoundOutcome]
    rules: Counter[str]


def days_in(output_dir: Path, environment: str | None, most: int) -> list[DayFigures]:
    """The latest days that a monitor has kept there, of all targets or the named one, in the order of time.

    What is no day's folder, or cannot be read, is left out.
    """
    days: list[DayFigures] = []
    for folder in sorted(output_dir.glob(f"{MONITOR_FOLDER}_*"), key=lambda path: path.name, reverse=True):
        if len(days) >= most:
            break
        try:
            name = Evidence(folder).session().environment
            rounds = list(rounds_in(folder)) if environment in (None, name) else []
        except (OSError, msgspec.MsgspecError):
            continue
        if rounds:
            rules = Counter(rule for one in rounds for rule in _kind(one))
            outcomes = Counter(one.outcome for one in rounds)
            days.append(DayFigures(folder, _day_of(folder), name, outcomes, rules))
    return days[::-1]


def seal_earlier_days(
    output_dir: Path, environment: str, today: date, epoch_s: float
) -> tuple[list[Path], dict[Path, str]]:  # fmt: skip
    """Seals the days that nobody watched to their end, of the last month.

    Returns their folders, and those that are left as they are, with the reason. One that another monitor still writes
    to is left to it.
    """
    sealed: list[Path] = []
    left: dict[Path, str] = {}
    for folder in folders_of(output_dir, environment, today - timedelta(days=31)):
        if _day_of(folder) >= today.isoformat():
            continue
        day = MonitorDay(folder)
        try:
            date.fromisoformat(_day_of(folder))
            if not day.is_sealed:
                day.finish(epoch_s)
                sealed.append(folder)
        except InUse:
            pass
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            left[folder] = _said(error)
        finally:
            day.close()
    return sealed, left


def _folder(output_dir: Path, day: date, environment: str, number: int) -> Path:
    name = f"{MONITOR_FOLDER}_{day.isoformat()}_{_slug(environment)}"
    return output_dir / (name if number == 1 else f"{name}_{number}")


def _day_of(folder: Path) -> str:
    return folder.name.removeprefix(f"{MONITOR_FOLDER}_").partition("_")[0]


def _slug(environment: str) -> str:
    return _NOT_IN_NAMES.sub("-", environment)


def _said(error: Exception) -> str:
    return f"{error.strerror} ({error.filename})" if isinstance(error, OSError) and error.strerror else str(error)


def _key(entry: Selected | Finished | Ended) -> str:
    return "" if isinstance(entry, Ended) else entry.key


def _kind(one: Round) -> frozenset[str]:
    """Rounds that break the same rules are alike."""
    return frozenset(finding.rule for finding in one.findings)


def _without_time(session: JudgedTarget) -> bytes:
    """What has to be the same, as it is written: what was read again may be of a base class."""
    return _encoder.encode(msgspec.structs.replace(session, session_id="", started_epoch_s=0.0, target_version=""))
