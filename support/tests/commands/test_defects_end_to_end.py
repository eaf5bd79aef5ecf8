"""Some seeded defects, and the healthy backend, through the whole street: the responsible rule is named."""

from pathlib import Path

import pytest

from support.tests.commands.process import judged

DEFECTS = [
    ("started_missing", "LIFECYCLE-1", "functional"),
    ("tool_name_missing", "PAIRING-3", "functional"),
    ("events_after_completed", "LIFECYCLE-3", "functional"),
    ("duplicate_delivery", "CONTINUITY-2", "functional"),
    ("oversize_dropped_silently", "REFUSAL-4", "functional"),
    ("parallel_runs_cross_write", "IDENTITY-1", "integration"),
    ("cross_leak_only_after_reconnect", "ISOLATION-2", "security"),
    ("cross_leak_only_under_load", "ISOLATION-2", "security"),
    ("bad_signature_accepted", "REFUSAL-1", "security"),
    ("foreign_stop_accepted", "REFUSAL-2", "security"),
    ("survives_token_expiry", "REFUSAL-3", "security"),
    ("token_echoed_in_frame", "CONTENT-5", "security"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("defect", "rule", "category"), DEFECTS, ids=[row[0] for row in DEFECTS])
def test_a_defect_is_blocked_by_its_rule(tmp_path: Path, defect: str, rule: str, category: str) -> None:
    ran = judged(tmp_path, "--categories", category, "--defect", defect)

    assert (ran.code, ran.verdict) == (1, "BLOCKED"), ran.out + ran.err
    assert rule in ran.rules
    assert "Traceback" not in ran.out + ran.err


UNDER_LOAD = [
    ("every_event_delayed", "LATENCY", "performance"),
    ("throughput_capped", "LATENCY", "performance"),
    ("burst_at_the_end", "TIMELINESS-3", "performance"),
    ("ping_unanswered_during_run", "CONNECTION-2", "performance"),
    ("connections_capped", "CONNECTION-1", "stress"),
    ("refuses_after_churn", "CONNECTION-1", "stress"),
    ("drops_one_in", "SUCCESS", "stress"),
    ("memory_leak_per_run", "MEMORY", "stress"),
    ("memory_leak_per_connection", "MEMORY", "stress"),
    ("handler_leak", "MEMORY", "stress"),
    ("fd_leak", "MEMORY", "stress"),
    ("slow_client_stalls_others", "TIMELINESS-2", "stress"),
]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("defect", "names", "category"), UNDER_LOAD, ids=[row[0] for row in UNDER_LOAD])
def test_a_defect_of_many_is_blocked_by_its_rule_or_criterion(
    tmp_path: Path, defect: str, names: str, category: str
) -> None:
    ran = judged(tmp_path, "--categories", category, "--defect", defect, "--soak", "12", deadline_s=240)

    assert (ran.code, ran.verdict) == (1, "BLOCKED"), ran.out + ran.err
    broken = {each["id"] for each in ran.report["compliance_check"]["criteria"] if each["status"] == "failed"}
    assert names in ran.rules | broken
    assert "Traceback" not in ran.out + ran.err


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_healthy_backend_is_approved(tmp_path: Path) -> None:
    ran = judged(tmp_path, deadline_s=240)

    assert (ran.code, ran.verdict, ran.rules) == (0, "APPROVED", set()), ran.out + ran.err
