"""ctrf-report.json, the Common Test Report Format (github.com/ctrf-io/ctrf): the same tests as in junit.xml, as JSON.

It has fewer words for outcomes: what broke in the suite, and a criterion that is unknown, is `other`, with our own word
as `rawStatus`. A scenario that passed now and then is `failed`, and not `flaky`, which there means passed in the end;
what failed and is waived is `skipped`.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from greenlight_gate import __version__
from greenlight_gate.evidence.judge import Judgement
from greenlight_gate.evidence.session_folder import write_whole
from greenlight_gate.evidence.shorten import brief
from greenlight_gate.verdict.criteria import Criterion, Status
from greenlight_gate.verdict.facts import ScenarioOutcome, ScenarioResult
from greenlight_gate.verdict.reason import in_one_line
from greenlight_gate.verdict.repeats import figures

CTRF = "ctrf-report.json"
SPEC_VERSION = "0.0.0"
_MOST_LINES = 40
_STATUS = {
    ScenarioOutcome.PASSED: "passed", ScenarioOutcome.FAILED: "failed", ScenarioOutcome.BROKEN: "other",
    ScenarioOutcome.NOT_EXERCISED: "skipped", ScenarioOutcome.NOT_RUN: "pending",
}  # fmt: skip
_STATUS_OF_CRITERION = {
    Status.PASSED: "passed", Status.FAILED: "failed", Status.INCONCLUSIVE: "other", Status.WAIVED: "skipped",
}  # fmt: skip


def as_ctrf(judgement: Judgement) -> dict[str, Any]:
    """The file's content; a pure function of the judgement. Times are milliseconds."""
    session, decision = judgement.session, judgement.decision
    ended_s = judgement.ended.epoch_s if judgement.ended is not None else session.started_epoch_s
    tests = [_scenario(each, judgement.durations.get(each.key, 0.0)) for each in judgement.scenarios]
    tests += [_criterion(each) for each in decision.criteria]
    counts = {
        status: sum(test["status"] == status for test in tests)
        for status in ("passed", "failed", "skipped", "pending", "other")
    }
    return {
        "reportFormat": "CTRF",
        "specVersion": SPEC_VERSION,
        "reportId": str(uuid5(NAMESPACE_URL, f"greenlight:{session.session_id}:{session.url}")),
        "timestamp": datetime.fromtimestamp(ended_s, UTC).isoformat(timespec="seconds"),
        "generatedBy": f"greenlight {__version__}",
        "results": {
            "tool": {"name": "greenlight", "version": session.versions.get("greenlight", __version__)},
            "summary": {
                "tests": len(tests),
                **counts,
                "suites": len({test["suite"][0] for test in tests}),
                "start": round(session.started_epoch_s * 1e3),
                "stop": round(ended_s * 1e3),
            },
            "tests": tests,
            "environment": {"testEnvironment": session.environment, "extra": {"url": session.url}},
            "extra": {"verdict": str(decision.verdict), "reason": decision.reason, "scope": judgement.scope},
        },
    }


def write_ctrf(judgement: Judgement, folder: Path) -> None:
    """Writes it into the session folder, atomically. Raises OSError."""
    write_whole(folder / CTRF, msgspec.json.format(msgspec.json.encode(as_ctrf(judgement)), indent=2) + b"\n")


def _scenario(scenario: ScenarioResult, took_s: float) -> dict[str, Any]:
    place, _, line = scenario.key.partition(":")
    test = _test(
        scenario.key, scenario.name, "skipped" if scenario.waived else _STATUS[scenario.outcome], [scenario.category]
    )
    test |= {"duration": round(took_s * 1e3), "rawStatus": str(scenario.outcome), "filePath": f"features/{place}"}
    if line.isdecimal():
        test["line"] = int(line)
    if scenario.outcome is not ScenarioOutcome.PASSED:
        test |= {"message": in_one_line(scenario.reason), "trace": brief(scenario.reason, _MOST_LINES)}
    if scenario.waived:
        test |= {"rawStatus": "waived", "message": f"waived: {scenario.waived}"}
    if scenario.rule:
        test["labels"] = {"rule": scenario.rule}
    if scenario.times > 1:
        test["extra"] = {"passes": scenario.passes, "times": scenario.times}
        # Of one that failed, the reason says it.
        test.setdefault("message", f"passed {figures(scenario.passes, scenario.times)}")
    return test


def _criterion(criterion: Criterion) -> dict[str, Any]:
    status = _STATUS_OF_CRITERION[criterion.status]
    said = f"{criterion.requirement} Required: {criterion.threshold}; measured: {criterion.measured}"
    test = _test(f"criterion:{criterion.id}", criterion.id, status, ["criteria of approval"])
    return test | {"duration": 0, "rawStatus": str(criterion.status), "message": said}


def _test(key: str, name: str, status: str, suite: list[str]) -> dict[str, Any]:
    return {"id": str(uuid5(NAMESPACE_URL, f"greenlight:{key}")), "name": name, "status": status, "suite": suite}
