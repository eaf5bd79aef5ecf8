"""The evidence folder: all that a verdict reads, written as it happens, readable after a crash.

- evidence/session.json: what was judged, by which thresholds; of a load session, which load was asked for
- evidence/ledger.jsonl: what was selected, and what became of it; each line has the digest of the line before
- evidence/traces/*.jsonl: every frame of every scenario
- evidence/load/*.json: results of loads: counts, histograms, the first findings of each rule, and what
  had been counted at moments on the way; beside each the frames of these findings. Millions of frames are not kept, so
  that this is not replayed but believed.
- evidence/watched/*.json: what probes saw of the target's memory, sample by sample
- evidence/measurements.json: what the traces cannot show
- evidence/baseline.json: the sessions before that it is held against
- evidence/rounds.jsonl: every round of a day of the monitor (`evidence/monitor_day.py`)
- evidence/manifest.json: the digest and the size of each of these files, once the run has come to its end
"""

import contextlib
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

import msgspec

from greenlight_gate.evidence.manifest import MANIFEST, decoded, differences, manifest_of
from greenlight_gate.evidence.safe_files import append_line, bounded_lines, inside, open_regular, read_whole
from greenlight_gate.findings import Severity
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.measure.thresholds import Thresholds
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.verdict.baseline import Baseline
from greenlight_gate.verdict.criteria import LoadOfScenario
from greenlight_gate.verdict.facts import ScenarioOutcome
from greenlight_gate.verdict.load_verdict import Workload
from greenlight_gate.verdict.memory_trend import MemorySamples
from greenlight_gate.verdict.waivers import Waiver

# The log of a run, beside its report.
LOG = "validation_execution.log"
# What the folders of sessions are called, before the time at which they began.
VALIDATION_FOLDER, LOAD_FOLDER = "validation_session", "load_session"
# In a folder of sessions, while the run that began last has not made its own: why it has not.
UNBEGUN = "run_without_session.txt"
# The environment of a session that was killed before it had said which one it is.
UNKNOWN = "unknown"
T = TypeVar("T")


class JudgedRule(msgspec.Struct, frozen=True):
    """A rule of a team's own by which a session was judged; `source`: the package, its version and the class."""

    id: str
    severity: Severity
    requirement: str
    source: str


class JudgedTarget(msgspec.Struct, frozen=True):
    """What was judged: the target without its secrets, and what was wanted of it.

    `jobs`: how many scenarios ran side by side. `workload` is what a load session was asked for; None: the session is
    one of scenarios. `caveats` say why nothing that this session finds out can approve. `available`: how many scenarios
    each wanted category has, and that of a team's own; `weak`: in what the target file asks for less than usual.
    `target_version`: what the target says of itself, "" where it says nothing. `repeat`: how often each scenario ran;
    `own_rules`: those of a team's own.
    `environment_option`: what `--environment` named, a target that ships or a file, "" if it is not known.
    `waivers` are judged by the day on which the session began; `strict_waivers`: a stale one blocks.
    """

    session_id: str
    started_epoch_s: float
    environment: str
    url: str
    profile_toml: str
    budgets: TimeBudgets
    clock: str
    wanted: tuple[str, ...]
    tags: str
    absent: dict[str, str]
    accepted: dict[str, str]
    thresholds: Thresholds
    versions: dict[str, str] = {}
    caveats: tuple[str, ...] = ()
    jobs: int = 1
    available: dict[str, int] = {}
    weak: tuple[str, ...] = ()
    workload: Workload | None = None
    target_version: str = ""
    repeat: int = 1
    own_rules: tuple[JudgedRule, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    strict_waivers: bool = False
    environment_option: str = ""


class Measurements(msgspec.Struct, frozen=True):
    """What the traces cannot show: how busy the suite itself was, and the memory of a backend that it started.

    CPU seconds of the suite's process over `seconds` of wall time; memory as resident MB (10^6 bytes), None where it
    could not be read.
    """

    seconds: float
    suite_cpu_s: float
    suite_rss_mb: float
    target_rss_mb_start: float | None = None
    target_rss_mb_end: float | None = None


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the ledger. `previous`: SHA-256 of the line before, of the first line that of session.json."""

    previous: str = ""


class Selected(_Line, frozen=True, tag_field="entry", tag="selected"):
    """A scenario that is going to run. `repeat`: which of the times this is that it runs, from 1; `key` has it too."""

    key: str
    name: str
    category: str
    feature: str
    rule: str = ""
    repeat: int = 1

    @property
    def scenario(self) -> str:
        """The key of the scenario, whichever time this is."""
        return self.key.removesuffix(key_of_repeat("", self.repeat))


class Finished(_Line, frozen=True, tag_field="entry", tag="finished"):
    """What became of a scenario, once nothing more of it can arrive. `findings` counts what the rules said live.

    `private` are the users whose privacy the scenario watched; `further` further traces, each of a conversation of its
    own, whose findings count as the scenario's. `records` is how many records all its traces have; None: not known.
    `need` is what the target lacks for the scenario, by the name under which a gap is accepted; "" if it has none.
    `rule`: the one that a step of a failed scenario named, where no finding is of it; `expected`, `actual` and
    `record` (the last one of the trace by then) say what it demanded and what came. `health_trace`: the one of
    `further` in which a healthy user asked after a scenario that may leave the target ill.
    """

    key: str
    outcome: ScenarioOutcome
    reason: str
    findings: int
    trace: str
    duration_s: float
    private: tuple[str, ...] = ()
    further: tuple[str, ...] = msgspec.field(default=(), name="beside")
    records: int | None = None
    need: str = ""
    rule: str = ""
    health_trace: str = ""
    expected: str = ""
    actual: str = ""
    record: int | None = None


class Ended(_Line, frozen=True, tag_field="entry", tag="ended"):
    """The run is over. `allure` holds the keys of the scenarios that Allure has a result of.

    `fault` is the suite's own; `unjudged` says why the target could not be judged, and is no fault of the suite.
    """

    epoch_s: float
    interrupted: str
    fault: str
    allure: tuple[str, ...]
    unjudged: str = ""


Entry = Selected | Finished | Ended


class LedgerLine(NamedTuple):
    """A line of the ledger as it was read: None for one that is torn, as the last may be after a crash.

    `follows`: whether it has the digest of the line before; of a torn line that is not known.
    """

    number: int
    entry: Entry | None
    follows: bool


_encoder = msgspec.json.Encoder()
_entry_decoder = msgspec.json.Decoder(Entry)


class Evidence:
    """The evidence folder of one validation session. Raises OSError when the disk says no."""

    def __init__(self, session_folder: Path) -> None:
        self._root = session_folder
        self.folder = session_folder / "evidence"
        self.traces = self.folder / "traces"
        self.ledger = self.folder / "ledger.jsonl"
        # The digest of the last line of the ledger, once it is known.
        self._previous = ""

    def begin(self, session: JudgedTarget) -> None:
        """Creates the folder and says what is going to be judged."""
        self.traces.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / "session.json", msgspec.json.format(_encoder.encode(session)))

    def append(self, entry: Entry) -> None:
        """One more line of the ledger, on the disk before this returns."""
        line = _encoder.encode(msgspec.structs.replace(entry, previous=self._previous or self._last_digest()))
        # If it is interrupted from here on, the line may have been written or not: the next one looks.
        self._previous = ""
        append_line(self.ledger, line)
        self._previous = _digest(line)

    def end(self, ended: Ended) -> None:
        """The last line of the ledger; then the manifest: what is changed from now on is no evidence."""
        self.append(ended)
        self.seal()

    def seal(self) -> None:
        """Writes the manifest of what now lies in the folder."""
        manifest = manifest_of(self.folder)
        write_whole(self.folder / MANIFEST, msgspec.json.format(_encoder.encode(manifest)) + b"\n")

    def manifest(self) -> bytes | None:
        """The manifest as it was written, None where there is none. Raises OSError."""
        try:
            return self._bytes(MANIFEST)
        except FileNotFoundError:
            return None

    def changed(self) -> dict[str, str]:
        """What is not as the manifest says, in words, by the path of each file; nothing where there is no manifest.

        Raises OSError for a manifest that cannot be read.
        """
        manifest = self.manifest()
        return {} if manifest is None else differences(self.folder, decoded(manifest))

    def measured(self, measurements: Measurements) -> None:
        """What was measured over the whole run."""
        write_whole(self.folder / "measurements.json", msgspec.json.format(_encoder.encode(measurements)))

    def loaded(self, name: str, load: LoadOfScenario) -> None:
        """What came of one load, with the frames of the first offenders beside it."""
        folder = self.folder / "load"
        folder.mkdir(exist_ok=True)
        for trace, lines in load.summary.traces.items():
            write_whole(folder / f"{name}-{trace}", lines)
        kept = msgspec.structs.replace(load, summary=_renamed(load.summary, name))
        write_whole(folder / f"{name}.json", _encoder.encode(kept) + b"\n")

    def loads(self) -> list[LoadOfScenario]:
        """All loads, in order. Raises msgspec.MsgspecError for a file that is not whole."""
        return self._all("load", LoadOfScenario)

    def watch(self, name: str, watched: MemorySamples) -> None:
        """What a probe saw while one thing was done again and again."""
        folder = self.folder / "watched"
        folder.mkdir(exist_ok=True)
        write_whole(folder / f"{name}.json", _encoder.encode(watched) + b"\n")

    def watches(self) -> list[MemorySamples]:
        """All that probes saw, in order; like `loads`."""
        return self._all("watched", MemorySamples)

    def compared_with(self, baseline: Baseline) -> None:
        """The sessions that this one is held against."""
        write_whole(self.folder / "baseline.json", msgspec.json.format(_encoder.encode(baseline)))

    def baseline(self) -> Baseline | None:
        """The same, or None where it is held against none. Raises msgspec.MsgspecError."""
        return self._if_there("baseline.json", Baseline)

    def measurements(self) -> Measurements | None:
        """What was measured, or None where the run did not come that far. Raises msgspec.MsgspecError."""
        return self._if_there("measurements.json", Measurements)

    def session(self) -> JudgedTarget:
        """Raises OSError or msgspec.MsgspecError for a folder that is no evidence."""
        return msgspec.json.decode(self._bytes("session.json"), type=JudgedTarget)

    def lines(self) -> Iterator[LedgerLine]:
        """The ledger's lines. Raises OSError."""
        if not self.ledger.exists():
            return
        previous = self._session_digest()
        with open_regular(self.inside("ledger.jsonl")) as file:
            for number, line in enumerate(bounded_lines(file), 1):
                try:
                    entry = _entry_decoder.decode(line)
                except msgspec.MsgspecError:
                    yield LedgerLine(number, None, follows=True)
                    previous = ""
                    continue
                yield LedgerLine(number, entry, previous in ("", entry.previous))
                previous = _digest(line.rstrip(b"\n"))

    def inside(self, name: str) -> Path:
        """The path of a file of the evidence by its name in it. Raises OSError for one that is not inside."""
        return inside(self._root, f"evidence/{name}" if not name.startswith("/") else name)

    def _session_digest(self) -> str:
        return _digest(self._bytes("session.json"))

    def _last_digest(self) -> str:
        """The digest of the line after which the next one is written."""
        lines = self.ledger.read_bytes().splitlines() if self.ledger.exists() else []
        return _digest(lines[-1]) if lines else self._session_digest()

    def _bytes(self, name: str) -> bytes:
        return read_whole(self._root, f"evidence/{name}")

    def _all(self, kind: str, struct: type[T]) -> list[T]:
        names = [f"{kind}/{path.name}" for path in sorted((self.folder / kind).glob("*.json"))]
        return [msgspec.json.decode(self._bytes(name), type=struct) for name in names]

    def _if_there(self, name: str, struct: type[T]) -> T | None:
        return msgspec.json.decode(self._bytes(name), type=struct) if (self.folder / name).exists() else None


def key_of_repeat(scenario: str, repeat: int) -> str:
    """The key in the ledger of one of the times that a scenario runs, from its own key."""
    return scenario if repeat == 1 else f"{scenario}#{repeat}"


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def _renamed(summary: LoadResult, name: str) -> LoadResult:
    """The summary as it is kept: its traces are files of their own, named after the load."""
    offences = [
        msgspec.structs.replace(offence, trace=f"load/{name}-{offence.trace}" if offence.trace else "")
        for offence in summary.offences
    ]
    return msgspec.structs.replace(summary, offences=offences, traces={})


def without_session(output_dir: Path, why: str) -> None:
    """Leaves word that the last run made no session, until one is made: an older one says nothing of this run.

    Where no session is, none can be taken for that of this run.
    """
    if output_dir.is_dir():
        with contextlib.suppress(OSError):  # the session reports a folder that cannot be written
            (output_dir / UNBEGUN).write_text(f"{why}\n", encoding="utf-8", errors="replace")


def order_of(path: Path, kind: str = VALIDATION_FOLDER) -> tuple[int, ...]:
    """Sorts session folders of a kind by when they began: the later one is greater."""
    return tuple(int(part) for part in path.name.removeprefix(f"{kind}_").split("-") if part.isdecimal())


def session_folders(output_dir: Path, kind: str = VALIDATION_FOLDER) -> list[Path]:
    """The session folders of a kind, the newest last."""
    folders = (path for path in output_dir.glob(f"{kind}_*") if path.is_dir())
    return sorted(folders, key=lambda path: order_of(path, kind))


def write_whole(path: Path, data: bytes | str) -> None:
    """Writes a file whole or not at all, also when the disk fills or the process is killed in between."""
    content = data.encode() if isinstance(data, str) else data
    # Not by tempfile, whose files nobody but their owner may read: all who may enter the folder may read the verdict.
    partial = path.with_name(f".{path.name}.{uuid4().hex[:12]}")
    try:
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def plain(value: Any) -> Any:
    """A struct as plain dicts and lists, for JSON that is merged with other things."""
    return msgspec.to_builtins(value)
