from collections.abc import Iterator

import pytest

from support.backend.launch import BackendProcess
from support.tests.backend.people import ENVIRONMENT, Person, window


@pytest.fixture(scope="session")
def backend() -> Iterator[BackendProcess]:
    """A healthy backend that all tests share; whoever wants to break it starts one of their own."""
    with BackendProcess.start(env=ENVIRONMENT) as process:
        yield process
        assert process.alive, process.stderr_tail()
        assert process.stderr_tail() == ""


@pytest.fixture
def ada(backend: BackendProcess) -> Iterator[Person]:
    with window(backend.url, "ada") as person:
        yield person
