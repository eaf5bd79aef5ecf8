"""The defects of the calls to the model show in these calls, and the healthy backend shows nothing of the kind."""

from collections.abc import Callable, Iterator

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.model.script import load_script

from support.tests.backend.broken_model_calls import DISCONNECT, SHOWN
from support.tests.backend.users import ENVIRONMENT
from support.tests.model.serving import RunningModel, served

Shows = Callable[[str, RunningModel], bool]


@pytest.fixture(scope="module")
def model() -> Iterator[RunningModel]:
    with served(load_script("reference")) as running:
        yield running


@pytest.fixture(params=[(), (DISCONNECT,), tuple(sorted(SHOWN.keys() - {DISCONNECT}))], ids=["none", "one", "others"])
def defects(request: pytest.FixtureRequest) -> tuple[str, ...]:
    given: tuple[str, ...] = request.param
    return given


def test_a_defect_shows_and_the_healthy_backend_does_not(defects: tuple[str, ...], model: RunningModel) -> None:
    url = f"http://127.0.0.1:{model.port}/v1"
    env = {**ENVIRONMENT, "CHAT_MODEL_URL": url, "CHAT_RUNS_END_WITH_CONNECTION": "on"}
    # Where calls outlive a stop, they outlive that of a user who has left as well.
    looked_at = [name for name in SHOWN if name in defects or not defects]
    with BackendProcess.start(defects, env=env) as backend:
        assert {name: SHOWN[name](backend.url, model) for name in looked_at} == dict.fromkeys(looked_at, bool(defects))
