"""The traces of a session, judged again: those of finished scenarios, and of those that did not finish."""

from collections.abc import Mapping
from pathlib import Path

from greenlight_gate.evidence.attribution import Attributed, BegunTrace
from greenlight_gate.evidence.cut_matrix import CutCell, cut_cells
from greenlight_gate.evidence.ledger import Ledger
from greenlight_gate.evidence.replay import BrokenTrace, Meter, replay
from greenlight_gate.evidence.session_folder import Evidence, Finished, JudgedTarget
from greenlight_gate.findings import numbered
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.rules.isolation import IsolationPair
from greenlight_gate.rules.registry import Rule
from greenlight_gate.verdict.facts import ScenarioOutcome
from greenlight_gate.wire.profile import Profile

_MOST_UNFINISHED = 4


class FinishedTraces:
    """What the traces of all finished scenarios show, once each was taken."""

    def __init__(
        self, evidence: Evidence, session: JudgedTarget, profile: Profile, meter: Meter, timeline: Timeline
    ) -> None:
        self.findings: list[Attributed] = []
        self.relations: list[IsolationPair] = []
        self.cells: list[CutCell] = []
        self.gaps: list[str] = []
        self.begun: list[BegunTrace] = []
        self.crowded = ""
        self._evidence, self._session, self._profile = evidence, session, profile
        self._meter, self._timeline = meter, timeline

    def take(self, entry: Finished, name: str, rules: Mapping[str, Rule]) -> None:
        """Judges the traces of one scenario, until one cannot be read."""
        found = records = 0
        for trace in (entry.trace, *entry.further):
            try:
                path = _inside(self._evidence, trace)
                checker = replay(
                    path, self._profile, self._session.budgets, self._meter, self._timeline, rules=rules
                )  # fmt: skip
            except BrokenTrace as error:
                self.gaps.append(str(error))
                return
            except Exception as error:  # noqa: BLE001 -- a rule that crashes knows nothing, which never approves
                self.gaps.append(f"the suite's own fault: judging the trace of '{name}' failed: {error!r}")
                return
            found += len(checker.findings)
            records += checker.records
            self._take(checker, entry, name, trace)
        self.gaps += _lost(entry, name, found, records)

    def _take(self, checker: TraceChecker, entry: Finished, name: str, trace: str) -> None:
        stalls = checker.registry.stalls
        self.gaps += [f"the suite's own fault: {failed}" for failed in checker.own_checks.failed]
        self.crowded = self.crowded or stalls.crowded
        self.gaps += [f"in '{name}' {stalls}"] if stalls.unjudged else []
        ill = tuple(checker.findings) if trace == entry.health_trace else ()
        self.begun.append(BegunTrace(name, checker.epoch_s, ill, frozenset(each.rule for each in checker.findings)))
        self.findings += [Attributed(finding, name, trace) for finding in checker.findings]
        self.cells += cut_cells(checker, can_resume="resume" not in self._session.absent)
        if trace == entry.trace and entry.private and entry.outcome is not ScenarioOutcome.NOT_EXERCISED:
            self.relations.append(checker.relation(name, entry.private))


def _lost(entry: Finished, name: str, found: int, records: int) -> list[str]:
    """What the replay of a scenario's traces, with so many findings and records, did not have that the run had."""
    gaps = []
    if found != entry.findings:
        gaps.append(f"'{name}' had {numbered(entry.findings, 'finding')} live and {found} in the replay of its trace")
    if records < (entry.records or 0):
        gaps.append(f"of {entry.records} records of '{name}' {records} are left in its trace")
    return gaps


def unfinished(evidence: Evidence, ledger: Ledger, profile: Profile, session: JudgedTarget, meter: Meter) -> list[str]:
    """What scenarios that never finished have shown counts all the same, as far as their traces can be read."""
    gaps = []
    known = {trace for entry in ledger.finished.values() for trace in (entry.trace, *entry.further)}
    for path in sorted(evidence.traces.glob("*.jsonl")):
        name = f"traces/{path.name}"
        if name in known:
            continue
        try:
            replay(_inside(evidence, name), profile, session.budgets, meter)
        except BrokenTrace as error:
            gaps.append(f"a scenario did not finish: {error}")
        except Exception as error:  # noqa: BLE001 -- as above
            gaps.append(f"the suite's own fault: judging {path.name}, which did not finish, failed: {error!r}")
        else:
            gaps.append(f"the scenario of {path.name} did not finish")
    more = len(gaps) - _MOST_UNFINISHED
    return gaps if more <= 0 else [*gaps[:_MOST_UNFINISHED], f"nor did those of {more} more traces"]


def _inside(evidence: Evidence, trace: str) -> Path:
    """The path of a trace. Raises Torn for one that is not inside the folder."""
    try:
        return evidence.inside(trace)
    except OSError as error:
        raise BrokenTrace(f"{Path(trace).name} cannot be read ({error.strerror})") from error
