"""The admin call: defects come and go while the backend runs, and only for whoever may do that."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from greenlight_gate.backend.launch import BackendFailed, BackendProcess

from support.tests.backend.changing import TOKEN, VARIABLE, Changing, admin
from support.tests.backend.users import ENVIRONMENT, kinds, tab

SUM = "What is 17*23?"
LONG = "Please research the tides thoroughly."


@pytest.fixture
def served(changing: Changing) -> Iterator[BackendProcess]:
    with changing.broken() as process:
        yield process


def put(process: BackendProcess, body: Any) -> tuple[int, Any]:
    return admin(process, "PUT", body)


def now(process: BackendProcess) -> Any:
    return admin(process, "GET")[1]["defects"]


def asked(process: BackendProcess) -> list[str]:
    with tab(process.url) as ada:
        return kinds(ada.run(SUM))


def test_without_being_asked_for_there_is_no_such_call(backend: BackendProcess) -> None:
    for method in ("GET", "PUT"):
        answer = httpx2.request(
            method, f"{backend.http_url}/admin/defects", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        assert answer.status_code == 404


@pytest.mark.parametrize("token", ["", "another-token-for-whoever", TOKEN[:-1], "Ümlaut-token-for-whoever"])
def test_nobody_else_may(served: BackendProcess, token: str) -> None:
    for method in ("GET", "PUT"):
        answer = admin(served, method, {"defects": ["thinking_missing"]}, token)
        assert answer == (401, {"error": "the admin token is needed"})
    assert now(served) == []


def test_defects_come_and_go(served: BackendProcess) -> None:
    whole = asked(served)
    code, did = put(served, {"defects": ["thinking_missing", "every_event_delayed=5"]})
    assert (code, did["before"], did["defects"]) == (200, [], ["thinking_missing", "every_event_delayed=5"])
    assert now(served) == ["thinking_missing", "every_event_delayed=5"]
    assert asked(served) == [kind for kind in whole if kind != "agent_thinking"]
    assert put(served, {"defects": []})[1]["before"] == ["thinking_missing", "every_event_delayed=5"]
    assert asked(served) == whole


def test_what_was_under_way_ends_first_and_nothing_is_remembered(served: BackendProcess) -> None:
    put(served, {"defects": ["first_user_handler_serves_everyone", "stop_acknowledged_but_run_goes_on"]})
    with tab(served.url, "bashir") as bashir:
        bashir.run(SUM)
        bashir.ask(LONG)
        bashir.read()
        did = put(served, {"defects": ["first_user_handler_serves_everyone"]})[1]
        assert (did["runs_ended"], did["connections_closed"], did["connections_left"]) == (1, 1, 0)
        assert bashir.close_code() == 1012
    with tab(served.url) as ada:
        assert {event["user_id"] for event in ada.run(SUM)} == {"ada"}


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ({"defects": ["thinking_mising"]}, 400, "did you mean thinking_missing"),
        ({"defects": ["slow_start=soon"]}, 400, "takes a number of s"),
        ({"defects": ["run_id_null", "run_id_missing"]}, 409, "hide each other"),
        ({"defects": "thinking_missing"}, 400, "an empty list for none"),
        ({"defects": [1]}, 400, "an empty list for none"),
        (["thinking_missing"], 400, "an empty list for none"),
        ({}, 400, "an empty list for none"),
    ],
)
def test_what_is_wrong_changes_nothing(served: BackendProcess, body: Any, code: int, says: str) -> None:
    put(served, {"defects": ["thinking_missing"]})
    answered, said = put(served, body)
    assert answered == code
    assert says in said["error"]
    assert now(served) == ["thinking_missing"]


@pytest.mark.parametrize("token", ["", "too-short"])
def test_it_is_not_opened_with_a_token_that_is_none(token: str) -> None:
    with pytest.raises(BackendFailed, match="expected a token of 16 characters or more") as caught:
        BackendProcess.start(env={**ENVIRONMENT, VARIABLE: token}, admin_token_env=VARIABLE)
    assert caught.value.exit_code == 3
