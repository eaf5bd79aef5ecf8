"""The sessions before this one: an SQLite file in the output folder, from which trends and baselines come.

Write-ahead logging lets two runs write at once (sqlite.org/wal.html). Nothing is decided here: a verdict reads only its
evidence, into which the baseline that it is held against is written before.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from greenlight_gate.evidence.judge import Judgement
from greenlight_gate.evidence.session_folder import JudgedTarget
from greenlight_gate.measure.thresholds import success
from greenlight_gate.verdict.criteria import LOAD
from greenlight_gate.verdict.facts import ScenarioOutcome
from greenlight_gate.verdict.repeats import Repeated

HISTORY = "history.sqlite"
_BUSY_S = 20.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS session (
    id TEXT PRIMARY KEY, target TEXT NOT NULL, started_s REAL NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL,
    categories TEXT NOT NULL, events INTEGER NOT NULL, success_percent REAL NOT NULL, connections_most INTEGER NOT NULL,
    events_per_s REAL NOT NULL, memory_mb_end REAL, memory_mb_growth REAL, latency TEXT NOT NULL, samples INTEGER,
    avg_ms REAL, p50_ms REAL, p95_ms REAL, p99_ms REAL, max_ms REAL, jobs INTEGER NOT NULL DEFAULT 1,
    selection TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS criterion (
    session TEXT NOT NULL, id TEXT NOT NULL, status TEXT NOT NULL, measured TEXT NOT NULL, PRIMARY KEY (session, id)
);
CREATE TABLE IF NOT EXISTS finding (
    session TEXT NOT NULL, rule TEXT NOT NULL, scenario TEXT NOT NULL, times INTEGER NOT NULL,
    PRIMARY KEY (session, rule, scenario)
);
CREATE TABLE IF NOT EXISTS passed (
    session TEXT NOT NULL, key TEXT NOT NULL, scenario TEXT NOT NULL, category TEXT NOT NULL, passes INTEGER NOT NULL,
    times INTEGER NOT NULL, PRIMARY KEY (session, key)
);
CREATE TABLE IF NOT EXISTS exercised (
    session TEXT NOT NULL, scenario TEXT NOT NULL, PRIMARY KEY (session, scenario)
);
"""
_COLUMNS = (
    "id", "target", "started_s", "verdict", "reason", "categories", "events", "success_percent", "connections_most",
    "events_per_s", "memory_mb_end", "memory_mb_growth", "latency", "samples", "avg_ms", "p50_ms", "p95_ms", "p99_ms",
    "max_ms", "jobs", "selection",
)  # fmt: skip
# Columns that earlier versions did not have, in order: they are added, and what is kept stays.
_ADDED = {"jobs": "INTEGER NOT NULL DEFAULT 1", "selection": "TEXT NOT NULL DEFAULT ''"}
# Whether all criteria but the comparison with earlier sessions were met.
_MET = """EXISTS (SELECT 1 FROM criterion WHERE session = session.id) AND NOT EXISTS (
    SELECT 1 FROM criterion WHERE session = session.id AND status NOT IN ('passed', 'waived')
    AND NOT (criterion.id = 'BASELINE' AND status = 'inconclusive')
)"""


class Series(NamedTuple):
    """Sessions that can be compared: of one target, the same categories, and the same selection of their scenarios."""

    target: str
    categories: str
    selection: str


def series_of(session: JudgedTarget, selection: str) -> Series:
    """The series of a session. `selection`: what narrowed its categories, in words."""
    categories = LOAD if session.workload is not None else " ".join(session.wanted)
    return Series(session.environment, categories, selection)


class HistoryEntry(NamedTuple):
    """One session as it is kept; `latency` says what was measured (delivery, acknowledgement or "").

    `jobs`: how many scenarios ran side by side. `categories` are those that were wanted; `LOAD` of a load session.
    `selection`: what narrowed them, in words. `met`: all criteria were, but for a comparison with too few sessions.
    """

    id: str
    target: str
    started_s: float
    verdict: str
    reason: str
    categories: str
    events: int
    success_percent: float
    connections_most: int
    events_per_s: float
    memory_mb_end: float | None
    memory_mb_growth: float | None
    latency: str
    samples: int | None
    avg_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    jobs: int = 1
    selection: str = ""
    met: bool = False

    @property
    def is_load(self) -> bool:
        """Whether it is a load session, which says nothing of a release and is not compared with those that do."""
        return self.categories == LOAD

    @property
    def series(self) -> Series:
        """The sessions with which it can be compared."""
        return Series(self.target, self.categories, self.selection)


class Changed(NamedTuple):
    """(rule, scenario) of findings: new since the session before, fixed since, and still there.

    `not_run`: those of the session before whose scenarios were not run again, so that nobody knows.
    """

    new: tuple[tuple[str, str], ...]
    fixed: tuple[tuple[str, str], ...]
    still: tuple[tuple[str, str], ...]
    not_run: tuple[tuple[str, str], ...] = ()

    @property
    def by_kind(self) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
        """Each kind with what readers call it."""
        names = ("new", "fixed", "still present", "not run again")
        return tuple(zip(names, self, strict=True))


class History:
    """The history of an output folder. `warning` says what was wrong with its file, if anything was; never raises that.

    Raises OSError where the folder cannot be written.
    """

    def __init__(self, output_dir: Path) -> None:
        self.path = output_dir / HISTORY
        self.warning = ""

    def add(self, judgement: Judgement) -> None:
        """Keeps a session; one that is judged again replaces what was kept of it."""
        session, row = judgement.session.session_id, _row(judgement)
        times: dict[tuple[str, str], int] = {}
        for item in judgement.findings:
            key = (item.finding.rule, item.scenario)
            times[key] = times.get(key, 0) + 1
        # What a step demanded in vain, where no finding says why.
        found = {scenario for _, scenario in times}
        times |= {
            (scenario.rule, scenario.name): 1 for scenario in judgement.scenarios
            if scenario.rule and scenario.name not in found
        }  # fmt: skip
        with self._open() as database:
            for table in ("criterion", "finding", "exercised", "passed"):
                database.execute(f"DELETE FROM {table} WHERE session = ?", (session,))
            marks = ", ".join("?" * len(_COLUMNS))
            database.execute(f"INSERT OR REPLACE INTO session ({', '.join(_COLUMNS)}) VALUES ({marks})", row)
            database.executemany(
                "INSERT INTO criterion VALUES (?, ?, ?, ?)",
                [(session, c.id, c.status.value, c.measured) for c in judgement.decision.criteria],
            )
            database.executemany(
                "INSERT INTO finding VALUES (?, ?, ?, ?)", [(session, *key, count) for key, count in times.items()]
            )
            database.executemany(
                "INSERT INTO passed VALUES (?, ?, ?, ?, ?, ?)",
                [(session, each.key, *each.repeated) for each in judgement.scenarios if each.repeated is not None],
            )
            database.executemany(
                "INSERT INTO exercised VALUES (?, ?)", [(session, scenario) for scenario in _exercised(judgement)]
            )

    def session(self, name: str) -> HistoryEntry | None:
        """The session of this id, None where there is none."""
        with self._open() as database:
            row = database.execute(
                f"SELECT {', '.join(_COLUMNS)}, {_MET} FROM session WHERE id = ?", (name,)
            ).fetchone()
        return None if row is None else HistoryEntry(*row)

    def sessions(
        self, target: str | None = None, most: int = 50, *, series: Series | None = None
    ) -> list[HistoryEntry]:
        """The latest sessions, of one target or of all, the oldest first. `series`: only those of it."""
        wanted = {"target": target} if target is not None else {}
        wanted |= series._asdict() if series is not None else {}
        where = f"WHERE {' AND '.join(f'{name} = ?' for name in wanted)}" if wanted else ""
        with self._open() as database:
            rows = database.execute(
                f"SELECT {', '.join(_COLUMNS)}, {_MET} FROM session {where} ORDER BY started_s DESC, id DESC LIMIT ?",
                [*wanted.values(), most],
            ).fetchall()
        return [HistoryEntry(*row) for row in reversed(rows)]

    def changed(self, before: str, after: str) -> Changed:
        """What is new, fixed, still there and not run again between two sessions."""
        with self._open() as database:
            old, new = (
                set(database.execute("SELECT rule, scenario FROM finding WHERE session = ?", (session,)).fetchall())
                for session in (before, after)
            )
            ran = {row[0] for row in database.execute("SELECT scenario FROM exercised WHERE session = ?", (after,))}
        gone = sorted(old - new)
        return Changed(
            tuple(sorted(new - old)), tuple(each for each in gone if each[1] in ran), tuple(sorted(new & old)),
            tuple(each for each in gone if each[1] not in ran),
        )  # fmt: skip

    def repeats(self, session: str) -> list[Repeated]:
        """How often which scenario of a session passed; empty for a session that an earlier version kept."""
        with self._open() as database:
            rows = database.execute(
                "SELECT scenario, category, passes, times FROM passed WHERE session = ? ORDER BY key", (session,)
            ).fetchall()
        return [Repeated(*row) for row in rows]

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A transaction. A file that is no database is moved aside, and a new one begun."""
        try:
            database = self._connect()
        except sqlite3.OperationalError as error:
            raise OSError(0, f"{self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            self._move_aside(error)
            database = self._connect()
        try:
            with database:
                yield database
        except sqlite3.OperationalError as error:
            raise OSError(0, f"{self.path}: {error}") from error
        finally:
            database.close()

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=_BUSY_S)
        try:
            _check(database)
        except BaseException:
            database.close()
            raise
        return database

    def _move_aside(self, error: sqlite3.DatabaseError) -> None:
        number = 1
        while (aside := self.path.with_name(f"{HISTORY}.damaged-{number}")).exists():
            number += 1
        # Another run may have been quicker.
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(aside)
        for leftover in ("-wal", "-shm"):
            self.path.with_name(f"{HISTORY}{leftover}").unlink(missing_ok=True)
        self.warning = f"the history was damaged ({error}) and is now {aside.name}; a new one has been begun"


def _check(database: sqlite3.Connection) -> None:
    """Raises sqlite3.DatabaseError for a file that is damaged, or that another version wrote."""
    database.execute("PRAGMA journal_mode = WAL")
    (state,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if state != "ok":
        raise sqlite3.DatabaseError(state)
    columns = [row[1] for row in database.execute("PRAGMA table_info(session)")]
    if columns and (columns != list(_COLUMNS[: len(columns)]) or len(columns) < len(_COLUMNS) - len(_ADDED)):
        raise sqlite3.DatabaseError("it was written by another version")
    for name in _COLUMNS[len(columns) :] if columns else ():
        with contextlib.suppress(sqlite3.OperationalError):  # another run has just done the same
            database.execute(f"ALTER TABLE session ADD COLUMN {name} {_ADDED[name]}")
    database.executescript(_SCHEMA)


def _exercised(judgement: Judgement) -> set[str]:
    """The names of the scenarios, or of the load, of which findings would be known."""
    if judgement.session.workload is not None:
        return {load.scenario for load in judgement.loads}
    ran = (ScenarioOutcome.PASSED, ScenarioOutcome.FAILED)
    return {scenario.name for scenario in judgement.scenarios if scenario.outcome in ran}


def _row(judgement: Judgement) -> Sequence[object]:
    session, observed, measured = judgement.session, judgement.measured, judgement.measurements
    share = success(observed)
    figures = observed.latency or observed.acknowledgement
    of = "" if figures is None else "delivery" if observed.latency is not None else "acknowledgement"
    begin = measured.target_rss_mb_start if measured is not None else None
    end = measured.target_rss_mb_end if measured is not None else None
    seconds = max(judgement.timeline.ended_at - judgement.timeline.windows.start, 0.001)
    latency = (
        (figures.samples, figures.avg_ms, figures.p50_ms, figures.p95_ms, figures.p99_ms, figures.max_ms)
        if figures is not None
        else (None,) * 6
    )
    past = HistoryEntry(
        session.session_id, session.environment, session.started_epoch_s, judgement.decision.verdict.value,
        judgement.decision.reason, series_of(session, judgement.selection).categories, observed.events,
        round(share.percent, 3) if share is not None else 0.0,
        judgement.timeline.windows.total().open_most, round(observed.events / seconds, 3), end,
        round(end - begin, 3) if begin is not None and end is not None else None, of, *latency,
    )  # fmt: skip
    return past._replace(jobs=session.jobs, selection=judgement.selection)[:-1]
