"""Shows a judgement on the terminal, or as lines for programs."""

import argparse
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from greenlight_gate.cli.ci_lines import print_ci_lines, print_json_lines
from greenlight_gate.cli.options import for_programs
from greenlight_gate.cli.session_reports import write_reports
from greenlight_gate.cli.suite_faults import SuiteFaults
from greenlight_gate.evidence.conversation import as_table
from greenlight_gate.evidence.judge import JudgedSession, Judgement, NoEvidence, judge, undecided
from greenlight_gate.evidence.session_folder import Evidence
from greenlight_gate.report.advice import Advice, on_criterion, on_rule, run_again
from greenlight_gate.report.headline import causes, what_was_judged
from greenlight_gate.report.run_report import REPORT
from greenlight_gate.rules.engine.suite_stalls import AGAIN
from greenlight_gate.session.time_limit import TimeIsUp, time_limit
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.verdict.criteria import Status
from greenlight_gate.verdict.facts import Verdict
from greenlight_gate.verdict.scope import PARTIAL

COLOURS = {Verdict.APPROVED: "green", Verdict.BLOCKED: "red", Verdict.INCONCLUSIVE: "yellow"}
_MARKS = {
    Status.PASSED: "[green]met[/]",
    Status.FAILED: "[red]not met[/]",
    Status.INCONCLUSIVE: "[yellow]unknown[/]",
    Status.WAIVED: "[yellow]waived[/]",
}
_MOST_FINDINGS = 12
_LOG_WIDTH = 160


def conclude(
    folder: Path, console: Console, faults: SuiteFaults, show: Callable[[Judgement], None], *, within_s: float,
    judged: Callable[[Path], Judgement] = judge, begins_history: bool = True, other: JudgedSession | None = None,
) -> Judgement:  # fmt: skip
    """Judges a session folder, shows the verdict and writes the reports.

    A session that takes longer than `within_s` to judge is inconclusive. `judged`: how it is judged; `begins_history`,
    `other`: as in `write_reports`. Raises Misconfigured if there is nothing to judge, or the report cannot be written.
    """
    judgement = judged_within(within_s, folder, judged)
    show(judgement)
    for path in write_reports(judgement, folder, console, faults, begins_history=begins_history, other=other):
        console.print(f"[dim]{escape(str(path))}[/]", highlight=False, soft_wrap=True)
    return judgement


def judged_within(within_s: float, folder: Path, judged: Callable[[Path], Judgement] = judge) -> Judgement:
    """Judges a session folder, inconclusive if that takes too long. Raises Misconfigured if there is none."""
    try:
        with time_limit(within_s):
            return judged(folder)
    except NoEvidence as error:
        raise Misconfigured(str(error)) from error
    except TimeIsUp:
        why = f"judging the evidence took longer than {within_s:.0f} s, for instance in a regular expression of the"
        more = "`greenlight verdict --timeout SECONDS` has more time"
        return undecided(folder, f"{why} profile or in a rule of a team's own; {more}")


def ended(judgement: Judgement, folder: Path, options: argparse.Namespace, faults: SuiteFaults) -> int:
    """Returns the exit code, and prints what programs read, last, since a faulty suite approves nothing."""
    decision = judgement.decision
    outcome = faults.outcome(decision.verdict)
    if not for_programs(options):
        return outcome.exit_code
    said = decision.reason if outcome is decision.verdict else "; ".join(faults.messages)
    if options.ci_mode:
        reason = "" if outcome is Verdict.APPROVED else said
        parts = (
            f": {' '.join(judgement.session.wanted)}" if judgement.scope == PARTIAL and judgement.session.wanted else ""
        )
        print_ci_lines(outcome, reason, folder / REPORT, f"{judgement.scope}{parts}")
    else:
        from greenlight_gate.report.json_lines import TargetOptions, as_lines  # noqa: PLC0415 -- most need not import it

        # `greenlight verdict` has no option that names the target.
        target = TargetOptions(getattr(options, "environment", ""), tuple(getattr(options, "defect", ())))
        print_json_lines(as_lines(judgement, folder, target, outcome, said))
    return outcome.exit_code


def show_verdict(judgement: Judgement, folder: Path, console: Console, *, verbose: bool = False) -> None:
    """Shows the criteria, the first finding of each rule, and the decision; `verbose`: with the conversations."""
    decision = judgement.decision
    # Without a terminal, rich assumes 80 columns; in a log, unwrapped lines are easier to search.
    in_log = not console.is_terminal and "COLUMNS" not in os.environ
    table = Table(box=None, pad_edge=False, show_edge=False)
    for column in ("criterion", "", "required", "measured"):
        table.add_column(column, overflow="fold")
    for criterion in decision.criteria:
        table.add_row(criterion.id, _MARKS[criterion.status], escape(criterion.threshold), escape(criterion.measured))
    console.print()
    said = escape(what_was_judged(judgement))
    console.print(f"[dim]{said}[/]\n", highlight=False, soft_wrap=in_log)
    if in_log:
        console.width = _LOG_WIDTH
    console.print(table, highlight=False)
    for cause in causes(judgement)[:_MOST_FINDINGS]:
        item, finding = cause.first, cause.first.finding
        records = ", ".join(map(str, finding.evidence))
        console.print(f"\n[red]{finding.rule}[/] {escape(finding.requirement)}", highlight=False, soft_wrap=in_log)
        came = f"  expected {escape(finding.expected)}\n  got      {escape(finding.actual)}"
        console.print(came, highlight=False, soft_wrap=in_log)
        often = f"; {cause.often}" if cause.times > 1 else ""
        often += f"; waived: {item.waived}" if item.waived else ""
        whose = f"{finding.user}, " if finding.user else ""
        where = f"{whose}'{item.scenario}', records {records} of {item.trace}{often}"
        console.print(f"  [dim]{escape(where)}[/]", highlight=False, soft_wrap=in_log)
    colour = COLOURS[decision.verdict]
    console.print(
        f"\n[bold {colour}]{decision.verdict}[/]  {escape(decision.reason)}", highlight=False, soft_wrap=in_log
    )
    if verbose:
        _conversations(judgement, folder, console)
    if step := _next_step(judgement, folder, verbose=verbose):
        console.print(f"\nNext: {escape(step)}", highlight=False, soft_wrap=True)


def _next_step(judgement: Judgement, folder: Path, *, verbose: bool) -> str:
    """What to do about what decided, "" for an approval: one command, or what to correct if that is shown already."""
    decision, environment = judgement.decision, judgement.session.environment
    named = judgement.session.environment_option
    decided = {Verdict.BLOCKED: Status.FAILED, Verdict.INCONCLUSIVE: Status.INCONCLUSIVE}.get(decision.verdict)
    open_ = [each for each in decision.criteria if each.status is decided]
    # Where the machine was busy, nothing else can be said before it is idle.
    first = next((each for each in open_ if AGAIN in each.measured), open_[0] if open_ else None)
    found = causes(judgement) if decision.verdict is Verdict.BLOCKED else []
    advice: Advice | None = None
    name = ""
    if found:
        name, advice = found[0].rule, on_rule(found[0].rule, shlex.quote(str(folder)), environment, target=named)
    elif first is not None:
        name, advice = (
            first.id,
            on_criterion(first.id, first.status, shlex.quote(str(folder)), environment, first.measured, target=named),
        )
    if advice is None:
        return ""
    if not (verbose and "--verbose" in advice.command):
        return advice.command
    return f"correct {name}, which is listed above with what is required; then {run_again(environment, named)}"


def _conversations(judgement: Judgement, folder: Path, console: Console) -> None:
    from greenlight_gate.evidence.replay import read_conversation  # noqa: PLC0415

    for item in [cause.first for cause in causes(judgement)[:_MOST_FINDINGS]]:
        console.print(f"\n{escape(str(item.finding))}", highlight=False, soft_wrap=True)
        try:
            entries = read_conversation(Evidence(folder).inside(item.trace), judgement.session.profile_toml)
        except (OSError, msgspec.MsgspecError) as error:
            console.print(f"the trace cannot be read: {escape(str(error))}", highlight=False, soft_wrap=True)
            continue
        console.print(escape(as_table(entries, item.finding.evidence)), highlight=False, soft_wrap=True)
