"""JSON schemas (draft 2020-12) of the files of a session, for other tools."""

import msgspec

from greenlight_gate.evidence.envelope import Envelope
from greenlight_gate.evidence.manifest import Manifest
from greenlight_gate.evidence.session_folder import Entry, JudgedTarget, Measurements
from greenlight_gate.monitor.monitoring_summary import FailurePatterns, MonitoringSummary
from greenlight_gate.monitor.round import Round
from greenlight_gate.report.json_lines import line_schema
from greenlight_gate.report.run_report_schema import TEXT, Schema, object_of, one_of, report_schema
from greenlight_gate.trace import AnyRecord, Header
from greenlight_gate.verdict.baseline import Baseline
from greenlight_gate.verdict.criteria import LoadOfScenario
from greenlight_gate.verdict.memory_trend import MemorySamples

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, Schema]:
    """The schemas by the path of their file in the session folder; for JSON lines, the schema of one line.

    `json-lines` is what `greenlight run --format json-lines` prints.
    """
    by_file: dict[str, Schema] = {
        "comprehensive_validation_report.json": report_schema(),
        "monitoring/monitoring_summary.json": msgspec.json.schema(MonitoringSummary),
        "monitoring/failure_patterns.json": msgspec.json.schema(FailurePatterns),
        "alerts.log": _alert(),
        "attestation.json": msgspec.json.schema(Envelope),
        "evidence/manifest.json": msgspec.json.schema(Manifest),
        "evidence/session.json": msgspec.json.schema(JudgedTarget),
        "evidence/measurements.json": msgspec.json.schema(Measurements),
        "evidence/baseline.json": msgspec.json.schema(Baseline),
        "evidence/ledger.jsonl": msgspec.json.schema(Entry),
        "evidence/traces/*.jsonl": _trace(),
        "evidence/load/*.json": msgspec.json.schema(LoadOfScenario),
        "evidence/load/*.jsonl": _trace(),
        "evidence/watched/*.json": msgspec.json.schema(MemorySamples),
        "evidence/rounds.jsonl": msgspec.json.schema(Round),
        "json-lines": line_schema(),
    }
    return {name: {"$schema": _DIALECT, "title": name, **schema} for name, schema in by_file.items()}


def _trace() -> Schema:
    (header, record), parts = msgspec.json.schema_components([Header, AnyRecord], ref_template="#/$defs/{name}")
    return {"anyOf": [header, record], "$defs": parts}


def _alert() -> Schema:
    return object_of(
        time={"type": "string", "format": "date-time"}, level=one_of(("critical", "warning", "recovered")),
        pattern=TEXT, measured=TEXT, threshold=TEXT, what_to_do=TEXT, change=one_of(("begin", "worse", "over")),
    )  # fmt: skip
