"""The targets and the scripts of servers that are run on the scripted model can be read, and belong together."""

import pytest
from greenlight_gate.model.script import load_script
from greenlight_gate.targets.settings import load_target

from support.tests.live.servers import HERE, SERVERS


@pytest.mark.parametrize("name", [name for name, server in SERVERS.items() if server.fails])
def test_the_prompt_that_fails_is_the_one_at_which_the_model_fails(name: str) -> None:
    script = load_script(SERVERS[name].script, HERE)
    failing = load_target(str(HERE / f"{name}.toml")).prompts.failing_agent

    assert failing is not None
    assert [answer.ask for answer in script.answers if answer.fault] == [failing.ask]
