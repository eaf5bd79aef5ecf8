"""The verdict as Markdown, for the summary page of a pipeline."""

import re

from greenlight_gate.evidence.judge import Judgement
from greenlight_gate.report.headline import causes, what_was_judged
from greenlight_gate.verdict.criteria import Status
from greenlight_gate.verdict.facts import Verdict

_MOST_FINDINGS = 20
_SIGNS = {
    Status.PASSED: "✅ met",
    Status.FAILED: "❌ not met",
    Status.INCONCLUSIVE: "⚠️ unknown",
    Status.WAIVED: "☑️ waived",
}
_HEADS = {Verdict.APPROVED: "✅", Verdict.BLOCKED: "❌", Verdict.INCONCLUSIVE: "⚠️"}
# Waivers and accepted gaps stand first in a reason, and what an approval does not cover behind them.
_MOST_OF_A_TEXT, _MOST_OF_A_REASON = 600, 8_000
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~&@])")


def as_markdown(judgement: Judgement) -> str:
    """Decision, criteria, patterns and what happened by each rule. What a target sent is shown as text."""
    decision, session = judgement.decision, judgement.session
    of = "load on " if session.workload is not None else ""
    found = causes(judgement)
    lines = [
        f"## {_HEADS[decision.verdict]} {decision.verdict}: {of}{_text(session.environment)}", "",
        _text(what_was_judged(judgement)), "", _text(decision.reason, _MOST_OF_A_REASON), "",
        "| criterion | state | required | measured |", "|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {c.id} | {_SIGNS[c.status]} | {_text(c.threshold)} | {_text(c.measured)} |" for c in decision.criteria
    ]
    if judgement.compared is not None and judgement.compared.slower:
        lines += ["", f"⚠️ Slower than before: {_text(judgement.compared.said)}"]
    if judgement.patterns:
        lines += ["", "| failure pattern | measured | where to look |", "|---|---|---|"]
        lines += [f"| {seen.pattern} | {_text(seen.measured)} | {_text(seen.hint)} |" for seen in judgement.patterns]
    if found:
        lines += ["", "| rule | what happened | first in |", "|---|---|---|"]
    for cause in found[:_MOST_FINDINGS]:
        lines.append(f"| {cause.rule} | {_text(str(cause))} | {_text(cause.first.scenario)} |")
    return "\n".join([*lines, "", ""])


def _text(text: str, most: int = _MOST_OF_A_TEXT) -> str:
    """The text in one line, with Markdown and HTML escaped."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split())[:most])
