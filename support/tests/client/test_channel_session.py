"""One user over a channel: what is resumed by the last event id, and what has to be refused without a token."""

import asyncio
import json

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.resumable_session import ResumableSession
from greenlight_gate.client.scenario_session import ScenarioSession
from greenlight_gate.events import EventKind
from greenlight_gate.targets.access import Access, Token
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.settings import load_target
from greenlight_gate.trace import Expect, Responded, Sent
from greenlight_gate.wire.profile import Profile

from support.tests.backend.users import ENVIRONMENT
from support.tests.client.scene import QUICK, play
from support.tests.hostile import conduct as does
from support.tests.hostile.server import Act, HostileServer, Wire
from support.tests.wire.recorded import PROFILES, shipped

PROFILE = shipped("agent-events-channel")
HANDSHAKE = '[[handshake]]\nexpect = { type = "endpoint" }\ncapture = { endpoint = "endpoint" }\n'
# The same where the address of messages is known without a channel.
FIXED = Profile.from_toml(
    (PROFILES / "agent-events-channel.toml").read_text().replace(HANDSHAKE, "").replace('"{endpoint}"', '"/messages"')
)
LONG = "Please research the tides."


def test_the_last_event_id_resumes_all_answers_that_are_under_way() -> None:
    async def scene(target: Target) -> Recorder:
        recorder = Recorder("a scenario", None, PROFILE, target.budgets, lambda data: data)
        ada, access = target.personas[0], Access(target, ENVIRONMENT)
        lost, back = (
            ResumableSession("Ada", ada, target, profile=PROFILE, recorder=recorder) for _ in range(2)
        )  # fmt: skip
        await lost.connect(await access.token_for(ada), None)
        asked = [await lost.ask(LONG, Expect(contains=(("tides",),))) for _ in range(2)]
        for question in asked:
            await lost.wait_until(question, question.has_begun)
        lost.cut("RST", "during two answers")
        lost.hang_up()
        await lost.wait_closed(5.0)
        naming = lost.resuming()
        assert naming.values["last_event_id"] == lost.last_event_id != ""
        assert {naming.thread, *naming.also} == {question.thread for question in asked}
        back.kept = lost.kept
        await back.connect(await access.token_for(ada), None, 2, naming=naming)
        back.take_over(lost)
        for question in asked:
            assert question.thread is not None
            assert await back.restore(question.thread, back.last_seq(question.thread))
            await back.wait_end(question)
            assert question.has(EventKind.COMPLETED)
        await back.close()
        recorder.finish()
        return recorder

    with BackendProcess.start(env=ENVIRONMENT) as backend:
        recorder = asyncio.run(scene(load_target("embedded-channel", ENVIRONMENT).at(backend.http_url)))
    assert [str(finding) for finding in recorder.findings] == []
    sent = [entry.record for entry in recorder.entries if isinstance(entry.record, Sent)]
    assert [record.text for record in sent if record.what == "restore"] == ["by the last event id"]


def answering(channel: int, message: int) -> Act:
    """A server that answers the GET, and each POST, with these statuses."""

    async def act(wire: Wire) -> None:
        while True:
            await wire.reader.readexactly(int(wire.headers.get("content-length", "0")))
            status = channel if wire.path == "/events" else message
            if status == 200:
                await wire.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
                await does.forever(wire)
            await wire.respond_json(f"{status} As Told", {"detail": "no"})
            await wire.read_request()

    return act


@pytest.mark.parametrize(
    ("channel", "message", "answers", "broken"),
    [
        (401, 401, [401, 401], set()),
        (401, 202, [401, 202], {"REFUSAL-1"}),
        (500, 401, [500, 401], {"REFUSAL-1"}),
        # What is open has to be refused: nothing is posted beside it.
        (200, 401, [], {"REFUSAL-1"}),
    ],
)
def test_without_a_valid_token_both_the_channel_and_a_message_are_refused(
    channel: int, message: int, answers: list[int], broken: set[str]
) -> None:
    recorder = Recorder("a scenario", None, FIXED, QUICK, lambda data: data)

    async def scene(url: str) -> None:
        target = load_target("embedded-channel", ENVIRONMENT).at(url)
        session = ScenarioSession("Ada", target.personas[0], target, profile=FIXED, recorder=recorder)
        session.budgets = QUICK
        try:
            await session.connect(Token("Ada", "none"), None, unwelcome="no token")
        except NotConnected as error:
            raise AssertionError(json.dumps(str(error))) from error
        finally:
            await session.close()
            recorder.finish()

    with HostileServer(answering(channel, message), does.health()) as server:
        asyncio.run(asyncio.wait_for(scene(f"http://127.0.0.1:{server.port}"), 20))
    records = [entry.record for entry in recorder.entries]
    assert [record.status for record in records if isinstance(record, Responded)] == answers
    assert {finding.rule for finding in recorder.findings} == broken


GREETING = [{"type": "endpoint", "endpoint": "/messages"}, {"type": "connection_established", "user_id": "u-ada"}]


def greeting(*said: object) -> Act:
    """A server whose channel begins with these messages; it answers no POST."""

    async def act(wire: Wire) -> None:
        if wire.path == "/events":
            events = b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in said)
            await wire.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + events)
        await does.forever(wire)

    return act


async def ping(session: ScenarioSession) -> None:
    assert not await session.ping()


@pytest.mark.parametrize("was_cut", [False, True])
def test_a_message_beside_a_channel_has_to_be_answered(*, was_cut: bool) -> None:
    async def part(session: ScenarioSession) -> None:
        await ping(session)
        session.cut_by_us = was_cut

    _, _, recorder = play(greeting(*GREETING), part, profile=PROFILE, path="")
    said = {(finding.rule, finding.expected) for finding in recorder.findings}
    unanswered = ("CONNECTION-1", "an answer to each request by HTTP")
    assert said == {("CONNECTION-2", "an answer to the ping")} | (set() if was_cut else {unanswered})


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("http://[bad", "is no URL: 'http://[bad'"),
        ("http://", "is no URL"),
        ("http://127.0.0.1:port/messages", "is no URL"),
        (17, "is no URL: '17'"),
        ({"path": "/messages"}, "is no URL"),
        (None, "is missing, or null"),
        ("", "is no URL: ''"),
        ("/\\elsewhere.example/messages", "is of another origin than "),
        ("\\\\elsewhere.example/messages?key=1", "is of another origin than "),
        ("http:/\t/\\elsewhere.example/messages", "is of another origin than "),
        ("//elsewhere.example/messages?key=1", "is of another origin than "),
        ("https://127.0.0.1/messages", "'https://127.0.0.1/messages'. Credentials are sent to no other one"),
        ("mailto:ada@example.org", "is of another origin"),
    ],
)
def test_an_address_to_which_no_message_can_be_sent_is_a_finding(endpoint: object, said: str) -> None:
    greets = greeting({"type": "endpoint", "endpoint": endpoint}, GREETING[1])
    _, error, recorder = play(greets, ping, profile=PROFILE, path="")
    assert isinstance(error, NotConnected)
    assert error.rule == "CONNECTION-1"
    assert [(finding.rule, finding.expected) for finding in recorder.findings] == [("CONNECTION-1", "a connection")]
    assert said in recorder.findings[0].actual
    assert "key" not in recorder.findings[0].actual
