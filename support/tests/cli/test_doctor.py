"""What `greenlight doctor` says to do next."""

import asyncio
import itertools
import json
import re
import socket
from pathlib import Path

import pytest
from greenlight_gate.model.script import load_script
from greenlight_gate.targets.settings import suite_root
from websockets.sync.server import ServerConnection

from support.tests.cli.process import greenlight, target
from support.tests.hostile import by_http
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer, Wire
from support.tests.model.serving import served as model_served
from support.tests.wire.small import SMALL, served

# How long a server works on an answer that others may wait for.
WORK_S = 0.2


def test_what_is_broken_is_named_in_the_next_step(tmp_path: Path) -> None:
    with HostileServer(does.conversation(does.binary), does.health()) as server:
        target(tmp_path, server.url)
        ran = greenlight(tmp_path, "doctor", "--environment", "hostile.toml")

    assert ran.code == 1
    assert "CONTENT-2: expected a text frame, got a binary frame" in ran.out
    assert ran.out.splitlines()[-1] == (
        "Next: correct CONTENT-2 (expected and got are listed above) in the backend, or in the profile agent-events if "
        "it reads a frame wrongly; then greenlight doctor --environment hostile.toml"
    )


def test_a_page_in_place_of_a_stream_is_named_in_the_next_step(tmp_path: Path) -> None:
    with HostileServer(by_http.chat(by_http.page), does.health()) as server:
        url = server.url.replace("ws://", "http://").removesuffix("/ws")
        target(tmp_path, url, budget_s=2.0, profile="agent-events-sse")
        ran = greenlight(tmp_path, "doctor", "--environment", "hostile.toml")

    assert ran.code == 1
    assert "HTTP 200 with text/html in place of text/event-stream" in ran.out
    assert re.search(
        r"^no  one run     HTTP 200 with text/html in place of text/event-stream in place of a run",
        ran.out,
        re.MULTILINE,
    )
    assert ran.out.splitlines()[-1].startswith("Next: correct CONNECTION-1, LIFECYCLE-1 (expected and got are listed")


def test_a_page_in_place_of_a_channel_is_named(tmp_path: Path) -> None:
    with HostileServer(does.page("200 OK"), does.health()) as server:
        url = server.url.replace("ws://", "http://").removesuffix("/ws")
        target(tmp_path, url, profile="agent-events-channel")
        ran = greenlight(tmp_path, "doctor", "--environment", "hostile.toml")

    assert ran.code == 1
    assert "HTTP 200 with text/html in place of text/event-stream" in ran.out


def test_each_step_of_a_channel_is_shown(tmp_path: Path) -> None:
    ran = greenlight(tmp_path, "doctor", "--environment", "embedded-channel")

    assert ran.code == 0, ran.out + ran.err
    steps = ("channel", "handshake", "POST", "first event", "one run")
    assert {step: mark for step, mark in _lines(ran.out).items() if step in steps} == dict.fromkeys(steps, "ok")
    assert re.search(
        r"^ok  channel     GET /events opened after \d+ ms, content-type: text/event-stream", ran.out, re.MULTILINE
    )
    assert re.search(r"^ok  POST        HTTP/1.1 202 after \d+ ms, no content type$", ran.out, re.MULTILINE)


@pytest.mark.parametrize(("replaced", "blamed"), [(True, "WEBSOCKET_TEST_URL"), (False, "url in the target file")])
def test_where_nothing_listens_it_names_what_holds_the_url(tmp_path: Path, replaced: bool, blamed: str) -> None:
    # A port that is taken and at which nobody listens.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}/ws"
        target(tmp_path, "ws://127.0.0.1:9/ws" if replaced else url)
        env = {"WEBSOCKET_TEST_URL": url} if replaced else {}
        ran = greenlight(tmp_path, "doctor", "--environment", "hostile.toml", env=env)

    assert ran.code == 3
    assert ran.err.endswith(f"but connection refused; start the backend, or correct {blamed}\n")


def _lines(out: str) -> dict[str, str]:
    """The mark of each step that doctor took, by its name."""
    found = re.findall(r"^(ok|no|--)  (.{11}) ", out, re.MULTILINE)
    return {step.strip(): mark for mark, step in found}


def test_after_the_first_answer_it_tries_what_scenarios_need_and_forecasts_them(tmp_path: Path) -> None:
    ran = greenlight(tmp_path, "doctor")

    assert ran.code == 0, ran.out + ran.err
    steps = ("2nd request", "stop", "failure", "reconnect", "2nd user", "at once", "model")
    assert {step: mark for step, mark in _lines(ran.out).items() if step in steps} == dict.fromkeys(steps, "ok")
    assert "Ada and Bashir each received their own canary, and not the other's" in ran.out
    assert re.search(
        r"^Forecast: \d+ of \d+ scenarios would run, in about \d+ min, at \d\.\d s for an answer\.$",
        ran.out,
        re.MULTILINE,
    )
    assert "missing, with the scenarios that need it: replicas (" in ran.out


def test_a_backend_that_does_not_ask_the_model_is_told_where_it_is(tmp_path: Path) -> None:
    with (
        HostileServer(does.conversation(does.rightly), does.health()) as server,
        model_served(load_script("reference")) as model,
    ):
        url = f"http://127.0.0.1:{model.port}/v1"
        target(tmp_path, server.url, more=f'[model]\nscript = "reference"\nurl = "{url}"\n')
        ran = greenlight(tmp_path, "doctor", "--environment", "hostile.toml")
        target(tmp_path, server.url)
        without = greenlight(tmp_path, "doctor", "--environment", "hostile.toml")

    assert (_lines(ran.out)["model"], _lines(without.out)["model"]) == ("no", "--")
    assert f"the backend did not ask the model at {url}: let it use that as the base url of its provider" in ran.out
    assert "has no [model]: no scripted model that fails when it is asked to; `greenlight model --help`" in without.out
    assert "[model], which `greenlight model` serves (" in without.out


def test_how_many_answers_a_server_makes_at_once_is_measured(tmp_path: Path) -> None:
    workers = asyncio.Semaphore(2)

    async def slowly(talk: does.Talk) -> None:
        await talk.wire.say(talk.event("agent_started", message="queued"))
        async with workers:
            await talk.wire.say(talk.event("agent_thinking", reasoning="first the tool"))
            await asyncio.sleep(WORK_S)
            await talk.finish()

    with HostileServer(does.conversation(slowly), does.health()) as server:
        target(tmp_path, server.url, more="[limits]\nmax_connections = 5\n")
        ran = greenlight(tmp_path, "doctor", "--environment", "hostile.toml")

    assert _lines(ran.out)["at once"] == "ok", ran.out + ran.err
    assert "2 of 4 answers at a time, the others waited: limits.max_concurrent_runs = 2 says so" in ran.out


def test_connections_that_are_not_accepted_are_counted(tmp_path: Path) -> None:
    open_ones = itertools.count(1)
    answers, full = does.conversation(does.rightly), does.page("503 Service Unavailable")

    async def door(wire: Wire) -> None:
        # One for the first user, one each for the reconnect and the second user, and three at once.
        await (answers(wire) if next(open_ones) <= 6 else full(wire))

    with HostileServer(door, does.health()) as server:
        target(tmp_path, server.url)
        ran = greenlight(tmp_path, "doctor", "--environment", "hostile.toml")

    assert _lines(ran.out)["at once"] == "no", ran.out + ran.err
    assert "4 connections at a time, and no more: " in ran.out
    assert "limits.max_connections = 4 of the target says so" in ran.out


def test_a_run_without_an_end_is_never_ok(tmp_path: Path) -> None:
    with HostileServer(does.conversation(does.saying_nothing), does.health()) as server:
        target(tmp_path, server.url)
        ran = greenlight(tmp_path, "doctor", "--environment", "hostile.toml")

    assert (ran.code, _lines(ran.out)["one run"]) == (1, "no")
    assert "no end of the run within " in ran.out
    assert ": 0 events in answer to 'What is 17*23?" in ran.out


def test_what_a_cold_server_does_wrong_at_first_is_not_held_against_it(tmp_path: Path) -> None:
    first = itertools.count(1)

    async def broken_at_first(talk: does.Talk) -> None:
        await (does.binary(talk) if next(first) == 1 else does.rightly(talk))

    with HostileServer(does.conversation(broken_at_first), does.health()) as server:
        path = target(tmp_path, server.url)
        path.write_text("warm_up_runs = 1\n" + path.read_text("utf-8"), "utf-8")
        ran = greenlight(tmp_path, "doctor", "--environment", "hostile.toml")

    marks = _lines(ran.out)
    assert (marks["warm-up"], marks["one run"]) == ("ok", "ok"), ran.out + ran.err
    assert "CONTENT-2" not in ran.out


def test_what_a_target_declares_and_cannot_do_is_said(tmp_path: Path) -> None:
    with HostileServer(does.conversation(does.rightly), does.health()) as server:
        path = target(tmp_path, server.url, more='[prompts.failing_tool]\nask = "Fail."\ntools = ["calculator"]\n')
        assert path.exists()
        ran = greenlight(tmp_path, "doctor", "--environment", "hostile.toml")

    assert (ran.code, _lines(ran.out)["stop"], _lines(ran.out)["failure"]) == (1, "--", "no")
    assert "not tried: hostile declares capabilities.stop = false" in ran.out
    assert "no tool_completed says that its tool failed" in ran.out


def test_where_a_connection_answers_one_request_each_try_has_one_of_its_own(tmp_path: Path) -> None:
    runs = itertools.count(1)

    def talk(connection: ServerConnection) -> None:
        asked, run = json.loads(connection.recv()), f"r{next(runs)}"
        connection.send(json.dumps({"type": "started", "run_id": run}))
        connection.send(json.dumps({"type": "final", "run_id": run, "answer": f"You said {asked['text']}, and: 391."}))
        list(connection)

    with served(talk) as url:
        (tmp_path / "one.toml").write_text(SMALL.replace("[every]", '[connection]\nruns = "one"\n[every]'), "utf-8")
        path = target(tmp_path, url, health="")
        text = path.read_text("utf-8").replace('clock = "same-host"', 'profile = "one.toml"\napi_version = ""')
        text = text.replace("[prompts.with_tool]", "[prompts.without_tool]").replace('tools = ["calculator"]', "")
        path.write_text(text.replace("What is 17*23?", "17*23 for {canary}?") + "thinking = false\n", "utf-8")
        ran = greenlight(tmp_path, "doctor", "--environment", "hostile.toml")

    marks, steps = _lines(ran.out), ("one run", "2nd request", "reconnect", "2nd user")
    assert {step: marks.get(step) for step in steps} == dict.fromkeys(steps, "ok"), ran.out + ran.err
    assert "answered on a new connection: 2 events" in ran.out


@pytest.mark.parametrize(
    ("right", "broken", "says"),
    [
        ('type = "start_agent"', 'type = "start_agnt"',
         ("no  one run     the error UNKNOWN_TYPE (", "Next: correct [send.start] of the profile agent-events")),
        ('text = { at = ["result", "results"]', 'text = { at = ["reslt"]',
         ("Next: say where the answer stands in the frame that ends it: `text` of agent_completed",)),
        ('kinds = ["agent_started"]', 'kinds = ["agent_begun"]',
         ("Next: name the kinds of the unmapped frames (at type or data.event) in `kinds` of [events.KIND]",)),
        ('run = { at = ["run_id"]', 'run = { at = ["runid"]',
         ("Next: say where the id of a run stands: `run` of [every] in the profile agent-events finds nothing",)),
        ('run_id = "{run}"', 'run_id = "{thread}"',
         ("no  stop        expected agent_stopped, got agent_completed, and the error FORBIDDEN_THREAD (",)),
        ('name = "agent-events"', 'name = "agent-events"\n[connection]\npath = "/nowhere"',
         ("no  Ada could not connect: HTTP 403", "Next: check url and [auth] of the target, and [connection] of")),
    ],
)  # fmt: skip
def test_what_a_broken_profile_is_advised(tmp_path: Path, right: str, broken: str, says: tuple[str, ...]) -> None:
    root = suite_root() / "support/greenlight_gate"
    text = (root / "wire/profiles/agent-events.toml").read_text("utf-8")
    assert right in text
    (tmp_path / "broken.toml").write_text(text.replace(right, broken, 1), "utf-8")
    own = (root / "targets/embedded.toml").read_text("utf-8")
    (tmp_path / "own.toml").write_text(own.replace('profile = "agent-events"', 'profile = "broken.toml"'), "utf-8")

    ran = greenlight(tmp_path, "doctor", "--environment", "own.toml")

    assert [line for line in says if line not in ran.out] == []
    assert ("in about " in ran.out) == ("ok  one run" in ran.out)
