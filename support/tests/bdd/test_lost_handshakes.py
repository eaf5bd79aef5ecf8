"""A connection can be lost in its handshake only where there is one."""

from pathlib import Path

import pytest
from greenlight_gate.bdd.actions.network import Network
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.session.validation_session import SessionPlan

from support.tests.bdd.worlds import world_of
from support.tests.live.servers import EXAMPLES


def test_a_tab_by_http_that_begins_without_a_request_has_no_handshake(tmp_path: Path) -> None:
    target = tmp_path / "target.toml"
    target.write_text((EXAMPLES / "ai-sdk.toml").read_text().replace("warm_up_runs = 1", "warm_up_runs = 0"))
    plan = SessionPlan(environment=str(target), output_dir=tmp_path, environ={})
    without = pytest.raises(NotExercised, match=r"begins without a request \(connection\.opening\)")
    with world_of(plan) as here, without:
        Network(here).lose_during_handshake("Ada")
