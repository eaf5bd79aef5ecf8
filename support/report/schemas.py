"""JSON schemas of what a session leaves behind (draft 2020-12), for those who read it with other tools."""

from typing import Any

import msgspec

from support.baseline import Baseline
from support.course.summary import FailurePatterns, MonitoringSummary
from support.report.evidence import Entry, Judged, Measurements
from support.trace import AnyRecord, Header
from support.verdict import CATEGORIES, Outcome, Status, Verdict

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def _object(**properties: Schema) -> Schema:
    """An object that has all of these, and may have more."""
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _one_of(values: Any) -> Schema:
    return {"enum": [str(value) for value in values]}


def _or_null(kind: str) -> Schema:
    return {"type": [kind, "null"]}


_TEXT: Schema = {"type": "string"}
_BOOL: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_FIGURES: Schema = {
    "anyOf": [
        {"type": "null"},
        _object(
            samples=_COUNT, **{name: {"type": "number"} for name in ("avg_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms")}
        ),
    ]
}


def _report() -> Schema:
    counts = _object(passed=_COUNT, failed=_COUNT, not_exercised=_COUNT)
    return _object(
        validation_session=_object(
            session_id=_TEXT, timestamp={"type": "string", "format": "date-time"}, duration_seconds=_or_null("number"),
            target_environment=_TEXT, url=_TEXT, categories=_list(_TEXT), tags=_TEXT, interrupted=_TEXT,
            versions={"type": "object", "additionalProperties": _TEXT},
        ),
        execution_results=_object(
            passed=_BOOL,
            pytest_metrics=_object(
                tests_passed=_COUNT, tests_failed=_COUNT, tests_not_exercised=_COUNT, total_tests=_COUNT
            ),
            monitoring_metrics=_object(
                total_events=_COUNT, success_rate_percent={"type": "number", "minimum": 0, "maximum": 100},
                avg_latency_ms=_or_null("number"), latency=_FIGURES, acknowledgement=_FIGURES,
                event_kinds=_list(_TEXT), messages=_COUNT, unmapped_messages=_COUNT, connections_tried=_COUNT,
                connections_made=_COUNT,
            ),
            categories={"type": "object", "propertyNames": _one_of(CATEGORIES), "additionalProperties": counts},
            scenarios=_list(_object(key=_TEXT, name=_TEXT, category=_TEXT, outcome=_one_of(Outcome))),
        ),
        compliance_check=_object(
            overall_passed=_BOOL, violations=_list(_TEXT),
            criteria=_list(_object(
                id=_TEXT, requirement=_TEXT, threshold=_TEXT, measured=_TEXT, samples=_COUNT, status=_one_of(Status)
            )),
        ),
        findings=_list(_object(
            rule=_TEXT, severity=_one_of(("critical", "normal")), requirement=_TEXT, expected=_TEXT, actual=_TEXT,
            scenario=_TEXT, evidence=_object(trace=_TEXT, records=_list(_COUNT)),
        )),
        deployment_decision=_object(approved=_BOOL, verdict=_one_of(Verdict), reason=_TEXT),
    )  # fmt: skip


def schemas() -> dict[str, Schema]:
    """The schemas by the file that they are of, inside the session folder; of JSON lines, that of one line."""
    by_file: dict[str, Schema] = {
        "comprehensive_validation_report.json": _report(),
        "monitoring/monitoring_summary.json": msgspec.json.schema(MonitoringSummary),
        "monitoring/failure_patterns.json": msgspec.json.schema(FailurePatterns),
        "alerts.log": _alert(),
        "evidence/session.json": msgspec.json.schema(Judged),
        "evidence/measurements.json": msgspec.json.schema(Measurements),
        "evidence/baseline.json": msgspec.json.schema(Baseline),
        "evidence/ledger.jsonl": msgspec.json.schema(Entry),
        "evidence/traces/*.jsonl": _trace(),
    }
    return {name: {"$schema": _DIALECT, "title": name, **schema} for name, schema in by_file.items()}


def _trace() -> Schema:
    (header, record), parts = msgspec.json.schema_components([Header, AnyRecord], ref_template="#/$defs/{name}")
    return {"anyOf": [header, record], "$defs": parts}


def _alert() -> Schema:
    return _object(
        time={"type": "string", "format": "date-time"}, level=_one_of(("critical", "warning", "recovered")),
        pattern=_TEXT, measured=_TEXT, threshold=_TEXT, what_to_do=_TEXT,
    )  # fmt: skip
