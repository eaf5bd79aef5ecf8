"""Alerts: told once, told when it is over, and a line each on the disk."""

import json
from pathlib import Path

import jsonschema
from greenlight_gate.monitor.alerts import QUIET_S, Alert, AlertLog, Alerts
from greenlight_gate.report.schemas import schemas
from greenlight_gate.verdict.failure_patterns import PATTERNS, Occurrence, occurrence


def seen(last_at: float, measured: str = "6 within 2 s") -> tuple[Occurrence, ...]:
    return (occurrence("ERROR_BURST", measured, (0.0, last_at)),)


def test_a_pattern_that_goes_on_is_told_once() -> None:
    told: list[Alert] = []
    alerts = Alerts(told.append)

    for second in range(60):
        alerts.look(seen(float(second)), float(second))

    assert [(alert.level, alert.pattern, alert.measured) for alert in told] == [
        ("critical", "ERROR_BURST", "6 within 2 s")
    ]
    assert told[0].time == "1970-01-01T00:00:00.000+00:00"
    assert told[0].what_to_do == PATTERNS["ERROR_BURST"].hint


def test_one_that_is_quiet_has_recovered_and_may_come_again() -> None:
    told: list[Alert] = []
    alerts = Alerts(told.append)

    alerts.look(seen(10.0), 10.0)
    alerts.look(seen(10.0), 10.0 + QUIET_S)
    assert [alert.level for alert in told] == ["critical"]
    alerts.look(seen(10.0), 11.0 + QUIET_S)
    alerts.look(seen(10.0), 12.0 + QUIET_S)
    assert [alert.level for alert in told] == ["critical", "recovered"]
    assert told[1].measured == "not seen for 31 s; before: 6 within 2 s"
    alerts.look(seen(60.0), 60.0)
    assert [alert.level for alert in told] == ["critical", "recovered", "critical"]


def test_what_does_not_block_is_a_warning() -> None:
    told: list[Alert] = []

    Alerts(told.append).look((occurrence("BURST_DELIVERY", "3 answers", (0.0, 1.0)),), 1.0)

    assert [(alert.level, str(alert)) for alert in told] == [
        ("warning", f"BURST_DELIVERY (warning): 3 answers. {PATTERNS['BURST_DELIVERY'].hint}")
    ]


def test_each_line_of_the_log_is_json_of_its_schema(tmp_path: Path) -> None:
    alerts = Alerts(AlertLog(tmp_path / "alerts.log"))
    assert (tmp_path / "alerts.log").read_bytes() == b""

    alerts.look(seen(1.0, 'a "quote"\nand a line'), 1.0)
    alerts.look(seen(1.0), 99.0)

    lines = [json.loads(line) for line in (tmp_path / "alerts.log").read_bytes().splitlines()]
    assert [line["level"] for line in lines] == ["critical", "recovered"]
    for line in lines:
        jsonschema.Draft202012Validator(schemas()["alerts.log"]).validate(line)
