"""Many virtual users in a scenario, on a server that sends nothing to who only connects."""

from pathlib import Path

from greenlight_gate.bdd.actions.load import Crowd

from support.tests.bdd.test_threads_in_the_address import PROMPTS, Threads, world


def test_users_who_only_connect_have_seen_that_they_may(tmp_path: Path) -> None:
    tool = '[prompts.with_tool]\nask = "?"\ntools = ["x"]\n'
    with world(tmp_path, Threads(), prompts=PROMPTS + tool, memory_probe=True) as here:
        crowd = Crowd(here)
        crowd.gather(2)
        assert not here.has_observed
        crowd.churn(2)
        assert here.has_observed
