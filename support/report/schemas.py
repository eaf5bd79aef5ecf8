"""JSON schemas of what a session leaves behind (draft 2020-12), for those who read it with other tools."""

import msgspec

from support.baseline import Baseline
from support.course.summary import FailurePatterns, MonitoringSummary
from support.criteria import Loaded
from support.memory import Watched
from support.report.evidence import Entry, Judged, Measurements
from support.report.report_schema import TEXT, Schema, object_of, one_of, report_schema
from support.trace import AnyRecord, Header

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, Schema]:
    """The schemas by the file that they are of, inside the session folder; of JSON lines, that of one line."""
    by_file: dict[str, Schema] = {
        "comprehensive_validation_report.json": report_schema(),
        "monitoring/monitoring_summary.json": msgspec.json.schema(MonitoringSummary),
        "monitoring/failure_patterns.json": msgspec.json.schema(FailurePatterns),
        "alerts.log": _alert(),
        "evidence/session.json": msgspec.json.schema(Judged),
        "evidence/measurements.json": msgspec.json.schema(Measurements),
        "evidence/baseline.json": msgspec.json.schema(Baseline),
        "evidence/ledger.jsonl": msgspec.json.schema(Entry),
        "evidence/traces/*.jsonl": _trace(),
        "evidence/load/*.json": msgspec.json.schema(Loaded),
        "evidence/load/*.jsonl": _trace(),
        "evidence/watched/*.json": msgspec.json.schema(Watched),
    }
    return {name: {"$schema": _DIALECT, "title": name, **schema} for name, schema in by_file.items()}


def _trace() -> Schema:
    (header, record), parts = msgspec.json.schema_components([Header, AnyRecord], ref_template="#/$defs/{name}")
    return {"anyOf": [header, record], "$defs": parts}


def _alert() -> Schema:
    return object_of(
        time={"type": "string", "format": "date-time"}, level=one_of(("critical", "warning", "recovered")),
        pattern=TEXT, measured=TEXT, threshold=TEXT, what_to_do=TEXT,
    )  # fmt: skip
