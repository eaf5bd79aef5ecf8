"""A person who waits no longer than the budgets say."""

import pytest


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.client.session._MARGIN_S", 0.0)
