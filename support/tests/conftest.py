"""What tests of several folders share."""

import gc
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.services.processes import Processes
from greenlight_gate.services.runtime import StackOptions
from greenlight_gate.services.stack_folder import Folder

from support.tests import hypothesis_profiles  # noqa: F401 - registers the profiles before a test is collected
from support.tests.backend.changing import changing  # noqa: F401 - a fixture
from support.tests.backend.users import ENVIRONMENT
from support.tests.needs import skip_without_services

LONG = ("slow", "assurance")
# Of the long tests, files that take more than a minute.
LONGEST = ("test_readme_pasted.py", "test_bad_input.py", "test_jobs.py", "test_pipelines.py")


@pytest.fixture(scope="session")
def backend() -> Iterator[BackendProcess]:
    """A healthy backend that all tests share; whoever wants to break it starts one of their own."""
    with BackendProcess.start(env=ENVIRONMENT) as process:
        yield process
        assert process.alive, process.stderr_tail()
        assert process.stderr_tail() == ""


@pytest.fixture(scope="session")
def services_needed() -> None:
    """Skips, and says why, where PostgreSQL, Redis or the extra of the stack is not installed."""
    skip_without_services()


@pytest.fixture
def services_dir(services_needed: None) -> Iterator[Path]:
    """A folder for services that PostgreSQL's user can enter, whoever runs the tests; nothing is left running in it."""
    path = Path(tempfile.mkdtemp(prefix="greenlight-test-"))
    path.chmod(0o755)
    yield path
    Processes(Folder(path), dict(os.environ)).clean()


@pytest.fixture(scope="session")
def running_stack(services_needed: None) -> Iterator[Processes]:
    """A healthy stack that all tests share."""
    path = Path(tempfile.mkdtemp(prefix="greenlight-test-"))
    path.chmod(0o755)
    stack = Processes(Folder(path), dict(os.environ))
    try:
        stack.start(StackOptions(users=["u-ada", "u-bashir"]))
        yield stack
    finally:
        stack.clean()
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def database_url(running_stack: Processes) -> str:
    """The stack's PostgreSQL, for SQLAlchemy."""
    return running_stack.stack.urls()[0]


@pytest.fixture(scope="session")
def redis_url(running_stack: Processes) -> str:
    """The stack's Redis."""
    return running_stack.stack.urls()[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives a file of long tests to one worker: they share what takes long, which each worker would do for itself.

    Without this, four workers made the whole matrix of defects each, and three of them built the wheel.
    """
    if config.option.markexpr not in LONG:
        return None
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Orders the files of long tests: those that take longest begin first, or one would be left for the end.

    Each worker is given one more file at once, which waits: those with a single test are the next. Then come the
    largest.
    """
    if config.option.markexpr in LONG:
        tests = Counter(item.path for item in items)
        items.sort(key=lambda item: (item.path.name not in LONGEST, tests[item.path] > 1, -tests[item.path]))


def pytest_collection_finish() -> None:
    """Keeps thousands of tests out of each full garbage collection that follows, and lets these be rarer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the detection matrix, where it was made: what tests record as its lines, wherever they ran."""
    reports = [report for status in ("passed", "failed", "skipped") for report in terminalreporter.getreports(status)]
    lines = [text for report in reports for name, text in getattr(report, "user_properties", ()) if name == "matrix"]
    if lines:
        terminalreporter.section("what the suite catches")
        for line in sorted(lines, key=lambda text: "defects activated" in text):
            terminalreporter.write_line(line)
