"""comprehensive_validation_report.json: the keys that its consumers know, and further ones."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from greenlight_gate.evidence.judge import Judgement
from greenlight_gate.evidence.session_folder import plain, write_whole
from greenlight_gate.findings import printable
from greenlight_gate.measure.load_result import figures
from greenlight_gate.measure.thresholds import success
from greenlight_gate.report.headline import causes
from greenlight_gate.rules.engine.canary import named
from greenlight_gate.verdict.criteria import LoadOfScenario, Status
from greenlight_gate.verdict.facts import ScenarioOutcome, Verdict
from greenlight_gate.verdict.memory_trend import judge_watch
from greenlight_gate.verdict.repeats import Passed, pass_hat, wilson

REPORT = "comprehensive_validation_report.json"


def as_document(judgement: Judgement) -> dict[str, Any]:
    """The report as plain JSON values; a pure function of the judgement."""
    session, decision, observed = judgement.session, judgement.decision, judgement.measured
    passed = [scenario for scenario in judgement.scenarios if scenario.outcome is ScenarioOutcome.PASSED]
    unexercised = [scenario for scenario in judgement.scenarios if scenario.outcome is ScenarioOutcome.NOT_EXERCISED]
    waived = [scenario for scenario in judgement.scenarios if scenario.waived]
    others = (*passed, *unexercised, *waived)
    failed = [scenario for scenario in judgement.scenarios if scenario not in others]
    ended, workload = judgement.ended, session.workload
    met = decision.verdict is Verdict.APPROVED
    counted = success(judgement.observed, *(load.summary for load in judgement.loads))
    return {
        "validation_session": {
            "session_id": session.session_id,
            "kind": "validation" if workload is None else "load",
            "workload": plain(workload),
            "timestamp": datetime.fromtimestamp(session.started_epoch_s, UTC).isoformat(timespec="seconds"),
            "duration_seconds": round(ended.epoch_s - session.started_epoch_s, 3) if ended is not None else None,
            "target_environment": session.environment,
            "target_version": session.target_version,
            "url": session.url,
            "categories": list(session.wanted),
            "tags": session.tags,
            "scope": judgement.scope,
            "weak": list(session.weak),
            "own_rules": plain(session.own_rules),
            "interrupted": ended.interrupted if ended is not None else "the run did not finish",
            "versions": session.versions,
        },
        "execution_results": {
            "passed": not failed and bool(passed) if workload is None else met,
            "pytest_metrics": {
                "tests_passed": len(passed),
                "tests_failed": len(failed),
                "tests_waived": len(waived),
                "tests_not_exercised": len(unexercised),
                "total_tests": len(judgement.scenarios),
            },
            "monitoring_metrics": {
                "total_events": judgement.observed.events + sum(load.summary.events for load in judgement.loads),
                "success_rate_percent": round(counted.percent, 2) if counted is not None else 0.0,
                "avg_latency_ms": observed.latency.avg_ms if observed.latency is not None else None,
                "latency": plain(observed.latency),
                "acknowledgement": plain(observed.acknowledgement),
                "first_token": plain(observed.first_token),
                "recovery": plain(observed.recovery),
                "event_kinds": list(observed.kinds),
                "messages": observed.messages,
                "unmapped_messages": observed.unmapped,
                "connections_tried": observed.connections_tried,
                "connections_made": observed.connections_made,
                "own_load": plain(judgement.measurements),
            },
            "loads": [_load(load) for load in judgement.loads],
            "memory": [
                {"kind": each.kind, "by": each.by, **plain(judge_watch(each, session.thresholds.memory_mb_growth))}
                for each in judgement.watched
            ],
            "categories": _by_category(judgement),
            "repeats": _repeats(judgement),
            "scenarios": plain(judgement.scenarios),
            "cut_matrix": plain(judgement.cells),
        },
        "compliance_check": {
            "overall_passed": met,
            "violations": [
                f"{c.id}: {c.measured}" for c in decision.criteria
                if c.status not in (Status.PASSED, Status.WAIVED)
            ],
            "criteria": plain(decision.criteria),
        },
        "findings": [
            {
                **{name: getattr(item.finding, name) for name in ("rule", "requirement", "expected", "actual")},
                "severity": str(item.finding.severity),
                "scenario": item.scenario,
                "person": item.finding.user,
                "connection": item.finding.connection,
                "run": None if item.finding.run is None else printable(named(item.finding.run)),
                "evidence": {"trace": item.trace, "records": list(item.finding.evidence)},
                "follows": item.follows,
                "waived": item.waived,
            }
            for item in judgement.findings
        ],
        "unmet_demands": [
            {
                **{name: getattr(item.finding, name) for name in ("rule", "requirement", "expected", "actual")},
                "scenario": item.scenario, "waived": item.waived,
                "evidence": {"trace": item.trace, "records": list(item.finding.evidence)},
            }
            for item in judgement.unmet
        ],
        "causes": [
            {
                "rule": cause.rule, "times": cause.times, "what": str(cause), "scenarios": list(cause.scenarios),
                "only": list(cause.only), "trace": cause.first.trace, "waived": cause.waived,
            }
            for cause in causes(judgement)
        ],
        "isolation": [{**plain(relation), "unproven": list(relation.unproven)} for relation in judgement.relations],
        "waivers": plain(judgement.waivers),
        "not_exercised": [{"scenario": s.name, "reason": s.reason} for s in unexercised],
        "deployment_decision": {
            # A load examines too little of a backend to approve a release.
            "approved": met and workload is None,
            "verdict": str(decision.verdict),
            "reason": decision.reason,
        },
    }  # fmt: skip


def _load(load: LoadOfScenario) -> dict[str, Any]:
    summary = load.summary
    names = ("connections_made", "asked", "runs", "dropped", "events", "counts", "seconds", "busy")
    latencies = ("raw", "corrected", "delivery", "whole", "silence")
    return {
        "scenario": load.scenario, "label": load.label, "discarded": load.discarded, "saturated": summary.saturated,
        "people": summary.users, **{name: getattr(summary, name) for name in names}, "lag_ms_p99": summary.lag_ms_p99,
        "success_percent": round(summary.success_percent, 3),
        "latency": {name: plain(figures(getattr(summary, name))) for name in latencies},
    }  # fmt: skip


def _repeats(judgement: Judgement) -> dict[str, Any]:
    """How often which scenarios passed, where each ran several times; of one run, `times` is 1."""
    known = [scenario.repeated for scenario in judgement.scenarios if scenario.repeated is not None]
    shares = pass_hat(known, judgement.session.repeat)
    return {
        "times": judgement.session.repeat,
        "pass_hat": {str(k): round(share, 4) for k, share in shares.items()},
        **{str(kind): sum(each.passed is kind for each in known) for kind in Passed},
        "unstable": [
            {"scenario": each.name, "category": each.category, "passes": each.passes, "times": each.times,
             "interval": [round(end, 4) for end in wilson(each.passes, each.times)], "passed": str(each.passed)}
            for each in known if each.passed is not Passed.ALWAYS
        ],
    }  # fmt: skip


def write_report(judgement: Judgement, folder: Path) -> Path:
    """Writes the report into the session folder, atomically. Raises OSError."""
    path = folder / REPORT
    write_whole(path, msgspec.json.format(msgspec.json.encode(as_document(judgement)), indent=2) + b"\n")
    return path


def _by_category(judgement: Judgement) -> dict[str, dict[str, int]]:
    none = {"passed": 0, "failed": 0, "waived": 0, "not_exercised": 0}
    rows = {category: dict(none) for category in judgement.session.wanted}
    for scenario in judgement.scenarios:
        row = rows.setdefault(scenario.category, dict(none))
        if scenario.outcome in (ScenarioOutcome.PASSED, ScenarioOutcome.NOT_EXERCISED):
            row[scenario.outcome.value] += 1
        elif scenario.waived:
            row["waived"] += 1
        else:
            row["failed"] += 1
    return rows
