"""A user who waits no longer than the budgets say."""

import pytest


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("rules.engine.deadlines", "client.session"):
        monkeypatch.setattr(f"greenlight_gate.{module}.MARGIN_S", 0.0)
