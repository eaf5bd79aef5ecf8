"""The stack through the whole street: the healthy one is approved, and each of its defects is blocked by its rule."""

from pathlib import Path

import pytest

from support.backend.defects import REGISTRY
from support.services.folder import FOLDER_VARIABLE, Folder, process_of
from support.tests.commands.process import DEADLINE_S, Ran, ended, started

QUICK = "@needs.replicas and not @needs.services"
DEFECTS = [
    ("fan_out_to_one_replica", "LIFECYCLE-2", "resilience", QUICK),
    ("resume_knows_only_its_replica", "CONTINUITY-1", "resilience", QUICK),
    ("redis_channel_shared_by_all_users", "ISOLATION-1", "security", QUICK),
    ("session_cache_keyed_by_thread_only", "REFUSAL-2", "security", QUICK),
    ("token_cache_ignores_expiry", "REFUSAL-1", "security", "@pass_ends"),
]


def judged(folder: Path, services: Path, *arguments: str) -> Ran:
    command = ("run", "--output-dir", "reports", "--environment", "local", *arguments)
    with started(folder, *command, env={FOLDER_VARIABLE: str(services)}) as process:
        return ended(process, folder, DEADLINE_S * 4)


def left_running(services: Path) -> list[str]:
    programs = Folder(services).read()["programs"]
    assert programs
    return [name for name, record in programs.items() if process_of(record)]


def test_every_defect_of_the_stack_is_proven() -> None:
    assert {row[0] for row in DEFECTS} == {name for name, found in REGISTRY.items() if found.family == "stack"}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("row", DEFECTS, ids=[row[0] for row in DEFECTS])
def test_a_defect_is_blocked_by_its_rule(tmp_path: Path, services_dir: Path, row: tuple[str, str, str, str]) -> None:
    defect, rule, category, tags = row
    ran = judged(tmp_path, services_dir, "--categories", category, "--tags", tags, "--defect", defect)

    assert (ran.code, ran.verdict) == (1, "BLOCKED"), ran.out + ran.err
    assert rule in ran.rules
    assert "Traceback" not in ran.out + ran.err
    assert left_running(services_dir) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_healthy_stack_is_approved_and_nothing_of_it_is_left(tmp_path: Path, services_dir: Path) -> None:
    ran = judged(tmp_path, services_dir, "--tags", "@needs.replicas")

    assert (ran.code, ran.verdict, ran.rules) == (0, "APPROVED", set()), ran.out + ran.err
    assert ran.report["execution_results"]["categories"]["resilience"]["not_exercised"] == 0
    assert left_running(services_dir) == []


def test_a_stack_is_not_started_where_that_was_not_wanted(tmp_path: Path, services_dir: Path) -> None:
    ran = judged(tmp_path, services_dir, "--skip-services-check")

    assert ran.code == 3
    assert "none were started here, and --skip-services-check starts none" in ran.err
