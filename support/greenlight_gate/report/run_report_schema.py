"""The JSON schema of comprehensive_validation_report.json."""

from typing import Any

import msgspec

from greenlight_gate.categories import CATEGORIES, OWN
from greenlight_gate.evidence.cut_matrix import CutCell
from greenlight_gate.evidence.session_folder import JudgedRule, Measurements
from greenlight_gate.measure.latency_summary import LatencySummary
from greenlight_gate.rules.isolation import IsolationPair
from greenlight_gate.verdict.criteria import Criterion
from greenlight_gate.verdict.facts import ScenarioResult, Verdict
from greenlight_gate.verdict.load_verdict import Workload
from greenlight_gate.verdict.memory_trend import MemoryVerdict
from greenlight_gate.verdict.repeats import Passed
from greenlight_gate.verdict.scope import FULL, LOAD, PARTIAL
from greenlight_gate.verdict.waivers import JudgedWaiver

Schema = dict[str, Any]


def object_of(**properties: Schema) -> Schema:
    """The schema of an object that has all of these properties, and may have more."""
    return {"type": "object", "required": list(properties), "properties": properties}


def one_of(values: Any) -> Schema:
    """The schema of one of these strings."""
    return {"enum": [str(value) for value in values]}


TEXT: Schema = {"type": "string"}
_BOOL: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "number"}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_PERCENT: Schema = {"type": "number", "minimum": 0, "maximum": 100}


def report_schema() -> Schema:
    """The schema of the whole file."""
    structs = (
        LatencySummary, Measurements, ScenarioResult, Criterion, CutCell, IsolationPair, JudgedRule, JudgedWaiver,
        MemoryVerdict, Workload,
    )  # fmt: skip
    parts, definitions = msgspec.json.schema_components(structs, ref_template="#/$defs/{name}")
    of = dict(zip((struct.__name__ for struct in structs), parts, strict=True))
    counts = object_of(passed=_COUNT, failed=_COUNT, waived=_COUNT, not_exercised=_COUNT)
    figures = _or_null(of["LatencySummary"])
    return object_of(
        validation_session=object_of(
            session_id=TEXT, kind=one_of(("validation", "load")), workload=_or_null(of["Workload"]),
            timestamp={"type": "string", "format": "date-time"}, duration_seconds=_or_null(_NUMBER),
            target_environment=TEXT, target_version=TEXT, url=TEXT, categories=_list(TEXT), tags=TEXT, interrupted=TEXT,
            scope=one_of((FULL, PARTIAL, LOAD)), weak=_list(TEXT),
            own_rules=_list(of["JudgedRule"]),
            versions={"type": "object", "additionalProperties": TEXT},
        ),
        execution_results=object_of(
            passed=_BOOL,
            pytest_metrics=object_of(
                tests_passed=_COUNT, tests_failed=_COUNT, tests_waived=_COUNT, tests_not_exercised=_COUNT,
                total_tests=_COUNT,
            ),
            monitoring_metrics=object_of(
                total_events=_COUNT, success_rate_percent=_PERCENT, avg_latency_ms=_or_null(_NUMBER), latency=figures,
                acknowledgement=figures, first_token=figures, recovery=figures, event_kinds=_list(TEXT),
                messages=_COUNT, unmapped_messages=_COUNT, connections_tried=_COUNT, connections_made=_COUNT,
                own_load=_or_null(of["Measurements"]),
            ),
            loads=_list(_load(figures)),
            memory=_list(_and(definitions["MemoryVerdict"], kind=TEXT, by=TEXT)),
            categories={"type": "object", "propertyNames": one_of((*CATEGORIES, OWN)), "additionalProperties": counts},
            repeats=object_of(
                times=_COUNT, pass_hat={"type": "object", "additionalProperties": _SHARE}, always=_COUNT,
                sometimes=_COUNT, never=_COUNT, unstable=_list(object_of(
                    scenario=TEXT, category=one_of((*CATEGORIES, OWN)), passes=_COUNT, times=_COUNT,
                    interval=_list(_SHARE), passed=one_of(Passed),
                )),
            ),
            scenarios=_list(of["ScenarioResult"]),
            cut_matrix=_list(of["CutCell"]),
        ),
        compliance_check=object_of(overall_passed=_BOOL, violations=_list(TEXT), criteria=_list(of["Criterion"])),
        findings=_list(object_of(
            rule=TEXT, severity=one_of(("critical", "normal")), requirement=TEXT, expected=TEXT, actual=TEXT,
            scenario=TEXT, person=TEXT, connection=TEXT, run=_or_null(TEXT),
            evidence=object_of(trace=TEXT, records=_list(_COUNT)), follows=TEXT, waived=TEXT,
        )),
        unmet_demands=_list(object_of(
            **dict.fromkeys(("rule", "requirement", "expected", "actual", "scenario", "waived"), TEXT),
            evidence=object_of(trace=TEXT, records=_list(_COUNT)),
        )),
        causes=_list(object_of(
            rule=TEXT, times=_COUNT, what=TEXT, scenarios=_list(TEXT), only=_list(TEXT), trace=TEXT, waived=_COUNT,
        )),
        isolation=_list(_and(definitions["IsolationPair"], unproven=_list(TEXT))),
        waivers=_list(of["JudgedWaiver"]),
        not_exercised=_list(object_of(scenario=TEXT, reason=TEXT)),
        deployment_decision=object_of(approved=_BOOL, verdict=one_of(Verdict), reason=TEXT),
    ) | {"$defs": definitions}  # fmt: skip


def _load(figures: Schema) -> Schema:
    latencies = ("raw", "corrected", "delivery", "whole", "silence")
    return object_of(
        scenario=TEXT, label=TEXT, discarded=_BOOL, saturated=TEXT, people=_COUNT, connections_made=_COUNT,
        asked=_COUNT, runs=_COUNT, dropped=_COUNT, events=_COUNT, seconds=_NUMBER, busy=_NUMBER, lag_ms_p99=_NUMBER,
        counts={"type": "object", "additionalProperties": _COUNT}, success_percent=_PERCENT,
        latency=object_of(**dict.fromkeys(latencies, figures)),
    )  # fmt: skip


def _and(schema: Schema, **more: Schema) -> Schema:
    """The schema of an object with further properties."""
    properties, required = {**schema["properties"], **more}, [*schema["required"], *more]
    return {**schema, "properties": properties, "required": required}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [{"type": "null"}, schema]}
