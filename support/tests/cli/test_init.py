"""greenlight init: the files that it writes against real servers, and that a failure leaves none."""

import argparse
import asyncio
import io
import json
import shutil
import signal
import socket
import threading
import tomllib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.cli.init_files import GITHUB, OWN_FEATURE, github_workflow, gitlab_pipeline, own_feature, write_all
from greenlight_gate.cli.init_questions import Questions, sign_in_of
from greenlight_gate.cli.init_recognition import included, without_path_of
from greenlight_gate.cli.init_target import SignIn, TargetDraft, User, target_text
from greenlight_gate.cli.init_trial import Trial, measured_budgets
from greenlight_gate.cli.views.terminal import Terminal
from greenlight_gate.targets.settings import Misconfigured, load_target, profile_text
from websockets.asyncio.server import ServerConnection, serve

from support.tests.cli.process import SECRET, greenlight, judged, mistaken, said, started, wait_for
from support.tests.hostile import conduct as does
from support.tests.hostile.certificate import Authority
from support.tests.hostile.server import HostileServer

_ANSWER: tuple[dict[str, str], ...] = (
    {"event": "run_started"},
    {"event": "thinking", "text": "I need a tool"},
    {"event": "tool_start", "tool": "calculator", "call_id": "c1"},
    {"event": "tool_result", "tool": "calculator", "call_id": "c1", "result": "391"},
    {"event": "final_answer", "text": "It is 391."},
)


@contextmanager
def own_wire() -> Iterator[str]:
    """A server with a wire of its own, which no included profile reads: its url."""

    async def answer(connection: ServerConnection) -> None:
        async for message in connection:
            asked, run = json.loads(message) if str(message).endswith("}") else {}, uuid.uuid4().hex
            for part in _ANSWER if asked.get("kind") == "question" else ():
                await connection.send(json.dumps({**part, "run_id": run}))

    ready, place, loop = threading.Event(), list[int](), asyncio.new_event_loop()

    async def served() -> None:
        async with serve(answer, "127.0.0.1", 0) as server:
            place.append(server.sockets[0].getsockname()[1])
            ready.set()
            await server.wait_closed()

    def run() -> None:
        task = loop.create_task(served())
        loop.call_soon_threadsafe(lambda: stops.append(task.cancel))
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)

    stops: list[Any] = []
    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    try:
        yield f"ws://127.0.0.1:{place[0]}/chat"
    finally:
        loop.call_soon_threadsafe(stops[0])
        thread.join()
        loop.close()


def files(folder: Path) -> set[str]:
    """All that is there, but the output of the command."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"out.txt", "err.txt"}


@pytest.mark.slow
def test_the_bundled_backend_needs_no_answer(tmp_path: Path) -> None:
    ran = greenlight(tmp_path, "init", "embedded", "--workflow", "github")

    assert (ran.code, ran.err) == (0, "")
    assert files(tmp_path) == {"greenlight.toml", GITHUB, OWN_FEATURE}
    assert "0 answers, " in ran.out
    assert ran.out.splitlines()[-1] == "Next: greenlight run"
    # Without --environment the file is taken, and that is said.
    again = greenlight(tmp_path, "doctor")
    assert (again.code, again.err) == (
        0, "greenlight: the target is greenlight.toml of this folder; --environment names another\n",
    )  # fmt: skip
    # The scenario of one's own can be run as it stands, and fails where the backend is wrong.
    for defect, code, outcome in (((), 0, "1 passed"), (("--defect", "tool_name_missing"), 1, "1 failed")):
        own = judged(tmp_path, "--categories", "own", *defect)
        shutil.rmtree(tmp_path / "reports")
        assert (own.code, outcome in own.out) == (code, True), own.out + own.err


def test_a_server_with_a_defect_is_set_up_and_the_defect_is_told(tmp_path: Path) -> None:
    with BackendProcess.start(["thinking_missing"], env={"CHAT_JWT_SECRET": SECRET}) as backend:
        ran = greenlight(tmp_path, "init", backend.url)
        target = load_target(str(tmp_path / "greenlight.toml"), {})

        assert ran.code == 1, ran.out + ran.err
        assert (target.url, target.profile, target.auth.obtain) == (backend.url, "agent-events", "mint")
    assert "LIFECYCLE-4" in ran.out.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "opened", "profile"), [("", "http://{}", "agent-events-sse"), ("/ws", "ws://{}/ws", "agent-events")]
)
def test_an_http_url_is_a_chat_by_http_or_the_address_of_a_websocket(
    tmp_path: Path, path: str, opened: str, profile: str
) -> None:
    with BackendProcess.start(env={"CHAT_JWT_SECRET": SECRET}) as backend:
        ran = greenlight(tmp_path, "init", f"{backend.http_url}{path}")
        target = load_target(str(tmp_path / "greenlight.toml"), {})

        assert ran.code == 0, ran.out + ran.err
        place = backend.http_url.removeprefix("http://")
        assert (target.url, target.profile) == (opened.format(place), profile)
    assert ("is opened as ws://" in ran.out) == (path == "/ws")


@pytest.mark.slow
def test_a_profile_is_drafted_where_none_fits(tmp_path: Path) -> None:
    message = '{"kind": "question", "text": "{prompt}"}'
    with own_wire() as url:
        ran = greenlight(tmp_path, "init", url, "--message", message)

        assert ran.code == 0, ran.out + ran.err
    assert files(tmp_path) == {"greenlight.toml", "greenlight-profile.toml", "greenlight-capture.jsonl", OWN_FEATURE}
    target = load_target(str(tmp_path / "greenlight.toml"), {})
    assert target.prompts.with_tool is not None
    assert target.prompts.with_tool.tools == ("calculator",)
    assert target.prompts.with_tool.contains == ("391",)
    # What is not seen is never accepted for the team.
    assert target.accepted_gaps == {}


def test_without_a_server_nothing_is_written(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        dead = greenlight(tmp_path, "init", f"ws://127.0.0.1:{silent.getsockname()[1]}/ws")
    with HostileServer(does.page("404 Not Found"), does.health()) as server:
        no_chat = greenlight(tmp_path, "init", server.url.replace("ws://", "http://"))
        secret = greenlight(tmp_path, "init", f"{server.url}?t=x", "--sign-in", "secret", "--secret-env", "s3cr3t")
        no_tls = greenlight(tmp_path, "init", server.url.replace("ws://", "wss://"))

    assert (dead.code, "but connection refused" in dead.err) == (3, True), dead.err
    assert (no_chat.code, "expected a chat over a WebSocket" in no_chat.err) == (3, True), no_chat.err
    assert (secret.code, "--secret-env: expected the name of an environment" in secret.err) == (3, True), secret.err
    assert ("s3cr3t" in secret.out + secret.err, "what stands behind ? in the url" in secret.out) == (False, True)
    assert (no_tls.code, "a server without TLS has a ws:// or http:// url" in no_tls.err) == (3, True), no_tls.err
    assert "--ca-file" not in no_tls.err
    assert files(tmp_path) == set()


def test_who_is_asked_for_a_value_knows_which_server_it_looks_like(tmp_path: Path) -> None:
    with HostileServer(does.page("404 Not Found"), does.health(instantiated_at="2026-11-29T09:00:00Z")) as server:
        ran = greenlight(tmp_path, "init", server.url, "--yes")

    assert "it looks like agno\n" in ran.out
    assert (ran.code, "--value workflow_id=VALUE: add it to the command" in ran.err) == (3, True), ran.err


def test_who_is_asked_for_an_audience_is_asked_for_claims_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('MY_SECRET\nos1\n{"scopes": ["chat"]}\n'))
    options = argparse.Namespace(sign_in="secret", send=None, secret_env=None, audience=None, claims="", cookie_name="")

    signs_in = sign_in_of(options, Questions(Terminal(), interactive=True), in_profile=True, guess=None)

    assert signs_in == SignIn("mint", "profile", secret_env="MY_SECRET", audience="os1", claims={"scopes": ["chat"]})


def test_a_certificate_of_its_own_is_not_trusted_by_itself(tmp_path: Path) -> None:
    context = Authority(tmp_path).server_context("127.0.0.1")
    with HostileServer(does.conversation(does.rightly), does.health(), context) as server:
        ran = greenlight(tmp_path, "init", server.url)

    assert ran.code == 3
    assert "expected a certificate that can be trusted" in ran.err
    assert "(here: --ca-file FILE)" in ran.err
    assert "greenlight.toml" not in files(tmp_path)


def test_paths_of_options_start_from_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(profile_text("agent-events", Path())[1], encoding="utf-8")
    (tmp_path / "gate").mkdir()
    with BackendProcess.start(env={"CHAT_JWT_SECRET": SECRET}) as backend:
        ran = greenlight(tmp_path, "init", backend.url, "--folder", "gate", "--profile", "mine.toml", "--prompt", "x")

    assert ran.code == 0, ran.out + ran.err
    written = (tmp_path / "gate" / "greenlight.toml").read_text(encoding="utf-8")
    assert tomllib.loads(written)["profile"] == "../mine.toml"


def test_interrupted_it_leaves_nothing(tmp_path: Path) -> None:
    with own_wire() as url, started(tmp_path, "init", url) as process:
        wait_for(lambda: "the profile agent-events" in said(tmp_path)[0], "the first profile that was tried")
        process.send_signal(signal.SIGINT)
        code = process.wait(60)

    assert code == 130
    assert files(tmp_path) == set()


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ((), "URL: add it to the command, since init asks no questions without a terminal or with --yes. It answers: "),
        (("chat.example",), "URL: expected one such as wss://chat.example/ws"),
        (
            ("ws://127.0.0.1:99999/ws",),
            "URL: expected a WebSocket URL such as wss://chat.example/ws, or `embedded`, but",
        ),
        (("wss://[::1",), "but it cannot be read"),
        (("https://ada:hidden@chat.example/ws",), "but it holds a user or a password"),
        (("WS://127.0.0.1:9/w s",), "but it holds white space"),
        (("embedded", "--folder", "nowhere"), "--folder nowhere: expected a folder that exists"),
        (("ws://127.0.0.1:9/", "--value", "x"), "--value: expected NAME=VALUE"),
        (("ws://127.0.0.1:9/", "--sign-in", "secrt"), "argument --sign-in: invalid choice"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: tuple[str, ...], wrong: str) -> None:
    ran = mistaken(tmp_path, "init", *arguments, "--yes")

    assert (ran.code, ran.err.count("\n"), wrong in ran.err) == (3, 1, True), ran.err
    assert files(tmp_path) == set()


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "greenlight.toml").write_text("mine", encoding="utf-8")

    ran = mistaken(tmp_path, "init", "embedded", "--yes")

    assert (ran.code, "greenlight.toml: expected no such file yet; --force replaces it" in ran.err) == (3, True)
    assert (tmp_path / "greenlight.toml").read_text(encoding="utf-8") == "mine"


def test_features_that_are_there_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "shop.feature").write_text("Feature: A shop", encoding="utf-8")

    ran = greenlight(tmp_path, "init", "embedded", "--yes")

    assert (ran.code, files(tmp_path)) == (0, {"greenlight.toml", "features/shop.feature"}), ran.out + ran.err
    assert "features/ has other features and is left as it is" in ran.out
    assert load_target(str(tmp_path / "greenlight.toml"), {}).suite.features == ""


def test_the_scenario_of_ones_own_asks_what_the_target_has() -> None:
    assert "When Ada asks a question that needs a tool\n" in own_feature(tool=True)
    without = own_feature(tool=False)
    assert ("When Ada asks a question that needs no tool\n" in without, "tool_executing" in without) == (True, False)


def test_all_files_are_written_or_none(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(Misconfigured, match="cannot be written"):
        write_all(tmp_path, {"greenlight.toml": "x", "taken/below.yml": "y"})

    assert files(tmp_path) == {"taken"}


@pytest.mark.parametrize(
    "draft",
    [
        TargetDraft("wss://h/ws", "h", ask='Say "{canary}"\u007f', contains=("{canary}",), tools=("t",)),
        TargetDraft("ws://h", "h", ask="x", contains=("y",), ca_file="ca.pem", budgets={"start_s": 10.0}),
        TargetDraft(
            "ws://h", "h", profile="agno", ask="x", contains=("y",), values={"workflow_id": "w"}, insecure=True,
            sign_in=SignIn("mint", "profile", secret_env="KEY", audience="a", claims={"s": ["run"], "n.m": "{user}"}),
            capabilities={"resume": False}, lacking={"isolation": "no answer holds {canary}"},
        ),
        TargetDraft(
            "ws://h", "h", ask="x", contains=("y",),
            sign_in=SignIn("login", "bearer", login_url="/in", users=(User("Ada", "ada@h", "ADA_PASSWORD"),)),
        ),
        TargetDraft(
            "ws://h", "h", ask="x", contains=("y",),
            sign_in=SignIn(
                "login", "cookie", login_url="/in", cookie_name="s", users=(User("Ada", "ada", "ADA_PASSWORD"),)
            ),
        ),
    ],
)  # fmt: skip
def test_every_target_file_can_be_read_again(tmp_path: Path, draft: TargetDraft) -> None:
    path = tmp_path / "greenlight.toml"
    path.write_text(target_text(draft), encoding="utf-8")

    target = load_target(str(path), {})

    assert (target.url, target.name, target.profile) == (draft.url, draft.name, draft.profile)
    prompt = target.prompts.with_tool or target.prompts.without_tool
    assert prompt is not None
    assert (prompt.ask, prompt.contains) == (draft.ask, draft.contains)
    assert target.auth.claims == dict(draft.sign_in.claims)
    assert target.accepted_gaps == {}


@pytest.mark.parametrize(("tools", "other"), [(("calculator",), "without_tool"), ((), "with_tool")])
def test_more_prompts_stand_in_the_comments(tmp_path: Path, tools: tuple[str, ...], other: str) -> None:
    text = target_text(TargetDraft("ws://h", "h", ask="What is 17*23?", contains=("391",), tools=tools))
    begin = text.index("#     [prompts.")
    path = tmp_path / "greenlight.toml"
    path.write_text(text[:begin] + text[begin:].replace("#     ", "").replace("#\n", "\n"), encoding="utf-8")

    prompts = load_target(str(path), {}).prompts

    more = ("with_tool", "without_tool", "follow_up", "long_running", "remember", "recall", "failing_agent")
    assert all(getattr(prompts, name) for name in more)
    assert f"[prompts.{other}]" in text[begin:]
    assert prompts.follow_up is not None
    assert prompts.follow_up.contains == ("17*23",)


def test_what_one_run_cannot_measure_comes_from_the_example_of_the_profile() -> None:
    draft = TargetDraft("ws://h", "h", profile="jupyter", ask="x")

    # Measured: 7.5 times five for the start, nothing for the rest.
    assert measured_budgets(Trial(draft, start_s=7.5)) == {"start_s": 40.0, "handshake_s": 40.0, "half_open_s": 150.0}
    assert measured_budgets(Trial(replace(draft, profile="greenlight-profile.toml"), start_s=7.5)) == {"start_s": 40.0}


def test_pipelines_are_yaml_that_runs_the_suite() -> None:
    github = yaml.safe_load(github_workflow(("CHAT_JWT_SECRET",)))
    steps = github["jobs"]["acceptance"]["steps"]
    (judges,) = [step for step in steps if "greenlight run" in step.get("run", "")]
    gitlab = yaml.safe_load(gitlab_pipeline(()))

    assert judges["env"] == {"CHAT_JWT_SECRET": "${{ secrets.CHAT_JWT_SECRET }}"}
    assert "env" not in str(yaml.safe_load(github_workflow(()))["jobs"]["acceptance"]["steps"])
    assert gitlab["greenlight"]["script"][-1] == "greenlight run --ci-mode"


def test_the_path_of_a_profile_may_be_given_or_left_out() -> None:
    specs = included()

    assert without_path_of("ws://h:1/workflows/ws?x=1", specs["agno"]) == "ws://h:1?x=1"
    assert without_path_of("ws://h:1/base/api/kernels/7/channels", specs["jupyter"]) == "ws://h:1/base"
    assert without_path_of("ws://h:1/ws", specs["agent-events"]) == "ws://h:1/ws"
