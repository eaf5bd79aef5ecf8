"""A server that is asked, stopped and restored by HTTP requests beside the connection that shows the events."""

import base64
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.bdd.actions.access import AccessAttempts
from greenlight_gate.bdd.actions.approvals import Approvals
from greenlight_gate.bdd.actions.foreign_access import ForeignAccess
from greenlight_gate.bdd.actions.invalid_messages import InvalidMessages
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World
from greenlight_gate.events import EventKind
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.session.validation_session import SessionPlan
from greenlight_gate.targets.http_calls import Values
from greenlight_gate.trace import Responded, Sent, read_trace
from greenlight_gate.wire.errors import ProfileError
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import read_spec

from support.tests.bdd.worlds import rules, world_of
from support.tests.cli.process import environ, target
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer, Wire

PROFILE = """
name = "beside"
[every]
run = "run"
thread = "thread"
request = "request"
[[event]]
when = { type = "started" }
is = "agent_started"
[[event]]
when = { type = "final" }
is = "agent_completed"
text = "answer"
[[event]]
when = { type = "stopped" }
is = "agent_stopped"
[controls.error]
when = { type = "error" }
capture = { code = "code", text = "text" }
[send.start]
request = "{request}"
prompt = "{prompt}"
thread = "{thread}"
[send.stop]
http = { path = "/runs/{run}/cancel", json = { by = "{user}" } }
[refusals.foreign]
status = [404]
error = ["not_yours"]
"""
BY_HTTP = """
[send.start]
http = { path = "/threads", json = { request = "{request}", prompt = "{prompt}", thread = "{thread}" } }
"""
ASKS = """
[[event]]
when = { type = "asks" }
is = "input_requested"
text = "text"
input = "input"
tool = "tool"
choices = "choices"
[[event]]
when = { type = "runs" }
is = "tool_executing"
tool = "tool"
[[event]]
when = { type = "ran" }
is = "tool_completed"
tool = "tool"
text = "text"
[send.respond]
http = { path = "/runs/{run}/input", json = { choice = "{choice}" } }
[choices]
approve = "yes"
deny = "no"
"""
SUBSCRIBES = """
[[send.start]]
http.path = "/threads"
http.json = { request = "{request}", prompt = "{prompt}", thread = "{thread}" }
http.capture = { topic = "topic" }
[[send.start]]
subscribe = "{topic}"
"""
PROMPTS = """
[prompts.without_tool]
ask = "Who are you?"
contains = ["a server"]
thinking = false
[prompts.approval]
ask = "Switch the lamp on, if I say yes."
contains = ["a server"]
thinking = false
tools = ["lamp"]
[prompts.long_running]
ask = "Think until you are stopped."
contains = ["a server"]
thinking = false
"""


class Beside:
    """The server. `to_others`: the status with which it responds to a stop of another user's run; 200 obeys it.

    `without_token`: the same for a stop, or a question, without a token; 0 hangs up.
    `subscribed`: events of a request are sent once its topic is subscribed to.
    """

    def __init__(self, to_others: int = 404, *, without_token: int = 401, subscribed: bool = False) -> None:
        self.to_others = to_others
        self.without_token = without_token
        self.subscribed = subscribed
        self.waiting: dict[str, dict[str, Any]] = {}
        self.wires: dict[str, Wire] = {}
        self.runs: dict[str, tuple[str, dict[str, str]]] = {}
        self.asked: list[tuple[str, Any]] = []
        self.numbers = itertools.count(1)

    async def door(self, wire: Wire) -> None:
        user = _user_of(wire.token)
        if wire.path.startswith("/ws"):
            await wire.upgrade()
            self.wires[user] = wire
            while True:
                said = await wire.hear()
                await self._ask(wire, user, self.waiting.pop(said["subscribe"]) if self.subscribed else said)
        body = json.loads(await wire.reader.readexactly(int(wire.headers["content-length"])))
        self.asked.append((wire.path, body))
        if wire.path == "/threads" and not user and self.without_token != 200:
            await wire.respond_json(f"{self.without_token} Whatever", {"type": "error", "code": "who?"})
            return
        if wire.path == "/threads":
            user = user or "u-ada"
            topic = f"topic-{len(self.asked)}"
            self.waiting[topic] = body
            await wire.respond_json("201 Created", {"topic": topic})
            if self.subscribed:
                return
            await self._ask(self.wires[user], user, body)
            return
        run = wire.path.split("/")[2]
        owner, ids = self.runs.get(run, ("", {}))
        status = 200 if owner == user else self.to_others if user else self.without_token
        if not status:
            return
        await wire.respond_json(f"{status} Whatever", {"run": run})
        if status == 200 and wire.path.endswith("/input") and run in self.runs:
            await self._go_on(self.wires[owner], body["choice"] == "yes", self.runs.pop(run)[1])
        elif status == 200 and run in self.runs:
            del self.runs[run]
            await self.wires[owner].say({"type": "stopped", **ids})

    async def _ask(self, wire: Wire, user: str, said: dict[str, Any]) -> None:
        run = f"run-{next(self.numbers)}-{user}"
        ids = {"run": run, "request": said["request"], "thread": said["thread"] or f"thread-{run}"}
        self.runs[run] = user, ids
        await wire.say({"type": "started", **ids})
        if "if I say yes" in said["prompt"]:
            asks = {"text": "May I?", "input": f"of-{run}", "choices": ["yes", "no"]}
            await wire.say({"type": "asks", "tool": "lamp", **asks, **ids})
        elif "until you are stopped" not in said["prompt"]:
            del self.runs[run]
            await wire.say({"type": "final", "answer": "I am a server.", **ids})

    async def _go_on(self, wire: Wire, approved: bool, ids: dict[str, str]) -> None:
        for what in ("runs", "ran") if approved else ():
            await wire.say({"type": what, "tool": "lamp", "text": "It is on.", **ids})
        await wire.say({"type": "final", "answer": "I am a server.", **ids})


def _user_of(token: str) -> str:
    if not token:
        return ""
    claims = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"])


def rules_of_the_trace(here: World) -> set[str]:
    """The rules with findings, once the trace has ended and is judged again."""
    assert here.recorder.path is not None
    here.recorder.finish()
    header, records = read_trace(here.recorder.path.read_bytes().splitlines())
    again = TraceChecker(here.suite.profile, here.budgets, header.epoch_s)
    list(map(again.feed, records))
    again.finish()
    return {finding.rule for finding in again.findings}


@contextmanager
def world(folder: Path, server: Beside, profile: str = PROFILE) -> Iterator[World]:
    """A World against the server; nobody is connected yet."""
    with HostileServer(server.door, does.health()) as hostile:
        path = target(folder, hostile.url)
        (folder / "beside.toml").write_text(profile, encoding="utf-8")
        text = path.read_text("utf-8").partition("[prompts.")[0].replace("stop = false", "stop = true")
        path.write_text(f'profile = "beside.toml"\n{text}{PROMPTS}', encoding="utf-8")
        with world_of(SessionPlan(environment=str(path), output_dir=folder / "out", environ=environ())) as here:
            yield here


def test_a_run_is_stopped_by_an_http_request(tmp_path: Path) -> None:
    server = Beside()
    with world(tmp_path, server) as here:
        here.connect("Ada")
        question = here.ask("Ada", "long_running")
        here.wait_for_first_event(question)
        here.stop(question)
        here.wait(question)
        assert question.outcome is not None
        assert question.outcome.ended_by is EventKind.STOPPED
        assert server.asked == [("/runs/run-1-u-ada/cancel", {"by": "u-ada"})]
        records = [entry.record for entry in here.recorder.entries]
        assert [record.text for record in records if isinstance(record, Sent)][1:] == [
            'POST /runs/run-1-u-ada/cancel {"by": "u-ada"}'
        ]
        assert [(r.status, r.what, r.body) for r in records if isinstance(r, Responded)] == [
            (200, "stop", '{"run": "run-1-u-ada"}')
        ]
        assert rules(here) == set()


@pytest.mark.parametrize(("status", "broken"), [(404, set()), (500, {"REFUSAL-2"}), (202, {"REFUSAL-2"})])
def test_a_stop_of_anothers_run_has_to_be_refused(tmp_path: Path, status: int, broken: set[str]) -> None:
    server = Beside(status)
    with world(tmp_path, server) as here:
        here.connect_all(["Ada", "Bashir"])
        here.ask("Ada", "long_running")
        here.wait_for_first_event(here.asking("Ada"))
        access = ForeignAccess(here)
        access.send_stop_to("Ada", "Bashir")
        here.stop(here.asking("Ada"))
        here.wait(here.asking("Ada"))
        assert rules(here) == broken
        assert access.has_reached("Bashir") == bool(broken)
        assert [body["by"] for _, body in server.asked][-2:] == ["u-bashir", "u-ada"]
        assert rules_of_the_trace(here) == broken


def test_a_success_without_an_effect_is_a_refusal_where_the_profile_says_so(tmp_path: Path) -> None:
    profile = PROFILE.replace("status = [404]", "ignored = true")
    with world(tmp_path, Beside(202), profile) as here:
        here.connect_all(["Ada", "Bashir"])
        access = ForeignAccess(here)
        here.ask("Ada", "long_running")
        access.send_stop_to("Ada", "Bashir")
        here.stop(here.asking("Ada"))
        here.wait(here.asking("Ada"))
        assert rules(here) == set()


def test_a_server_that_obeys_the_stop_of_another_user_is_found(tmp_path: Path) -> None:
    with world(tmp_path, Beside(200)) as here:
        here.connect_all(["Ada", "Bashir"])
        here.ask("Ada", "long_running")
        here.wait_for_first_event(here.asking("Ada"))
        ForeignAccess(here).send_stop_to("Ada", "Bashir")
        here.wait(here.asking("Ada"))
        assert "REFUSAL-2" in rules(here)


def tried_without_token(here: World) -> AccessAttempts:
    """Ada has stopped a run, and a stop of her next one was sent without a token; then she stops that as well."""
    here.connect("Ada")
    here.ask("Ada", "long_running")
    access = AccessAttempts(here)
    access.stop_with("Ada", "no token")
    question = here.asking("Ada")
    if not question.over:
        here.stop(question)
    return access


@pytest.mark.parametrize("status", [401, 404, 405, 500, 202, 0])
def test_a_stop_without_a_token_that_does_nothing_gives_no_access(tmp_path: Path, status: int) -> None:
    server = Beside(without_token=status)
    with world(tmp_path, server) as here:
        assert tried_without_token(here).gave_access("Ada") is False
        assert rules(here) == set()
        tried = [entry.record for entry in here.recorder.entries if getattr(entry.record, "unwelcome", "")]
        answers = [
            r.status for e in here.recorder.entries if isinstance(r := e.record, Responded) and r.to == tried[0].n
        ]
        assert [record.run for record in tried if isinstance(record, Sent)] == ["run-2-u-ada"]
        assert answers == ([status] if status else [])
        assert [path for path, _ in server.asked] == [f"/runs/run-{n}-u-ada/cancel" for n in (1, 2, 2)]


def test_a_stop_without_a_token_that_is_obeyed_is_found(tmp_path: Path) -> None:
    with world(tmp_path, Beside(without_token=200)) as here:
        assert tried_without_token(here).gave_access("Ada") is True
        assert rules(here) == {"REFUSAL-1"}
        assert rules_of_the_trace(here) == {"REFUSAL-1"}


@pytest.mark.parametrize(("status", "accepted"), [(401, False), (405, False), (202, False), (200, True)])
def test_an_approval_without_a_token_is_judged_by_what_the_tool_does(
    tmp_path: Path, status: int, accepted: bool
) -> None:
    with world(tmp_path, Beside(without_token=status), f"{PROFILE}{ASKS}") as here:
        here.connect("Ada")
        access = AccessAttempts(here)
        access.approve_with("Ada", "no token")
        Approvals(here).answer("Ada", approves=False)
        assert access.gave_access("Ada") is accepted
        assert rules(here) == ({"REFUSAL-1"} if accepted else set())
        assert Approvals(here).runs_without_asking("Ada") == int(accepted)


def asked_by_http() -> str:
    """The profile, with questions that are sent by HTTP."""
    return PROFILE.replace(PROFILE[PROFILE.index("[send.start]") : PROFILE.index("[send.stop]")], BY_HTTP)


@pytest.mark.parametrize(("status", "accepted"), [(401, False), (404, False), (500, False), (202, False), (200, True)])
def test_a_question_by_http_without_a_token_has_no_effect(tmp_path: Path, status: int, accepted: bool) -> None:
    server = Beside(without_token=status)
    with world(tmp_path, server, asked_by_http()) as here:
        here.connect("Ada")
        access = AccessAttempts(here)
        access.ask_with("Ada", "without_tool", "no token")
        assert access.gave_access("Ada") is accepted
        assert [path for path, _ in server.asked] == ["/threads", "/threads"]
        assert server.asked[0][1]["request"] != server.asked[1][1]["request"]
        again = here.ask("Ada", "without_tool")
        here.wait(again)
        assert again.answer == "I am a server."
        assert rules(here) == ({"REFUSAL-1"} if accepted else set())
        assert rules_of_the_trace(here) == rules(here)


def test_a_question_by_a_message_on_the_connection_is_not_tried_without_a_token(tmp_path: Path) -> None:
    with world(tmp_path, Beside()) as here:
        here.connect("Ada")
        with pytest.raises(NotExercised, match="beside asks by messages on the connection"):
            AccessAttempts(here).ask_with("Ada", "without_tool", "no token")


FRAME = '[send.stop]\ntype = "stop"\nrun = "{run}"\n'


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        (FRAME, "beside stops runs by messages on the connection"),
        ("", r"the profile beside has no \[send.stop\]"),
    ],
)
def test_a_stop_that_is_no_request_of_its_own_is_not_tried(tmp_path: Path, stop: str, reason: str) -> None:
    text = PROFILE.replace(PROFILE[PROFILE.index("[send.stop]") : PROFILE.index("[refusals")], stop)
    with world(tmp_path, Beside(), text) as here:
        here.connect("Ada")
        here.ask("Ada", "long_running")
        with pytest.raises(NotExercised, match=reason):
            AccessAttempts(here).stop_with("Ada", "no token")


def test_a_stop_that_carries_no_token_at_all_is_not_tried(tmp_path: Path) -> None:
    with world(tmp_path, Beside()) as here:
        here.connect("Ada")
        here.ask("Ada", "long_running")
        setup = here.tab("Ada").setup
        assert setup is not None
        setup.token = replace(setup.token, headers={}, subprotocols=["jwt-auth"])
        with pytest.raises(NotExercised, match="requests that do not carry the token of their user"):
            AccessAttempts(here).stop_with("Ada", "no token")


def test_requests_are_sent_by_http_and_their_events_come_on_the_connection(tmp_path: Path) -> None:
    server = Beside()
    with world(tmp_path, server, asked_by_http()) as here:
        here.connect("Ada")
        first = here.ask("Ada", "without_tool")
        here.wait(first)
        second = here.ask("Ada", "without_tool", follow=first)
        here.wait(second)
        assert (first.answer, second.thread) == ("I am a server.", first.thread)
        assert [path for path, _ in server.asked] == ["/threads", "/threads"]
        assert rules(here) == set()


def test_what_was_asked_for_by_http_is_subscribed_to_by_a_frame(tmp_path: Path) -> None:
    server = Beside(subscribed=True)
    text = PROFILE.replace(PROFILE[PROFILE.index("[send.start]") : PROFILE.index("[send.stop]")], SUBSCRIBES)
    with world(tmp_path, server, text) as here:
        here.connect("Ada")
        both = [here.ask("Ada", "without_tool"), here.ask("Ada", "without_tool")]
        here.wait(*both)
        assert [question.answer for question in both] == ["I am a server."] * 2
        assert len({question.run for question in both}) == 2
        sent = [entry.record for entry in here.recorder.entries if isinstance(entry.record, Sent)]
        assert [record.what for record in sent] == ["start", "hello", "start", "hello"]
        assert rules(here) == set()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[send.ping]\nhttp = { path = "/ping" }', "send.ping.http: expected it for one of start, claim, stop"),
        ('[send.stop]\nhttp = { path = "cancel" }', "send.stop.http.path: expected a path that begins with /"),
        ('[send.stop]\nhttp = { path = "/{runn}" }', "send.stop.http.path: unknown name 'runn', expected one of run"),
        ('[send.stop]\ntype = "stop"\nhttp = { path = "/x" }', "send.stop.type: unknown name 'type'"),
        ('[send.stop]\nhttp = { path = "/x", pth = 1 }', "send.stop.http.pth: unknown name 'pth'"),
    ],
)
def test_a_request_that_cannot_be_sent(text: str, says: str) -> None:
    profile = PROFILE.replace(PROFILE[PROFILE.index("[send.stop]") : PROFILE.index("[refusals")], f"{text}\n")
    with pytest.raises(ProfileError, match=re.escape(says)):
        read_spec(profile)


def test_who_sends_requests_by_http_sends_no_bad_messages() -> None:
    text = asked_by_http()
    with pytest.raises(NotExercised, match="users of beside send requests by HTTP"):
        InvalidMessages(Profile.from_toml(text), Values()).half()
