"""The targets and the scripts of servers that are run on the scripted model can be read, and belong together."""

import pytest
from greenlight_gate.model.script import load_script
from greenlight_gate.session.compatibility import check_profile_and_target
from greenlight_gate.targets.settings import load_target

from support.tests.live.servers import HERE, SERVERS
from support.tests.wire.recorded import shipped


@pytest.mark.parametrize("name", [name for name, server in SERVERS.items() if server.fails])
def test_the_prompt_that_fails_is_the_one_at_which_the_model_fails(name: str) -> None:
    script = load_script(SERVERS[name].script, HERE)
    failing = load_target(str(HERE / SERVERS[name].target)).prompts.failing_agent

    assert failing is not None
    assert [answer.ask for answer in script.answers if answer.fault] == [failing.ask]


@pytest.mark.parametrize("name", [name for name, server in SERVERS.items() if server.target and not server.fails])
def test_the_target_beside_a_server_is_of_its_port_and_of_its_model(name: str) -> None:
    server = SERVERS[name]
    target = load_target(str(HERE / server.target), dict(server.judged_with))

    check_profile_and_target(shipped(target.profile), target)
    assert target.url.endswith(f":{server.port}")
    assert target.model is not None
    assert target.model.url == server.environ["LIVE_MODEL_URL"]
    folder = (HERE / server.target).parent
    assert load_script(target.model.script, folder) == load_script(server.script, HERE)
