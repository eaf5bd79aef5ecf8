"""Users who wait a little longer than the budgets say, and not much longer; who hangs up is not waited for."""

import pytest


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("rules.engine.deadlines", "load.shard"):
        monkeypatch.setattr(f"greenlight_gate.{module}.MARGIN_S", 0.3)
    monkeypatch.setattr("greenlight_gate.load.shard._CLOSE_S", 0.3)
