from collections.abc import Iterator

import pytest

from support.backend.launch import BackendProcess
from support.tests.backend.people import Person, window


@pytest.fixture
def ada(backend: BackendProcess) -> Iterator[Person]:
    with window(backend.url, "ada") as person:
        yield person
