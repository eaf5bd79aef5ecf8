"""What shows each defect of the backend's calls to its model: functions of the backend's url and the model."""

from collections.abc import Callable

from support.tests.backend.users import User, eventually, tab
from support.tests.model.serving import RunningModel

DISCONNECT = "disconnect_leaves_the_model_running"
_CUT = "Tell me how a lighthouse works."
_ENDLESS = "Tell me how a river flows."
_WHOLE = "Good morning!"
_MORE = 100


def half_an_answer(url: str, model: RunningModel) -> bool:
    del model
    with tab(url) as ada:
        return bool(ada.run(_CUT)[-1]["type"] == "agent_completed")


def goes_on_after_a_stop(url: str, model: RunningModel) -> bool:
    with tab(url) as ada:
        _ask_for_ever(ada, model)
        started = ada.read()
        ada.send({"type": "stop_agent", "run_id": started["run_id"]})
        assert ada.read_run()[-1]["type"] == "agent_stopped"
        return _goes_on(model)


def goes_on_without_its_user(url: str, model: RunningModel) -> bool:
    with tab(url) as ada:
        _ask_for_ever(ada, model)
    return _goes_on(model)


def shows_another_users_question(url: str, model: RunningModel) -> bool:
    with tab(url, "ada") as ada, tab(url, "bashir") as bashir:
        ada.run(f"{_WHOLE} This is what Ada says.")
        bashir.run(_WHOLE)
    return "what Ada says" in model.calls()[-1]["body"]


def _ask_for_ever(user: User, model: RunningModel) -> None:
    before = len(model.calls())
    user.ask(_ENDLESS)
    assert eventually(lambda: len(model.calls()) > before)


def _goes_on(model: RunningModel) -> bool:
    """Whether the model says more from now on, or is left."""
    last = model.calls()[-1]
    before = len(last["said"])

    def decided() -> bool:
        call = model.calls()[last["number"] - 1]
        return bool(call["state"] != "under way" or len(call["said"]) > before + _MORE)

    assert eventually(decided)
    return bool(model.calls()[last["number"] - 1]["state"] == "under way")


SHOWN: dict[str, Callable[[str, RunningModel], bool]] = {
    "half_an_answer_presented_as_finished": half_an_answer,
    "stop_leaves_the_model_running": goes_on_after_a_stop,
    DISCONNECT: goes_on_without_its_user,
    "prompt_with_another_users_question": shows_another_users_question,
}
