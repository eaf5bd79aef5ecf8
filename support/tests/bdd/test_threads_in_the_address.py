"""A server whose conversations stand in the address: users keep theirs, resume by connecting again, and try others'."""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from greenlight_gate.bdd.actions.foreign_access import ForeignAccess
from greenlight_gate.bdd.actions.network import Network
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World
from greenlight_gate.events import EventKind
from greenlight_gate.monitor.round import RoundOutcome
from greenlight_gate.session.synthetic_user import PARTS, SyntheticUser
from greenlight_gate.session.validation_session import SessionPlan

from support.tests.bdd.worlds import rules, world_of
from support.tests.cli.process import environ, target
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer, Wire

THREADS = """
name = "threads"
[[before]]
method = "GET"
path = "/new/{user}"
capture = { thread_id = "id" }
each = "tab"
[connection]
path = "/talk/{thread_id}"
query = { user = "{user}" }
[resume]
query = { after = "{last_seq}" }
[every]
run = "run"
request = "request"
thread = "thread"
seq = "seq"
[[event]]
when = { type = "started" }
is = "agent_started"
[[event]]
when = { type = "thought" }
is = "agent_thinking"
text = "text"
[[event]]
when = { type = "tool" }
is = "tool_executing"
tool = "tool"
[[event]]
when = { type = "tool_done" }
is = "tool_completed"
tool = "tool"
text = "result"
[[event]]
when = { type = "final" }
is = "agent_completed"
text = "answer"
[controls.error]
when = { type = "error" }
capture = { code = "code", text = "text" }
[controls.restored]
when = { type = "restored" }
[promises]
gap_free_seq = true
[send.start]
request = "{request}"
prompt = "{prompt}"
"""
PROMPTS = """
[prompts.without_tool]
ask = "Who are you?"
contains = ["a thread"]
thinking = false
[prompts.long_running]
ask = "Think until I am back."
contains = ["a thread"]
thinking = false
"""
WITH_TOOL = """
[prompts.with_tool]
ask = "Use a tool until I am back."
contains = ["a thread"]
tools = ["needle"]
thinking = false
"""


class Threads:
    """A server of threads, each of one user. `lenient`: anyone may open any of them; `loses`: it replays too little.

    A long request is answered once its thread is opened again.
    """

    def __init__(self, *, lenient: bool = False, loses: int = 0) -> None:
        self.lenient = lenient
        self.loses = loses
        self.owners: dict[str, str] = {}
        self.sent: dict[str, list[dict[str, Any]]] = {}
        self.open_run: dict[str, dict[str, Any]] = {}
        self.asked: dict[str, str] = {}
        self.tried: list[tuple[str, str]] = []
        self.came: list[str] = []
        self.afters: list[int] = []
        self.numbers = itertools.count(1)

    async def door(self, wire: Wire) -> None:
        address = urlsplit(wire.path)
        place, _, name = address.path.removeprefix("/ws").lstrip("/").partition("/")
        self.came.append(f"{place} {name}")
        if place in ("new", "join"):
            await self._before(wire, place, name)
            return
        asked = parse_qs(address.query)
        user = asked.get("user", [""])[0]
        name = name or asked.get("thread", [""])[0]
        if place == "talk" and name and not self._may(name, user):
            await wire.respond_json("403 Forbidden", {"why": "not yours"})
            return
        await wire.upgrade()
        if not name:
            joins = await wire.hear()
            name = joins["join"]
            asked |= {"after": [joins["after"]]} if "after" in joins else {}
            self.sent.setdefault(name, [])
            self.owners.setdefault(name, user)
            if not self._may(name, user):
                await wire.say({"type": "error", "code": "not_yours", "text": "This is not your thread."})
                await wire.close(1008)
                return
            await wire.say({"type": "joined"})
        if "after" in asked:
            self.afters.append(int(asked["after"][0]))
            for event in self.sent[name][int(asked["after"][0]) + self.loses :]:
                await wire.say(event)
            await wire.say({"type": "restored"})
            await self._end(wire, name)
        while True:
            said = await wire.hear()
            self.open_run[name] = {
                "run": f"run-{next(self.numbers)}-{name}",
                "request": said["request"],
                "thread": name,
            }
            self.asked[name] = said["prompt"]
            await self._say(wire, name, "started")
            if "until I am back" not in said["prompt"]:
                await self._end(wire, name)

    async def _before(self, wire: Wire, place: str, name: str) -> None:
        """Responds to a request before the connection."""
        if place == "new":
            thread = f"thread-{len(self.owners)}-of-{name}"
            self.owners[thread], self.sent[thread] = name, []
            await wire.respond_json("200 OK", {"id": thread})
            return
        thread, _, user = name.partition("/")
        if self._may(thread, user):
            await wire.respond_json("200 OK", {"place": thread})
        else:
            await wire.respond_json("403 Forbidden", {"why": "not yours"})

    def _may(self, thread: str, user: str) -> bool:
        self.tried.append((thread, user))
        return self.lenient or self.owners[thread] == user

    async def _end(self, wire: Wire, thread: str) -> None:
        if thread in self.open_run:
            if "a tool" in self.asked[thread]:
                await self._say(wire, thread, "thought", text="With which needle?")
                await self._say(wire, thread, "tool", tool="needle")
                await self._say(wire, thread, "tool_done", tool="needle", result="sewn")
            await self._say(wire, thread, "final", answer="I am a thread.")
            del self.open_run[thread]

    async def _say(self, wire: Wire, thread: str, kind: str, **more: str) -> None:
        event = {"type": kind, "seq": len(self.sent[thread]) + 1, **self.open_run[thread], **more}
        self.sent[thread].append(event)
        await wire.say(event)


@contextmanager
def world(
    folder: Path,
    threads: Threads,
    profile: str = THREADS,
    *,
    resume: bool = True,
    prompts: str = PROMPTS,
    memory_probe: bool = False,
) -> Iterator[World]:
    """A World against the server; nobody is connected yet."""
    with HostileServer(threads.door, does.health()) as server:
        path = target(folder, server.url.removesuffix("/ws"))
        (folder / "threads.toml").write_text(profile, encoding="utf-8")
        text = path.read_text("utf-8").partition("[prompts.")[0]
        text = text.replace("stop = false", "stop = true")
        text = text.replace("resume = false", "resume = true") if resume else text
        text = text.replace("memory_probe = false", "memory_probe = true") if memory_probe else text
        path.write_text(f'profile = "threads.toml"\n{text}{prompts}', encoding="utf-8")
        with world_of(SessionPlan(environment=str(path), output_dir=folder / "out", environ=environ())) as here:
            yield here


def test_a_user_keeps_the_thread_over_a_reconnect(tmp_path: Path) -> None:
    threads = Threads()
    with world(tmp_path, threads, resume=False) as here:
        network = Network(here)
        network.connect("Ada")
        here.wait(here.ask("Ada", "without_tool"))
        network.lose("Ada")
        network.reconnect("Ada")
        here.wait(here.ask("Ada", "without_tool"))
        here.wait(here.ask("Ada", "without_tool", follow=here.last("Ada")))
        assert [visit.split()[0] for visit in threads.came] == ["new", "talk", "talk"]
        assert len(set(threads.came[1:])) == 1
        assert rules(here) == set()


def test_where_each_connection_gets_a_thread_the_new_one_is_no_foul(tmp_path: Path) -> None:
    threads = Threads()
    with world(tmp_path, threads, THREADS.replace('each = "tab"\n', ""), resume=False) as here:
        here.connect("Ada")
        first = here.ask("Ada", "without_tool")
        here.wait(first)
        here.reconnect("Ada")
        second = here.ask("Ada", "without_tool", follow=first)
        here.wait(second)
        assert (first.thread, second.thread) == ("thread-0-of-u-ada", "thread-1-of-u-ada")
        assert rules(here) == set()


def test_a_tab_that_resumes_its_own_requests_only_restores_nothing_of_another_one(tmp_path: Path) -> None:
    with world(tmp_path, Threads()) as here:
        here.connect("Ada")
        here.connect("Ada")
        question = here.ask("Ada", "without_tool")
        here.wait(question)
        with pytest.raises(NotExercised, match=re.escape("resumes nothing of another one's: [resume]")):
            here.restore_in_another_tab(question, 2)
        assert rules(here) == set()


def test_once_for_the_user_is_once_for_all_tabs(tmp_path: Path) -> None:
    threads = Threads()
    with world(tmp_path, threads, THREADS.replace('each = "tab"', 'each = "user"')) as here:
        here.connect("Ada")
        here.connect("Ada")
        here.connect("Bashir")
        assert [visit for visit in threads.came if visit.startswith("new")] == ["new u-ada", "new u-bashir"]


@pytest.mark.parametrize("loses", [0, 1])
def test_resume_by_connecting_again(tmp_path: Path, loses: int) -> None:
    threads = Threads(loses=loses)
    with world(tmp_path, threads) as here:
        network = Network(here)
        network.connect("Ada")
        question = here.ask("Ada", "long_running")
        network.lose_once(question, EventKind.STARTED)
        if loses:
            # What was sent while she was away is what a server may lose.
            threads.sent[question.thread or ""].append({**threads.sent[question.thread or ""][0], "seq": 2})
        network.reconnect("Ada")
        here.wait(question)
        assert question.answer == "I am a thread."
        assert (rules(here) != set()) == bool(loses)
        assert not loses or "CONTINUITY-1" in rules(here)


FIRST_MESSAGE = """
[values]
thread_id = { value = "chosen-{uuid}", each = "tab" }
[connection]
path = "/talk"
query = { user = "{user}" }
[[handshake]]
send = { join = "{thread_id}" }
[[handshake]]
expect = { type = "joined" }
[resume]
[[resume.handshake]]
send = { join = "{thread}", after = "{last_seq}", run = "{run}" }
[[resume.handshake]]
expect = { type = "joined" }
"""


@pytest.mark.parametrize("loses", [0, 1])
def test_resume_by_the_first_message_in_a_thread_that_the_client_has_named(tmp_path: Path, loses: int) -> None:
    threads = Threads(loses=loses)
    text = THREADS.replace(THREADS[THREADS.index("[[before]]") : THREADS.index("[every]")], FIRST_MESSAGE)
    with world(tmp_path, threads, text) as here:
        network = Network(here)
        network.connect("Ada")
        question = here.ask("Ada", "long_running")
        network.lose_once(question, EventKind.STARTED)
        if loses:
            threads.sent[question.thread or ""].append({**threads.sent[question.thread or ""][0], "seq": 2})
        network.reconnect("Ada")
        here.wait(question)
        assert (question.answer, threads.afters) == ("I am a thread.", [1])
        assert ("CONTINUITY-1" in rules(here)) == bool(loses)
        here.reconnect("Ada")
        again = here.ask("Ada", "without_tool", follow=question)
        here.wait(again)
        assert again.thread == question.thread
        assert list(threads.owners.values()) == ["u-ada"]


def test_a_reloaded_page_resumes_from_the_beginning(tmp_path: Path) -> None:
    threads = Threads()
    with world(tmp_path, threads) as here:
        network = Network(here)
        network.connect("Ada")
        question = here.ask("Ada", "long_running")
        network.lose_once(question, EventKind.STARTED)
        network.reload("Ada")
        here.wait(question)
        assert threads.afters == [0]
        assert [event.seq for event in question.events] == [1, 2]
        assert rules(here) == set()


def test_the_monitors_user_resumes_in_the_same_thread(tmp_path: Path) -> None:
    threads = Threads()
    prompts = WITH_TOOL
    with world(tmp_path, threads, prompts=prompts) as here:
        parts = [part for part in PARTS if part.name == "reconnect"]
        assert [part.lacking(here.suite) for part in parts] == [""]
        played = SyntheticUser(here.suite, parts).play(1, 0.0, "a round")
        assert (played.round.outcome, played.round.why, played.round.reconnects) == (RoundOutcome.PASSED, "", 1)
        assert threads.afters == [1]


def test_the_monitor_knows_a_profile_that_cannot_resume(tmp_path: Path) -> None:
    text = THREADS.replace("[resume]\n", "").replace('query = { after = "{last_seq}" }\n', "")
    with world(tmp_path, Threads(), text, prompts=WITH_TOOL) as here:
        lacking = {part.name: part.lacking(here.suite) for part in PARTS}
        assert lacking["reconnect"] == "the profile threads has neither [resume] nor [send.restore]"


def test_a_profile_without_a_way_to_resume_lacks_it(tmp_path: Path) -> None:
    text = THREADS.replace("[resume]\n", "").replace('query = { after = "{last_seq}" }\n', "")
    with world(tmp_path, Threads(), text) as here:
        with pytest.raises(NotExercised, match=r"the profile threads has neither \[resume\] nor \[send.restore\]"):
            here.need("resume")
        with pytest.raises(NotExercised, match=r"the profile threads has no \[send.stop\]"):
            here.need("stop")
        here.connect("Ada")


def attack(here: World) -> ForeignAccess:
    here.connect_all(["Ada", "Bashir"])
    here.wait(here.ask("Ada", "without_tool"))
    access = ForeignAccess(here)
    access.ask_in_conversation_of("Ada", "Bashir")
    access.ask_to_see_conversation_of("Ada", "Bashir")
    return access


def test_the_thread_in_the_address_is_tried_by_others(tmp_path: Path) -> None:
    threads = Threads(lenient=True)
    with world(tmp_path, threads) as here:
        access = attack(here)
        assert {"REFUSAL-2", "ISOLATION-2"} <= rules(here)
        assert access.has_reached("Bashir")


# Where else the conversation may stand: in the query, in the first message, in a request before the connection.
ELSEWHERE = {
    "query": ("path = \"/talk/{thread_id}\"\nquery = { user = \"{user}\" }",
              "path = \"/talk\"\nquery = { user = \"{user}\", thread = \"{thread_id}\" }"),
    "message": ("path = \"/talk/{thread_id}\"\nquery = { user = \"{user}\" }",
                "path = \"/talk\"\nquery = { user = \"{user}\" }\n"
                "[[handshake]]\nsend = { join = \"{thread_id}\" }\n[[handshake]]\nexpect = { type = \"joined\" }"),
    "request": ("each = \"tab\"\n[connection]\npath = \"/talk/{thread_id}\"",
                "each = \"tab\"\n[[before]]\nmethod = \"GET\"\npath = \"/join/{thread_id}/{user}\"\n"
                "capture = { place = \"place\" }\n[connection]\npath = \"/at/{place}\""),
}  # fmt: skip


@pytest.mark.parametrize("lenient", [True, False])
@pytest.mark.parametrize("where", list(ELSEWHERE))
def test_the_thread_is_tried_by_others_wherever_it_stands(tmp_path: Path, where: str, lenient: bool) -> None:
    threads = Threads(lenient=lenient)
    text = THREADS.replace('[resume]\nquery = { after = "{last_seq}" }\n', "").replace(*ELSEWHERE[where])
    with world(tmp_path, threads, text, resume=False) as here:
        here.connect_all(["Ada", "Bashir"])
        here.wait(here.ask("Ada", "without_tool"))
        access = ForeignAccess(here)
        access.ask_in_conversation_of("Ada", "Bashir")
        assert ("thread-0-of-u-ada", "u-bashir") in threads.tried
        assert access.has_reached("Bashir") == lenient
        assert ("REFUSAL-2" in rules(here)) == lenient


def test_a_server_that_refuses_at_the_upgrade_is_not_accused(tmp_path: Path) -> None:
    threads = Threads()
    with world(tmp_path, threads) as here:
        access = attack(here)
        assert threads.came.count("talk thread-0-of-u-ada") > 3
        assert rules(here) == set()
        assert not access.has_reached("Bashir")


def test_a_thread_that_each_connection_gets_anew_is_no_place(tmp_path: Path) -> None:
    threads = Threads(lenient=True)
    with world(tmp_path, threads, THREADS.replace('each = "tab"\n', "")) as here:
        here.connect_all(["Ada", "Bashir"])
        here.wait(here.ask("Ada", "without_tool"))
        with pytest.raises(NotExercised, match="threads has no place for what is another user's"):
            ForeignAccess(here).ask_in_conversation_of("Ada", "Bashir")


# Where the conversation stands when a user resumes, and what is there where the answers name none.
RESUMED = {
    "path": 'path = "/talk/{thread}"',
    "query": 'query = { thread = "{thread}" }',
    "headers": 'headers = { X-Thread = "{thread}", X-Run = "{run}" }',
    "message": '[[resume.handshake]]\nsend = { join = "{thread}" }',
    "request": '[[resume.before]]\nmethod = "GET"\npath = "/join/{thread}/{user}"\ncapture = { thread_id = "place" }',
    "frame": '[send.restore]\nthread = "{thread}"',
}


@pytest.mark.parametrize("where", list(RESUMED))
def test_a_conversation_that_has_no_name_is_not_tried_wherever_it_stands(tmp_path: Path, where: str) -> None:
    threads = Threads(lenient=True)
    text = THREADS.replace('each = "tab"\n', "").replace('thread = "thread"', 'thread = "none?"')
    text = text.replace('run = "run"', 'run = "none?"').replace('[resume]\nquery = { after = "{last_seq}" }\n', "")
    text += RESUMED[where] if where == "frame" else f"[resume]\n{RESUMED[where]}"
    with world(tmp_path, threads, text) as here:
        here.connect_all(["Ada", "Bashir"])
        here.wait(here.ask("Ada", "without_tool"))
        with pytest.raises(NotExercised, match=r"cannot restore a conversation|has no place|names? no conversation"):
            ForeignAccess(here).ask_to_see_conversation_of("Ada", "Bashir")
        assert "REFUSAL-2" not in rules(here)
        assert not any(getattr(entry.record, "foreign", "") for entry in here.recorder.entries)
