"""A target with a scripted model that its backend never asks, or that ends in the middle of the run."""

import contextlib
import threading
from pathlib import Path

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.model.script import load_script
from greenlight_gate.targets.settings import suite_root

from support.tests.cli.process import Ran, environ, judged, wait_for
from support.tests.model.serving import RunningModel, served

EMBEDDED = (suite_root() / "support/greenlight_gate/targets/embedded.toml").read_text("utf-8")


def run_on_a_model(folder: Path, *, asks: bool) -> Ran:
    """A run of the bundled backend; one that asks the model loses it with the first call."""
    with contextlib.ExitStack() as serving, contextlib.ExitStack() as stack:
        model = serving.enter_context(served(load_script("reference")))
        url = f"http://127.0.0.1:{model.port}/v1"
        own = {"CHAT_MODEL_URL": url, "CHAT_MODEL_ANSWERS": "unknown", "CHAT_MODEL_SILENCE_S": "1"} if asks else {}
        backend = stack.enter_context(BackendProcess.start(env=environ(own)))
        text = EMBEDDED.replace('start = "embedded"', "").replace("ws://127.0.0.1:0/ws", backend.url)
        text = text.replace('script = "reference"', f'script = "reference"\nurl = "{url}"')
        (folder / "theirs.toml").write_text(text, encoding="utf-8")
        if asks:
            ending = threading.Thread(target=_end_with_first_call, args=(model, serving))
            stack.callback(ending.join)
            ending.start()
        return judged(folder, "--environment", "theirs.toml", "--categories", "functional")


def _end_with_first_call(model: RunningModel, serving: contextlib.ExitStack) -> None:
    wait_for(lambda: model.server.app.calls.count > 0, "a call")
    serving.close()


@pytest.mark.slow
def test_a_backend_that_asks_the_model_nothing_is_inconclusive(tmp_path: Path) -> None:
    ran = run_on_a_model(tmp_path, asks=False)

    assert (ran.code, ran.verdict, ran.rules) == (2, "INCONCLUSIVE", set()), ran.out
    assert "the target has a [model], and the backend asked it nothing: 14 scenarios could not see a model fail" in (
        " ".join(ran.out.split())
    )
    assert "did not ask the scripted model at http://127.0.0.1:" in ran.out


@pytest.mark.slow
def test_a_model_that_ends_in_the_middle_ends_the_run(tmp_path: Path) -> None:
    ran = run_on_a_model(tmp_path, asks=True)

    assert (ran.code, ran.verdict, ran.rules) == (2, "INCONCLUSIVE", set()), ran.out
    assert "the run was interrupted (the scripted model is gone: expected the calls of a scripted model at http" in (
        " ".join(ran.out.split())
    )
    assert "Traceback" not in ran.out + ran.err
