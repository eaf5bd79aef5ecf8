"""The bundled backend on the scripted model: what it shows of a model's work is approved as well."""

from pathlib import Path

import pytest
from greenlight_gate.model.script import load_script

from support.tests.cli.process import judged
from support.tests.model.serving import served


@pytest.mark.slow
def test_the_backend_is_approved_with_a_model(tmp_path: Path) -> None:
    with served(load_script("reference")) as model:
        env = {"CHAT_MODEL_URL": f"http://127.0.0.1:{model.port}/v1"}
        ran = judged(tmp_path, "--categories", "functional", env=env)
        calls = model.calls()

    assert (ran.code, ran.verdict) == (0, "APPROVED"), ran.out
    # Stopped runs may leave a call; the agent that fails does so because of its model.
    states = {call["state"] for call in calls}
    assert {"finished", "unfinished"} <= states <= {"finished", "unfinished", "left"}
    assert [call["asked"] for call in calls if not call["scripted"]] == []
