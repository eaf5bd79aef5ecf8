"""The bundled backend by HTTP: a category approves it, and blocks it with a defect, as over its WebSocket."""

from pathlib import Path

import pytest

from support.tests.cli.process import judged

TARGET = ("--environment", "embedded-sse", "--categories")


@pytest.mark.slow
@pytest.mark.parametrize("category", ["functional", "integration"])
def test_a_category_approves_the_healthy_backend(tmp_path: Path, category: str) -> None:
    ran = judged(tmp_path, *TARGET, category)

    assert (ran.code, ran.verdict) == (0, "APPROVED"), ran.out + ran.err
    assert "Traceback" not in ran.out + ran.err


@pytest.mark.slow
def test_a_defect_is_blocked_by_its_rule(tmp_path: Path) -> None:
    ran = judged(tmp_path, *TARGET, "integration", "--defect", "retried_post_starts_a_second_run")

    assert (ran.code, ran.verdict) == (1, "BLOCKED"), ran.out + ran.err
    assert "IDENTITY-1" in ran.rules
