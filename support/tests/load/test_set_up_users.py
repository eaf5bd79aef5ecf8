"""Users of a load who sign in, shake hands, answer and connect anew, as the profile asks for it."""

import json
import pickle
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from greenlight_gate.client.canary_factory import canary_of
from greenlight_gate.load.plan import LoadPlan, PlannedPrompt, PlannedUser
from greenlight_gate.load.request_frames import speaks_plainly
from greenlight_gate.load.set_up_user import beginning_of
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.auth import Auth
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Budgets, Prompt, Prompts
from greenlight_gate.trace import Expect
from greenlight_gate.wire.profile import Profile
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection

from support.tests.load.users import BUDGETS, IMPATIENT, run
from support.tests.wire.recorded import PROFILES, shipped
from support.tests.wire.small import SMALL, served

PROFILE = (
    SMALL.replace('run = "run_id"', 'run = "run_id"\nthread = "$room"\nrequest = "mark"').replace(
        'text = "{prompt}"', 'text = "{prompt}"\nmark = "{request_number}"\nstyle = "{style}"'
    )
    + """
[needs]
style = "how to answer"
[[before]]
method = "GET"
path = "/room/{user}"
capture = { room = "room" }
each = "tab"
[[before]]
method = "GET"
path = "/ticket/{room}"
capture = { ticket = "ticket" }
[[after]]
method = "GET"
path = "/leave/{room}"
each = "tab"
[connection]
path = "/talk/{ticket}"
runs = "one"
[[handshake]]
expect = { type = "riddle" }
capture = { word = "word" }
[[handshake]]
send = { type = "answer", word = "{word}" }
[[handshake]]
expect = { type = "seated" }
[[answer]]
when = { type = "hb" }
send = { type = "hb-ack", room = "{room}" }
[controls.error]
when = { type = "oops" }
[scope]
mine = { room = { same_as = "room" } }
"""
)


class House:
    """A server that gives each user a room and each connection a ticket, and counts what it was asked for."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.cookies: list[str] = []
        self.takes_word = True
        self.says_parts = False
        self.ignores_once = ""
        self.marks: type = int
        self.answers = Event()
        self.answers.set()
        self.seen_marks: list[Any] = []

    def request(self, line: ServerConnection, request: Request) -> Response | None:
        what, _, rest = request.path.lstrip("/").partition("/")
        if what == "talk":
            return None
        self.answers.wait()
        self.seen[what] += 1
        self.cookies.append(f"{what} {request.headers.get('Cookie')}")
        body = json.dumps({what: f"{what}-{rest or 'of-nobody'}-{self.seen[what]}"}).encode()
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body))})
        if what == "room":
            headers["Set-Cookie"] = f"seat={rest}"
        return Response(HTTPStatus.OK, "OK", headers, body)

    def talk(self, line: ServerConnection) -> None:
        assert line.request is not None
        ticket = line.request.path.removeprefix("/talk/ticket-")
        room = ticket.rpartition("-")[0]
        self.seen["talk"] += 1
        line.send(json.dumps({"type": "riddle", "word": f"word of {ticket}", "room": room}))
        assert json.loads(line.recv()) == {"type": "answer", "word": f"word of {ticket}"}
        if not self.takes_word:
            line.send(json.dumps({"type": "oops", "room": room}))
            return
        line.send(json.dumps({"type": "seated", "room": room}))
        for text in line:
            asked = json.loads(text)
            self.seen["asked"] += 1
            line.send(json.dumps({"type": "hb"}))
            assert json.loads(line.recv()) == {"type": "hb-ack", "room": room}
            about = {"room": room, "run_id": f"run-{ticket}-{self.seen['asked']}", "mark": asked["mark"]}
            assert (asked["style"], type(asked["mark"])) == ("short", self.marks)
            self.seen_marks.append(asked["mark"])
            if self.ignores_once and self.ignores_once in room:
                self.ignores_once = ""
                continue
            line.send(json.dumps({"type": "started", **about}))
            if self.says_parts:
                line.send(json.dumps({"type": "part", "text": asked["text"], **about}))
            line.send(json.dumps({"type": "final", "answer": asked["text"], **about}))


@contextmanager
def house() -> Iterator[tuple[House, str]]:
    built = House()
    with served(built.talk, process_request=built.request) as url:
        yield built, url


def load_on(
    url: str,
    profile: str = PROFILE,
    *,
    budgets: TimeBudgets = BUDGETS,
    answers_within_s: float = 5.0,
    **values: Any,
) -> LoadResult:
    prompts = Prompts(without_tool=Prompt(ask="{canary}?", contains=("{canary}",)))
    target = Target(
        name="house",
        url=url,
        prompts=prompts,
        profile="house",
        auth=Auth(obtain="none"),
        health="",
        budgets=Budgets(handshake_s=answers_within_s),
    )
    users = []
    for persona in target.users(2):
        canary = canary_of(persona.name)
        asked = PlannedPrompt(target.question("without_tool", canary), Expect(contains=((canary,),)))
        token = Token(persona.user, "none", values={"style": "short"})
        users.append(PlannedUser(persona.name, persona.user, url, (asked,), persona=persona, token=token))
    made = LoadPlan(
        id="test", profile_toml=profile, users=tuple(users), budgets=budgets, target=target,
        **{"runs_each": 3, **values},
    )  # fmt: skip
    # As another process gets it.
    return run(pickle.loads(pickle.dumps(made)))


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b'{"detail": "no"}', '{"detail": "no"}'),
        (b"x" * 1_990 + b' "eyJhbGciOiJIUzI1NiJ9.e30.sig"', "x" * 1_990 + ' "'),
    ],
)
def test_no_beginning_of_a_token_is_kept_where_a_body_is_cut(body: bytes, kept: str) -> None:
    assert beginning_of(body) == kept


def test_each_request_gets_a_connection_of_its_own_where_the_profile_says_so() -> None:
    with house() as (built, url):
        came = load_on(url)

    assert (came.asked, came.runs, came.counts, came.short) == (6, 6, {}, ())
    assert (came.connections_tried, came.connections_made) == (6, 6)
    assert built.seen == {"room": 2, "ticket": 6, "talk": 6, "asked": 6, "leave": 2}
    assert (came.canaries_expected, came.canaries_seen) == (2, 2)


def test_the_time_to_the_first_part_of_an_answer_is_measured() -> None:
    part = '[[event]]\nwhen = { type = "part" }\nis = "answer_part"\ntext = "text"\n[[before]]'
    with house() as (built, url):
        without = load_on(url)
        built.says_parts = True
        came = load_on(url, PROFILE.replace("[[before]]", part, 1))

    assert (came.runs, came.counts, without.first_token) == (6, {}, None)
    assert came.raw is not None
    assert came.first_token is not None
    assert came.whole is not None
    raw, first, whole = (Histogram.decode(each) for each in (came.raw, came.first_token, came.whole))
    assert (first.samples, whole.samples) == (6, 6)
    assert raw.sum_us <= first.sum_us <= whole.sum_us


def test_ids_of_requests_are_uuids_where_they_are_no_numbers() -> None:
    with house() as (built, url):
        built.marks = str
        came = load_on(url, PROFILE.replace("{request_number}", "{request}"))

    assert (came.runs, came.counts) == (6, {})
    assert {UUID(mark).version for mark in built.seen_marks} == {4}


def test_a_connection_answers_all_requests_where_it_may() -> None:
    with house() as (built, url):
        came = load_on(url, PROFILE.replace('runs = "one"', 'runs = "one_at_a_time"'))

    assert (came.runs, came.counts, built.seen["talk"]) == (6, {}, 2)


def test_who_connects_again_is_not_counted_as_refused() -> None:
    with house() as (_, url):
        came = load_on(url, runs_each=None, duration_s=2.5)

    assert came.runs > 6
    assert [counts.refused for counts in came.timeline if counts.refused] == []


def test_cookies_of_a_user_are_sent_back() -> None:
    with house() as (built, url):
        load_on(url, runs_each=1)

    assert sorted(built.cookies) == [
        "leave seat=u-ada", "leave seat=u-bashir", "room None", "room None",
        "ticket seat=u-ada", "ticket seat=u-bashir",
    ]  # fmt: skip


def test_a_request_before_the_connection_that_is_not_answered_in_time_may_be_the_doing_of_a_busy_machine() -> None:
    with house() as (built, url):
        built.answers.clear()
        came = load_on(url, answers_within_s=0.3)
        built.answers.set()

    assert (came.connections_made, came.counts) == (0, {"CONNECTION-1": 2})
    assert all(offence.finding.late for offence in came.offences)


def test_who_is_refused_in_the_handshake_is_not_connected() -> None:
    with house() as (built, url):
        built.takes_word = False
        came = load_on(url)

    assert (came.connections_tried, came.connections_made, came.asked) == (2, 0, 0)
    assert came.counts["CONNECTION-1"] == 2


def test_a_request_that_was_given_up_leaves_the_next_one_another_connection() -> None:
    with house() as (built, url):
        built.ignores_once = "u-ada"
        came = load_on(url, PROFILE.replace('runs = "one"', 'runs = "one_at_a_time"'), budgets=IMPATIENT)

    assert (came.asked, came.runs, built.seen["talk"]) == (6, 5, 3)


def test_a_wrong_answer_is_found_on_any_connection() -> None:
    with house() as (_, url):
        came = load_on(url, PROFILE.replace('text = "answer"', 'text = "type"'))

    assert came.counts["CONTENT-4"] == 6


def test_what_a_profile_cannot_say_is_no_fault_of_the_target() -> None:
    profile = PROFILE.replace('style = "{style}"', 'style = "{later}"') + (
        '[[ignore]]\nwhen = { type = "later" }\nbecause = "it never comes"\nremember = { later = "later" }\n'
    )
    with house() as (_, url):
        came = load_on(url, profile, budgets=IMPATIENT, runs_each=1)

    assert came.short == tuple(
        f"{name}'s next message needs 'later', which is not known yet" for name in ("Ada", "Bashir")
    )


def test_the_plain_profiles_that_ship() -> None:
    plain = {path.stem for path in PROFILES.glob("*.toml") if speaks_plainly(shipped(path.stem))}
    assert plain == {"agent-events", "agent-events-sse"}


@pytest.mark.parametrize(
    ("also", "plain"),
    [
        ("", True),
        ('[connection]\npath = "/ws/{room}"\n[needs]\nroom = "where"', True),
        ('[connection]\nruns = "one"', False),
        ('[[answer]]\nwhen = { type = "hb" }\nsend = { type = "hb" }', False),
        ('[scope]\nmine = { who = { same_as = "user" } }', False),
        ('[[before]]\npath = "/login"', False),
        ('[[handshake]]\nsend = { type = "hello" }', False),
        ('[send.ping]\ntype = "ping"\nat = "{now}"', False),
        ('[frame]\ncodecs = ["base64", "json"]', True),
    ],
)
def test_who_speaks_plainly(also: str, *, plain: bool) -> None:
    assert speaks_plainly(Profile.from_toml(SMALL + also)) is plain
