"""A server that answers one request at a time by HTTP/2: what is sent at the same moment waits in the client."""

from pathlib import Path

import pytest
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.session.validation_session import SessionPlan
from h2.settings import SettingCodes

from support.tests.bdd.worlds import world_of
from support.tests.cli.process import environ, target
from support.tests.hostile import http2
from support.tests.hostile.conduct import Talk
from support.tests.hostile.server import HostileServer


async def _not_asked(talk: Talk) -> None:
    raise AssertionError(talk)


def test_no_request_is_sent_twice_at_the_same_moment(tmp_path: Path) -> None:
    act = http2.chat(_not_asked, {SettingCodes.MAX_CONCURRENT_STREAMS: 1})
    with HostileServer(act, act) as server:
        url = f"http://127.0.0.1:{server.port}"
        path = target(tmp_path, url, profile="agent-events-sse", http_version="2")
        plan = SessionPlan(environment=str(path), output_dir=tmp_path / "out", environ=environ())
        with world_of(plan) as here:
            here.connect("Ada")
            with pytest.raises(NotExercised, match="allows one request at a time"):
                here.ask_twice("Ada", "with_tool")
            assert not here.questions
