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


@pytest.mark.slow
def test_the_healthy_backend_is_approved(tmp_path: Path) -> None:
    ran = judged(tmp_path)

    assert (ran.code, ran.verdict, ran.rules) == (0, "APPROVED", set()), ran.out + ran.err
