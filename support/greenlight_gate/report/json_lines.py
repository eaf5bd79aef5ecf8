"""The verdict as JSON lines, for programs that mend a backend: findings with their conversations, then the rest.

A line is an object; `kind` says of what: a finding, a scenario that failed without one, a criterion that is not met,
and last the verdict. What a target has sent is text in it: tokens are redacted in the evidence, canaries named here.
"""

import json
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from greenlight_gate.evidence.attribution import Attributed
from greenlight_gate.evidence.judge import Judgement
from greenlight_gate.evidence.session_folder import Evidence
from greenlight_gate.evidence.shorten import brief
from greenlight_gate.findings import Severity, printable_lines
from greenlight_gate.report.advice import on_criterion, on_rule, target_name
from greenlight_gate.report.finding_excerpt import ExcerptRow, excerpt
from greenlight_gate.report.headline import causes
from greenlight_gate.report.monitoring_files import PAGE
from greenlight_gate.report.run_report_schema import TEXT, Schema, object_of, one_of
from greenlight_gate.rules.engine.canary import named
from greenlight_gate.verdict.criteria import Status
from greenlight_gate.verdict.facts import ScenarioOutcome, ScenarioResult, Verdict
from greenlight_gate.verdict.scope import FULL, LOAD, PARTIAL
from greenlight_gate.wire.profile import Profile

JSON_LINES = "json-lines"
# Of a rule that is broken all the time, the first show what the others would.
_MOST_EXCERPTS = 10
_MOST_LINES = 12
_WITHOUT_FINDING = (ScenarioOutcome.FAILED, ScenarioOutcome.BROKEN, ScenarioOutcome.NOT_RUN)
_COUNT: Schema = {"type": "integer", "minimum": 0}
_ROW = object_of(
    n=_COUNT, marked={"type": "boolean"}, **dict.fromkeys(("seconds", "who", "what", "text", "frame"), TEXT)
)
_TEXTS: Schema = {"type": "array", "items": TEXT}
# What a line of each kind has beside `next` and `again`, with its JSON schema.
KINDS: dict[str, dict[str, Schema]] = {
    "finding": {
        **dict.fromkeys(("rule", "requirement", "expected", "actual", "user", "connection"), TEXT),
        **dict.fromkeys(("scenario", "feature", "follows", "waived", "excerpt_missing"), TEXT),
        "severity": one_of(Severity), "times": _COUNT, "run": {"anyOf": [TEXT, {"type": "null"}]},
        "likely_causes": _TEXTS, "excerpt": {"anyOf": [{"type": "array", "items": _ROW}, {"type": "null"}]},
        "evidence": object_of(trace=TEXT, records={"type": "array", "items": _COUNT}),
    },
    "scenario": {
        **dict.fromkeys(("scenario", "feature", "reason", "rule", "waived"), TEXT), "outcome": one_of(_WITHOUT_FINDING),
    },
    "criterion": {
        **dict.fromkeys(("criterion", "requirement", "required", "measured"), TEXT),
        "status": one_of((Status.FAILED, Status.INCONCLUSIVE)), "likely_causes": _TEXTS,
    },
    "verdict": {
        **dict.fromkeys(("reason", "session", "page"), TEXT), "verdict": one_of((*Verdict, "MISCONFIGURED")),
        "scope": one_of((FULL, PARTIAL, LOAD, "none")), "findings": _COUNT,
        "rules": {"type": "object", "additionalProperties": _COUNT},
        "patterns": {"type": "array", "items": object_of(pattern=TEXT, measured=TEXT, what_to_do=TEXT)},
    },
}  # fmt: skip


class TargetOptions(NamedTuple):
    """How commands name the target: the value of `--environment`, "" where only the session knows it, and defects."""

    name: str = ""
    defects: tuple[str, ...] = ()

    def again(self, categories: tuple[str, ...], environment: str) -> str:
        """The command that runs these categories again. `environment`: what the session knows of the target."""
        words = ["greenlight", "run", "--environment", target_name(environment, self.name)]
        words += [word for defect in self.defects for word in ("--defect", defect)]
        words += ["--categories", *categories] if categories else []
        return shlex.join([*words, "--format", JSON_LINES])


def as_lines(judgement: Judgement, folder: Path, target: TargetOptions, verdict: str, reason: str) -> Iterator[str]:
    """The lines, in ASCII, without line breaks. `verdict` and `reason` are what the exit code says.

    A finding's line comes earlier, the graver its rule; the first findings of all rules come before their others.
    """
    for document in _documents(judgement, folder, target, verdict, reason):
        yield json.dumps(_shown(document))


def unjudged(result: str, reason: str) -> str:
    """The only line of a command that judged nothing. `result`: a verdict, or MISCONFIGURED."""
    return json.dumps(_shown({**_NOTHING, "verdict": result, "reason": reason}))


def line_schema() -> Schema:
    """The JSON schema of a line."""
    commands = {"next": TEXT, "again": TEXT}
    return {"oneOf": [object_of(kind={"const": kind}, **of, **commands) for kind, of in KINDS.items()]}


_NOTHING: dict[str, Any] = {
    "kind": "verdict", "verdict": "", "reason": "", "scope": "none", "findings": 0, "rules": {}, "patterns": [],
    "session": "", "page": "", "next": "", "again": "",
}  # fmt: skip


def _documents(
    judgement: Judgement, folder: Path, target: TargetOptions, verdict: str, reason: str
) -> Iterator[dict[str, Any]]:
    session, path = judgement.session, shlex.quote(str(folder))
    target = target._replace(name=target.name or session.environment_option)
    known = {scenario.name: scenario for scenario in judgement.scenarios}
    first = ""
    for document in _findings(judgement, folder):
        scenario = known.get(document["scenario"])
        advice = on_rule(document["rule"], path, session.environment, target=target.name)
        first = first or ("" if document["waived"] else advice.command)
        of = (scenario.category,) if scenario is not None else session.wanted
        yield {
            **document, "feature": _feature(scenario), "likely_causes": advice.causes, "next": advice.command,
            "again": target.again(of, session.environment),
        }  # fmt: skip
    found = {item.scenario for item in judgement.broken}
    more = on_criterion("SCENARIOS", Status.FAILED, path, session.environment, target=target.name)
    assert more is not None
    for scenario in judgement.scenarios:
        if scenario.outcome in _WITHOUT_FINDING and scenario.name not in found:
            first = first or ("" if scenario.waived else more.command)
            yield {
                "kind": "scenario", "scenario": scenario.name, "feature": _feature(scenario),
                "outcome": str(scenario.outcome), "reason": brief(scenario.reason, _MOST_LINES), "rule": scenario.rule,
                "waived": scenario.waived, "next": more.command,
                "again": target.again((scenario.category,), session.environment),
            }  # fmt: skip
    again = target.again(session.wanted, session.environment)
    for criterion in judgement.decision.criteria:
        advice_ = on_criterion(
            criterion.id, criterion.status, path, session.environment, criterion.measured, target=target.name
        )
        if advice_ is not None:
            first = first or advice_.command
            yield {
                "kind": "criterion", "criterion": criterion.id, "status": str(criterion.status),
                "requirement": criterion.requirement, "required": criterion.threshold, "measured": criterion.measured,
                "likely_causes": advice_.causes, "next": advice_.command, "again": again,
            }  # fmt: skip
    yield {
        **_NOTHING, "verdict": verdict, "reason": reason, "scope": judgement.scope, "findings": len(judgement.broken),
        "rules": dict(Counter(item.finding.rule for item in judgement.broken)),
        "patterns": [
            {"pattern": str(each.pattern), "measured": each.measured, "what_to_do": each.hint}
            for each in judgement.patterns
        ],
        "session": str(folder),
        "page": str(folder / PAGE), "next": first, "again": again,
    }  # fmt: skip


def _findings(judgement: Judgement, folder: Path) -> Iterator[dict[str, Any]]:
    by_rule: dict[str, list[Attributed]] = {}
    for item in judgement.broken:
        by_rule.setdefault(item.finding.rule, []).append(item)
    found = causes(judgement)
    first = {cause.rule: cause.first for cause in found}
    others = [item for cause in found for item in by_rule[cause.rule] if item is not first[cause.rule]]
    times = {cause.rule: cause.times for cause in found}
    profile = Profile.from_toml(judgement.session.profile_toml) if found else None
    shown: Counter[str] = Counter()
    for item in [*first.values(), *others]:
        finding = item.finding
        shown[finding.rule] += 1
        rows: list[ExcerptRow] | None = None
        missing = f"only the first {_MOST_EXCERPTS} findings of a rule have one"
        if profile is not None and shown[finding.rule] <= _MOST_EXCERPTS:
            rows, missing = _excerpt(item, folder, profile)
        yield {
            "kind": "finding", "rule": finding.rule, "severity": str(finding.severity), "times": times[finding.rule],
            "requirement": finding.requirement, "expected": finding.expected, "actual": finding.actual,
            "user": finding.user, "connection": finding.connection, "run": finding.run, "scenario": item.scenario,
            "follows": item.follows, "waived": item.waived,
            "excerpt": None if rows is None else [row._asdict() for row in rows],
            "excerpt_missing": missing, "evidence": {"trace": item.trace, "records": finding.evidence},
        }  # fmt: skip


def _excerpt(item: Attributed, folder: Path, profile: Profile) -> tuple[list[ExcerptRow] | None, str]:
    try:
        return excerpt(Evidence(folder).inside(item.trace), profile, frozenset(item.finding.evidence)), ""
    except (OSError, msgspec.MsgspecError) as error:
        return None, f"the trace cannot be read: {error}"


def _feature(scenario: ScenarioResult | None) -> str:
    """Where the scenario is written, as `features/functional/work_began.feature:7`."""
    return f"features/{scenario.key}" if scenario is not None else ""


def _shown(value: Any) -> Any:
    """The document with each text as reports print it: canaries named, no character that acts on a terminal."""
    if isinstance(value, str):
        return printable_lines(named(value))
    if isinstance(value, dict):
        return {name: _shown(each) for name, each in value.items()}
    return [_shown(each) for each in value] if isinstance(value, list | tuple) else value
