"""What a day of the monitor shows: its rounds, what was found in them, and that it approves no release."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from greenlight_gate.evidence.monitor_day import CAVEAT, MONITOR_FOLDER, ROUNDS, rounds_in
from greenlight_gate.evidence.session_folder import Ended, JudgedTarget
from greenlight_gate.findings import numbered
from greenlight_gate.monitor.round import RoundOutcome
from greenlight_gate.verdict.criteria import Criterion, Status
from greenlight_gate.verdict.facts import Decision, Verdict

APPROVES_NOTHING = "a monitor's day approves no release"


def is_day(session: JudgedTarget) -> bool:
    """Whether a session is a day of the monitor."""
    return session.session_id.startswith(f"{MONITOR_FOLDER}_")


def gaps_of_day(session: JudgedTarget, torn: int, ended: Ended | None) -> list[str]:
    """What a day's evidence lacks, in words."""
    gaps = [caveat for caveat in session.caveats if caveat != CAVEAT]
    if torn:
        gaps.append(f"{numbered(torn, 'line')} of the ledger cannot be read")
    if ended is None:
        gaps.append("the day is not sealed: it is not over, or no monitor was started after it")
    elif ended.interrupted:
        gaps.append(ended.interrupted)
    return gaps


def decide_day(folder: Path, *, is_convicted: bool, gaps: Sequence[str]) -> Decision:
    """BLOCKED where the kept traces show findings, otherwise INCONCLUSIVE."""
    outcomes: Counter[RoundOutcome] = Counter()
    rules: Counter[str] = Counter()
    try:
        for one in rounds_in(folder):
            outcomes[one.outcome] += 1
            rules.update(finding.rule for finding in one.findings)
    except OSError as error:
        gaps = [*gaps, f"evidence/{ROUNDS} cannot be read ({error.strerror})"]
    measured = numbered(outcomes.total(), "round")
    if outcomes:
        measured += f": {', '.join(f'{outcomes[each]:,} {each}' for each in RoundOutcome if outcomes[each])}"
    found = ", ".join(f"{rule} ({times:,})" for rule, times in rules.most_common())
    measured += f"; findings: {found}" if found else "; no findings"
    status = Status.FAILED if is_convicted else Status.INCONCLUSIVE
    missing = Criterion(
        "EVIDENCE", "The day was watched to its end, and its files are whole.", "all",
        "; ".join(gaps) or "nothing is missing", outcomes.total(), Status.INCONCLUSIVE if gaps else Status.PASSED,
    )  # fmt: skip
    rounds = Criterion(
        "ROUNDS", "No round has findings; the traces of the others are not kept, so that they prove nothing.", "all",
        measured, outcomes.total(), status,
    )  # fmt: skip
    verdict = Verdict.BLOCKED if is_convicted else Verdict.INCONCLUSIVE
    also = f" ({'; '.join(gaps)})" if gaps else ""
    return Decision(verdict, f"{measured}; {APPROVES_NOTHING}{also}.", (rounds, missing))
