from collections.abc import Iterator

import pytest
from greenlight_gate.backend.launch import BackendProcess

from support.tests.backend.users import Person, window


@pytest.fixture
def ada(backend: BackendProcess) -> Iterator[Person]:
    with window(backend.url, "ada") as person:
        yield person
