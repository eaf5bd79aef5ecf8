"""The bundled backend by HTTP, and over a channel: approved, and blocked with a defect, as over its WebSocket."""

from pathlib import Path

import pytest

from support.tests.cli.process import judged

# A defect of each, with the category and the rule that block it.
DEFECTS = {
    "embedded-sse": ("integration", "retried_post_starts_a_second_run", "IDENTITY-1"),
    "embedded-channel": ("security", "channel_mixes_users", "ISOLATION-2"),
}


@pytest.mark.slow
@pytest.mark.parametrize("category", ["functional", "integration"])
@pytest.mark.parametrize("environment", DEFECTS)
def test_a_category_approves_the_healthy_backend(tmp_path: Path, environment: str, category: str) -> None:
    ran = judged(tmp_path, "--environment", environment, "--categories", category)

    assert (ran.code, ran.verdict) == (0, "APPROVED"), ran.out + ran.err
    assert "Traceback" not in ran.out + ran.err


@pytest.mark.slow
@pytest.mark.parametrize("environment", DEFECTS)
def test_a_defect_is_blocked_by_its_rule(tmp_path: Path, environment: str) -> None:
    category, defect, rule = DEFECTS[environment]
    ran = judged(tmp_path, "--environment", environment, "--categories", category, "--defect", defect)

    assert (ran.code, ran.verdict) == (1, "BLOCKED"), ran.out + ran.err
    assert rule in ran.rules
