from collections.abc import Iterator

import pytest
from greenlight_gate.backend.launch import BackendProcess

from support.tests.backend.users import User, tab


@pytest.fixture
def ada(backend: BackendProcess) -> Iterator[User]:
    with tab(backend.url, "ada") as user:
        yield user
