"""The ledger of a session: which scenarios were selected, what became of each, and how the run ended."""

from greenlight_gate.evidence.manifest import MANIFEST
from greenlight_gate.evidence.session_folder import Ended, Evidence, Finished, JudgedTarget, LedgerLine, Selected
from greenlight_gate.findings import numbered


class NotAsWritten(Exception):
    """A ledger that is not as a run writes it: one line says in what."""


class Ledger:
    """What the ledger says. Raises OSError, and NotAsWritten for one that no run has left."""

    def __init__(self, evidence: Evidence) -> None:
        self.selected: dict[str, Selected] = {}
        self.finished: dict[str, Finished] = {}
        self.ended: Ended | None = None
        self.torn = 0
        for line in evidence.lines():
            if line.entry is None:
                self.torn += 1
            elif wrong := self._take(line):
                raise NotAsWritten(f"evidence/ledger.jsonl, line {line.number}: {wrong}")
        if self.ended is not None and evidence.manifest() is None:
            raise NotAsWritten(f"evidence/{MANIFEST} is missing: it was removed, or the run did not come to its end")

    def name_of(self, key: str) -> str:
        """The name of a scenario; its key, if it was not selected."""
        return self.selected[key].name if key in self.selected else key

    def _take(self, line: LedgerLine) -> str:
        """Returns what is wrong with a line. There is one end of each scenario, and one of the run, the last line."""
        entry = line.entry
        if not line.follows:
            return "it does not follow what was written before it"
        if self.ended is not None:
            return "the run has ended before it"
        if isinstance(entry, Selected):
            self.selected[entry.key] = entry
        elif isinstance(entry, Finished):
            if entry.key in self.finished:
                return f"a second end of {entry.key}"
            self.finished[entry.key] = entry
        elif isinstance(entry, Ended):
            self.ended = entry
        return ""

    def gaps(self, session: JudgedTarget) -> list[str]:
        """What is missing of the run, in words, each a reason not to approve."""
        gaps = []
        if self.torn:
            gaps.append(f"{self.torn} line(s) of the ledger are not whole")
        if not self.selected and session.workload is None:
            gaps.append("no scenario was selected")
        ended = self.ended
        if ended is None:
            gaps.append("the run did not come to its end")
            return gaps
        if ended.interrupted:
            gaps.append(f"the run was interrupted ({ended.interrupted})")
        if ended.unjudged:
            gaps.append(f"the target cannot be judged: {ended.unjudged}")
        if ended.fault:
            gaps.append(f"the suite itself failed: {ended.fault}")
        ours, theirs = set(self.finished), set(ended.allure)
        if ours != theirs or len(ended.allure) != len(theirs):
            gaps.append(
                f"Allure has {numbered(len(ended.allure), 'result')}, the ledger {numbered(len(ours), 'scenario')}"
            )
        return gaps
