"""Attacks on a server that names nothing but sessions: they carry the victim's, or they are not exercised."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.bdd.actions.foreign_access import ForeignAccess
from greenlight_gate.bdd.actions.isolation import Privacy
from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World
from greenlight_gate.events import Event, EventKind
from greenlight_gate.session.validation_session import SessionPlan
from greenlight_gate.trace import Sent

from support.tests.backend.users import eventually
from support.tests.bdd.worlds import world_of
from support.tests.cli.process import HASTY_S, PATIENT_S, environ, target
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer, Wire

# The session is captured in the handshake, and there is no other way to name a conversation or a run.
ROOMS = """
name = "rooms"
[[handshake]]
expect = { type = "hello" }
capture = { session = "session" }
[every]
run = "run"
request = "request"
thread = "session"
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
type = "ask"
session = "{session}"
request = "{request}"
prompt = "{prompt}"
[send.stop]
type = "stop"
session = "{session}"
[refusals.foreign]
error = ["*"]
"""
# There is no memory: the only secret is the one that a request itself holds.
SECRET = """
[prompts.follow_up]
ask = "I am {canary}."
contains = ["{canary}"]
thinking = false
"""
# Each user asks a flow of their own, in a session.
FLOWS = ROOMS.replace(
    '{ session = "session" }', '{ session = "session", flow = "flow" }'
).replace('type = "ask"', 'type = "ask"\nflow = "{flow}"')  # fmt: skip
TO_THREAD = ('session = "{session}"\nrequest', 'thread = "{thread}"\nrequest')
RESTORE = """
[send.restore]
type = "restore"
session = "{thread}"
[controls.restored]
when = { type = "restored" }
"""
LONG = "Think for long."
PROMPTS = """
[prompts.without_tool]
ask = "Who are you?"
contains = ["a room"]
thinking = false
[prompts.long_running]
ask = "Think for long."
contains = ["a room"]
thinking = false
"""


class Rooms:
    """A server of sessions. `open_to_all`: what anyone may do with a session: ask, stop. `deaf`: a stop completes.

    With "looks", who restores a session receives the answer that is in progress there as well.

    With "joins", who asks in a session in which a question is answered is refused, and receives that answer as well
    ("joins for long": if that would take as long);
    with "doubles", the answer of its owner is doubled;
    with "queues", others are refused once it has ended; with "closes", by a close. With "request", who sends the id of
    an earlier request receives what answered that, whoever has sent it; with "text", only for the same text. With
    "flow", only requests to another user's flow are refused. With "slow", what is asked in another user's session takes
    long.

    `long_s`: how long a long question takes; None: until it is stopped.
    """

    def __init__(self, *open_to_all: str, deaf: bool = False, long_s: float | None = None) -> None:
        self.open_to_all = open_to_all
        self.deaf = deaf
        self.long_s = long_s
        self.at_work: set[asyncio.Task[None]] = set()
        self.wires: dict[str, Wire] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.joined: dict[str, Wire] = {}
        self.doubled: set[str] = set()
        self.came: list[tuple[str, bool]] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.texts: dict[str, str] = {}
        self.begun_by: dict[str, str] = {}

    async def door(self, wire: Wire) -> None:
        session = uuid.uuid4().hex
        self.wires[session] = wire
        await wire.upgrade()
        await wire.say({"type": "hello", "session": session, "flow": f"flow-{session}"})
        while True:
            await self._take(await wire.hear(), session)

    async def _take(self, said: dict[str, Any], session: str) -> None:
        named = (
            said.get("session") or said.get("thread") or self.begun_by.setdefault(said.get("room", session), session)
        )
        self.came.append((said["type"], named == session))
        if named != session and not self._is_open(said, session):
            await self._refuse(said, named, session)
            await self._end(named, "final")
        elif said["type"] == "restore":
            await self.wires[session].say({"type": "restored"})
        elif said["type"] == "stop":
            await self._end(named, "final" if self.deaf else "stopped")
        elif said["request"] in self.answers and self._replays(said):
            await self.wires[session].say({"type": "started", **self.answers[said["request"]]})
            await self.wires[session].say({"type": "final", **self.answers[said["request"]], "answer": "I am a room."})
        elif said["request"] in self.answers and "nothing" in self.open_to_all:
            await self.wires[session].say({"type": "error", "code": "USED", "text": "used before"})
        else:
            run = {"run": uuid.uuid4().hex, "request": said["request"], "session": named}
            self.runs[named] = self.answers[said["request"]] = run
            self.texts[said["request"]] = said["prompt"]
            await self.wires[session].say({"type": "started", **run})
            if named != session and "slow" in self.open_to_all:
                self.at_work.add(asyncio.create_task(self._say_later(self.wires[session], run)))
            elif said["prompt"] != LONG:
                await self._end(named, "final")
            elif self.long_s is not None:
                self.at_work.add(asyncio.create_task(self._think(named, run, self.long_s)))

    async def _refuse(self, said: dict[str, Any], named: str, session: str) -> None:
        joins = "joins" in self.open_to_all or ("joins for long" in self.open_to_all and said.get("prompt") == LONG)
        if joins and named in self.runs:
            self.joined[named] = self.wires[session]
        if "doubles" in self.open_to_all and named in self.runs:
            self.doubled.add(self.runs[named]["run"])
        if "queues" in self.open_to_all:
            await asyncio.gather(*self.at_work)
        if "closes" in self.open_to_all:
            await self.wires[session].close(1008)
        else:
            await self.wires[session].say({"type": "error", "code": "NOT_YOURS", "text": "not yours"})

    def _is_open(self, said: dict[str, Any], session: str) -> bool:
        own_flow = "flow" in self.open_to_all and said.get("flow") == f"flow-{session}"
        return own_flow or said["type"] in self.open_to_all

    def _replays(self, said: dict[str, Any]) -> bool:
        same = "text" in self.open_to_all and self.texts[said["request"]] == said["prompt"]
        return same or "request" in self.open_to_all

    async def _think(self, session: str, run: dict[str, Any], for_s: float) -> None:
        await asyncio.sleep(for_s)
        if self.runs.get(session) is run:
            await self._end(session, "final")

    async def _say_later(self, wire: Wire, run: dict[str, Any]) -> None:
        await asyncio.sleep(self.long_s or 0.0)
        await wire.say({"type": "final", **run, "answer": "I am a room."})

    async def _end(self, session: str, kind: str) -> None:
        run = self.runs.pop(session, None)
        if run is not None:
            for wire in filter(None, (self.wires[session], self.joined.pop(session, None))):
                await wire.say({"type": kind, **run, "answer": "I am a room." * (1 + (run["run"] in self.doubled))})


@contextmanager
def world(
    folder: Path, rooms: Rooms, profile: str = ROOMS, grace_s: float = 0.05, more: str = "", *,
    budget_s: float = HASTY_S, refusal_s: float | None = None,
) -> Iterator[World]:  # fmt: skip
    """Ada and Bashir are connected to the rooms."""
    with HostileServer(rooms.door, does.health()) as server:
        path = target(folder, server.url, budget_s=budget_s)
        (folder / "rooms.toml").write_text(profile, encoding="utf-8")
        text = path.read_text("utf-8").replace("stop = false", "stop = true").partition("[prompts.")[0]
        text = text.replace("grace_s = 0.05", f"grace_s = {grace_s}")
        text = text.replace(f"refusal_s = {budget_s}", f"refusal_s = {refusal_s or budget_s}")
        prompts = PROMPTS
        if "[send.restore]" in profile:
            text, prompts = text.replace("resume = false", "resume = true"), PROMPTS + SECRET
        if more:
            text = text.replace('obtain = "mint"', 'obtain = "token"').replace("secret_env", "token_env")
            text = text.replace('audience = "chat"\n', "")
        path.write_text(f'profile = "rooms.toml"\n{text}{prompts}{more}', encoding="utf-8")
        with world_of(SessionPlan(environment=str(path), output_dir=folder / "reports", environ=environ())) as here:
            here.connect_all(["Ada", "Bashir"])
            yield here


def stopping(here: World) -> None:
    here.ask("Ada", "long_running")
    ForeignAccess(here).send_stop_to("Ada", "Bashir")
    here.wait(here.asking("Ada"))


def asking(here: World) -> None:
    here.wait(here.ask("Ada", "without_tool"))
    ForeignAccess(here).ask_in_conversation_of("Ada", "Bashir")


def asking_with_her_id(here: World, *, meanwhile: bool) -> ForeignAccess:
    access = ForeignAccess(here)
    question = here.ask("Ada", "long_running" if meanwhile else "without_tool")
    if not meanwhile:
        here.wait(question)
    access.ask_with_request_id_of("Ada", "Bashir", "without_tool", meanwhile=meanwhile)
    return access


def found(here: World) -> set[tuple[str, str]]:
    return {(finding.rule, finding.actual.partition(" ")[0]) for finding in here.findings}


def test_a_stop_carries_the_session_of_the_victim(tmp_path: Path) -> None:
    rooms = Rooms("stop")
    with world(tmp_path, rooms) as here:
        stopping(here)
        assert rooms.came == [("ask", True), ("stop", True), ("ask", True), ("stop", False)]
        assert ("REFUSAL-2", "agent_stopped") in found(here)


def test_a_question_carries_the_session_of_the_victim(tmp_path: Path) -> None:
    with world(tmp_path, Rooms("ask")) as here:
        asking(here)
        assert {("REFUSAL-2", "agent_started"), ("ISOLATION-2", "agent_started")} <= found(here)


def test_the_next_question_in_another_users_session_waits_for_the_answer_to_the_one_before(tmp_path: Path) -> None:
    rooms = Rooms("ask", "slow", long_s=0.3)
    # With the prompt of SECRET there are two questions to try, and no event says which of them it is of.
    profile = ROOMS.replace('run = "run"\nrequest = "request"', 'run = "$request"\nrequest = "$request"') + RESTORE
    profile = profile.replace("[every]", '[connection]\nruns = "one_at_a_time"\n[every]')
    with world(tmp_path, rooms, profile, budget_s=PATIENT_S) as here:
        asking(here)
        theirs = here.tab("Bashir").connection
        came = [
            entry.reading.kind.value if isinstance(entry.reading, Event) else "asked"
            for entry in here.recorder.entries
            if entry.record.connection == theirs and isinstance(entry.reading or entry.record, Event | Sent)
        ]
        assert came == ["asked", "agent_started", "agent_completed"] * 2
        assert {rule for rule, _ in found(here)} == {"REFUSAL-2", "ISOLATION-2"}


def test_the_session_of_a_user_who_has_left_is_tried(tmp_path: Path) -> None:
    rooms = Rooms()
    # Users name their sessions themselves, and nothing that they receive does.
    profile = (
        ROOMS.replace('session = "{session}"\nrequest', 'room = "{room}"\nrequest') + '[values]\nroom = "{uuid}"\n'
    )
    with world(tmp_path, rooms, profile) as here:
        here.wait(here.ask("Ada", "without_tool"))
        access = ForeignAccess(here)
        access.leave("Ada")
        access.ask_in_conversation_of("Ada", "Bashir")
        assert rooms.came[-1] == ("ask", False)
        assert found(here) == set()


@pytest.mark.parametrize("profile", [FLOWS, FLOWS.replace(*TO_THREAD)])
def test_another_users_session_is_tried_with_what_else_is_the_attackers_own(tmp_path: Path, profile: str) -> None:
    rooms = Rooms("flow")
    with world(tmp_path, rooms, profile) as here:
        asking(here)
        assert rooms.came.count(("ask", False)) == 2
        assert {("REFUSAL-2", "agent_started"), ("ISOLATION-2", "agent_started")} <= found(here)


def test_another_users_session_is_tried_with_what_else_is_the_attackers_own_while_its_owner_is_answered(
    tmp_path: Path,
) -> None:
    rooms = Rooms("flow", long_s=1.0)
    with world(tmp_path, rooms, FLOWS) as here:
        here.wait(here.ask("Ada", "without_tool"))
        ForeignAccess(here).ask_while_answered("Ada", "Bashir", "long_running")
        assert rooms.came.count(("ask", False)) == 4
        assert ("ISOLATION-2", "agent_started") in found(here)


def test_a_server_that_looks_at_all_that_a_request_names_is_not_accused(tmp_path: Path) -> None:
    rooms = Rooms(long_s=1.0)
    with world(tmp_path, rooms, FLOWS, budget_s=PATIENT_S) as here:
        asking(here)
        ForeignAccess(here).ask_while_answered("Ada", "Bashir", "long_running")
        assert rooms.came.count(("ask", False)) == 6
        assert found(here) == set()


def test_a_user_without_a_memory_tells_the_assistant_a_secret_by_asking_for_it(tmp_path: Path) -> None:
    with world(tmp_path, Rooms(), ROOMS + RESTORE) as here:
        ForeignAccess(here).tell_secret("Ada")
        assert here.asking("Ada").text == f"I am {here.canary('Ada')}."
        assert here.asking("Ada").over
    with world(tmp_path, Rooms()) as here, pytest.raises(NotExercised, match="has no prompts whose answers hold"):
        ForeignAccess(here).tell_secret("Ada")


def test_a_server_that_refuses_both_is_not_accused(tmp_path: Path) -> None:
    rooms = Rooms()
    with world(tmp_path, rooms) as here:
        asking(here)
        stopping(here)
        assert rooms.came.count(("ask", False)) == 1
        assert rooms.came.count(("stop", False)) == 1
        assert found(here) == set()


def test_a_user_whose_attempt_was_refused_by_a_close_connects_again(tmp_path: Path) -> None:
    rooms = Rooms("closes")
    # With the prompt of SECRET there are two questions to try.
    profile = ROOMS.replace('error = ["*"]', "close = [1008]") + RESTORE
    with world(tmp_path, rooms, profile, budget_s=PATIENT_S) as here:
        asking(here)
        answer = here.ask("Bashir", "without_tool")
        here.wait(answer)
        assert rooms.came.count(("ask", False)) == 2
        assert answer.answer == "I am a room."
        assert found(here) == set()


@pytest.mark.parametrize("how", ["joins", "joins for long"])
def test_the_running_answer_of_a_conversation_in_which_another_user_asks_is_found(tmp_path: Path, how: str) -> None:
    with world(tmp_path, Rooms(how, long_s=1.0)) as here:
        asking(here)
        assert found(here) == set()
        ForeignAccess(here).ask_while_answered("Ada", "Bashir", "long_running")
        here.wait(here.asking("Ada"))
        assert eventually(lambda: {("REFUSAL-2", "agent_completed"), ("ISOLATION-2", "agent_completed")} <= found(here))


def test_a_running_answer_that_changes_for_what_another_user_asks_is_found(tmp_path: Path) -> None:
    with world(tmp_path, Rooms("doubles", long_s=0.5), budget_s=PATIENT_S) as here:
        asking(here)
        ForeignAccess(here).ask_while_answered("Ada", "Bashir", "long_running")
        assert found(here) == {("REFUSAL-2", "'I")}
        assert here.asked_by("Ada")[-1].answer == "I am a room." * 2


def test_a_refusal_may_wait_for_the_end_of_the_running_answer(tmp_path: Path) -> None:
    rooms = Rooms("queues", long_s=3 * HASTY_S)
    with world(tmp_path, rooms, budget_s=PATIENT_S, refusal_s=HASTY_S) as here:
        here.wait(here.ask("Ada", "without_tool"))
        ForeignAccess(here).ask_while_answered("Ada", "Bashir", "long_running")
        assert rooms.came.count(("ask", False)) == 2
        assert found(here) == set()
        assert here.asking("Ada").answer == "I am a room."


def test_a_run_that_has_ended_before_another_user_could_ask_beside_it_shows_nothing(tmp_path: Path) -> None:
    rooms = Rooms("joins")
    # What is read first is the end.
    with world(tmp_path, rooms, ROOMS.replace('type = "started"', 'type = "begun"')) as here:
        here.wait(here.ask("Ada", "without_tool"))
        with pytest.raises(NotExercised, match="Ada's run ended before Bashir could ask in its conversation"):
            ForeignAccess(here).ask_while_answered("Ada", "Bashir", "without_tool")
        assert ("ask", False) not in rooms.came


def test_what_its_owner_cannot_restore_during_an_answer_either_is_not_tried(tmp_path: Path) -> None:
    rooms = Rooms(long_s=1.0)
    with world(tmp_path, rooms, ROOMS + RESTORE) as here:
        here.wait(here.ask("Ada", "without_tool"))
        with pytest.raises(NotExercised, match="Ada cannot restore a conversation of their own in which an answer is"):
            ForeignAccess(here).restore_while_answered("Ada", "Bashir", "long_running")
        assert [what for what, _ in rooms.came].count("restore") == 1


def test_without_a_place_for_the_victims_session_nothing_is_tried(tmp_path: Path) -> None:
    rooms = Rooms("stop", "ask")
    with world(tmp_path, rooms, ROOMS.replace('type = "stop"\nsession = "{session}"', 'type = "stop"')) as here:
        here.wait_for_first_event(here.ask("Ada", "long_running"))
        with pytest.raises(NotExercised, match="has no place for what is another user's where users stop a run"):
            ForeignAccess(here).send_stop_to("Ada", "Bashir")
        assert rooms.came == [("ask", True)]


def test_where_not_even_the_owner_can_stop_a_run_a_refusal_shows_nothing(tmp_path: Path) -> None:
    rooms = Rooms("stop", deaf=True, long_s=0.0)
    with world(tmp_path, rooms) as here:
        here.ask("Ada", "long_running")
        with pytest.raises(NotExercised, match="Ada cannot stop a run of their own"):
            ForeignAccess(here).send_stop_to("Ada", "Bashir")
        assert ("stop", False) not in rooms.came


def test_a_stop_that_makes_a_run_complete_at_once_is_refused_to_others_as_well(tmp_path: Path) -> None:
    with world(tmp_path, Rooms("stop", deaf=True, long_s=1.4), grace_s=0.6) as here:
        here.ask("Ada", "long_running")
        access = ForeignAccess(here)
        with pytest.raises(Unmet, match=r"REFUSAL-2: .* Ada's run completed at once after Bashir tried to stop it"):
            access.send_stop_to("Ada", "Bashir")
        assert access.stops.ended("Ada").has(EventKind.COMPLETED)


def test_what_proves_who_a_user_is_stays_the_attackers_own(tmp_path: Path) -> None:
    rooms = Rooms("stop")
    with world(
        tmp_path, rooms, ROOMS.replace("{session}", "{session_key}").replace("session = ", "session_key = ", 1)
    ) as here:
        here.ask("Ada", "long_running")
        with pytest.raises(NotExercised, match="has no place"):
            ForeignAccess(here).send_stop_to("Ada", "Bashir")


def test_users_who_have_told_nothing_yet_ask_before_others_try_to_restore_their_conversation(tmp_path: Path) -> None:
    rooms = Rooms("restore")
    with world(tmp_path, rooms, ROOMS + RESTORE) as here:
        privacy = Privacy(here)
        privacy.watch(["Ada", "Bashir"])
        privacy.restore_each_others(ForeignAccess(here))

        came = [what for what, _ in rooms.came]
        assert came[:2] == came[-2:] == ["ask", "ask"]
        assert set(came[2:-2]) == {"restore"}


def test_without_resume_nobody_is_asked_for_a_conversation_to_restore(tmp_path: Path) -> None:
    rooms = Rooms("restore")
    with world(tmp_path, rooms) as here:
        privacy = Privacy(here)
        privacy.watch(["Ada", "Bashir"])
        with pytest.raises(NotExercised, match="resume"):
            privacy.restore_each_others(ForeignAccess(here))
        assert rooms.came == []


# Runs and conversations that the events do not name.
NAMELESS = ROOMS.replace('run = "run"', 'run = "none?"').replace('thread = "session"', 'thread = "none?"')


def test_a_conversation_by_no_name_of_its_own_is_not_tried(tmp_path: Path) -> None:
    rooms = Rooms("stop", "ask")
    with world(tmp_path, rooms, NAMELESS.replace(*TO_THREAD)) as here:
        here.wait(here.ask("Bashir", "without_tool"))
        with pytest.raises(NotExercised, match="Ada's answers name no conversation of their own"):
            asking(here)
        assert "REFUSAL-2" not in {finding.rule for finding in here.findings}
        assert [what for what, _ in rooms.came] == ["ask", "ask", "ask"]


def test_a_run_without_a_name_is_not_tried_to_be_stopped(tmp_path: Path) -> None:
    rooms = Rooms("stop", "ask")
    profile = NAMELESS.replace('type = "stop"\nsession = "{session}"', 'type = "stop"\nrun = "{run}"')
    with world(tmp_path, rooms, profile) as here:
        with pytest.raises(NotExercised, match="Ada's answers name no run of their own"):
            stopping(here)
        assert [what for what, _ in rooms.came] == ["ask", "stop", "ask"]


def test_a_user_id_that_is_not_known_is_not_claimed(tmp_path: Path) -> None:
    rooms = Rooms("ask")
    claim = '[send.claim]\ntype = "ask"\nrequest = "{request}"\nprompt = "{prompt}"\nuser = "{user}"\n'
    users = "".join(f'[[personas]]\nname = "{name}"\n' for name in ("Ada", "Bashir"))
    with world(tmp_path, rooms, ROOMS.replace("[send.stop]", f"{claim}[send.stop]"), more=users) as here:
        with pytest.raises(NotExercised, match="Ada has no user id that Bashir could claim"):
            ForeignAccess(here).claim_to_be("Ada", "Bashir", "without_tool")
        assert rooms.came == []


@pytest.mark.parametrize("meanwhile", [False, True])
def test_the_answer_to_another_users_request_id_is_found(tmp_path: Path, meanwhile: bool) -> None:
    with world(tmp_path, Rooms("request", long_s=1.0)) as here:
        access = asking_with_her_id(here, meanwhile=meanwhile)
        assert "ISOLATION-2" in {finding.rule for finding in here.findings}
        assert access.has_reached("Bashir")


@pytest.mark.parametrize("meanwhile", [False, True])
def test_the_answer_to_another_users_request_id_and_text_is_found(tmp_path: Path, meanwhile: bool) -> None:
    with world(tmp_path, Rooms("text", long_s=1.0)) as here:
        hers = here.ask("Ada", "long_running" if meanwhile else "without_tool", text="" if meanwhile else "I am Ada.")
        if not meanwhile:
            here.wait(hers)
        access = ForeignAccess(here)
        access.ask_with_request_id_of("Ada", "Bashir", "without_tool", meanwhile=meanwhile)
        assert access.has_reached("Bashir")
        assert "ISOLATION-2" in {finding.rule for finding in here.findings}
        _, first, her_second, last = here.questions
        assert (first.request, last.request) == (hers.request, her_second.request)
        assert (first.text != hers.text, last.text) == (True, her_second.text)


@pytest.mark.parametrize("server", [(), ("nothing",)])
@pytest.mark.parametrize("meanwhile", [False, True])
def test_a_request_id_that_another_user_has_used_may_be_answered_or_refused(
    tmp_path: Path, server: tuple[str, ...], meanwhile: bool
) -> None:
    with world(tmp_path, Rooms(*server, long_s=1.0), budget_s=PATIENT_S) as here:
        access = asking_with_her_id(here, meanwhile=meanwhile)
        hers, his = here.questions[:2]
        assert (hers.request, hers.answer) == (his.request, "I am a room.")
        assert his.answer == (None if server else "I am a room.")
        assert not access.has_reached("Bashir")
        assert found(here) == set()


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        (ROOMS.replace('request = "{request}"', 'request = "{uuid}"'), "has no place for the id of a request"),
        (ROOMS.replace('run = "run"', 'run = "request"'), "the id of Ada's request is a part of the ids"),
    ],
)
def test_a_request_id_that_has_no_place_or_names_the_run_as_well_is_not_tried(
    tmp_path: Path, profile: str, says: str
) -> None:
    rooms = Rooms("request")
    with world(tmp_path, rooms, profile) as here:
        with pytest.raises(NotExercised, match=says):
            asking_with_her_id(here, meanwhile=False)
        assert [what for what, _ in rooms.came] == ["ask"]
