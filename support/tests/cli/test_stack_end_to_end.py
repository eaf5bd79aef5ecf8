"""The stack through the whole street: the healthy one is approved; features/assurance has its defects."""

from pathlib import Path

import pytest
from greenlight_gate.services.stack_folder import FOLDER_VARIABLE, Folder, process_of

from support.tests.cli.process import DEADLINE_S, Ran, ended, started


def judged(folder: Path, services: Path, *arguments: str) -> Ran:
    command = ("run", "--output-dir", "reports", "--environment", "local", *arguments)
    with started(folder, *command, env={FOLDER_VARIABLE: str(services)}) as process:
        return ended(process, folder, DEADLINE_S * 4)


def left_running(services: Path) -> list[str]:
    programs = Folder(services).read()["programs"]
    assert programs
    return [name for name, record in programs.items() if process_of(record)]


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
    assert "none are running, and --skip-services-check starts none" in ran.err
