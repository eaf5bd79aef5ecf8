"""A server that people sign in to as in a browser: a form, cookies, several requests, and a request that signs out."""

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from greenlight_gate.bdd.actions.access import SIGNED_OUT, AccessAttempts
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World
from greenlight_gate.session.validation_session import SessionPlan

from support.tests.bdd.worlds import rules, world_of
from support.tests.cli.process import environ, target
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer, Wire

PROFILE = """
name = "cookies"
[needs]
number = "the user's number, which the login gives"
[[before]]
method = "GET"
path = "/threads/new"
capture = { thread_id = "id" }
[controls.ready]
when = { type = "ready" }
[every]
run = "run"
request = "request"
[[event]]
when = { type = "started" }
is = "agent_started"
[[event]]
when = { type = "final" }
is = "agent_completed"
text = "answer"
[send.start]
request = "{request}"
prompt = "{prompt}"
number = "{number}"
thread = "{thread_id}"
"""
TARGET = """
name = "browser"
url = "{url}"
profile = "cookies.toml"
health = ""
api_version = ""
[auth]
obtain = "login"
send = "cookie"
cookie_name = "session"
logout = {{ method = "DELETE", path = "/session", json = {{ all = true }} }}
[[auth.login]]
method = "GET"
path = "/flow"
capture = {{ flow = "flow.id", csrf = "cookie:csrf" }}
[[auth.login]]
path = "/login?flow={{flow}}"
form = {{ name = "{{username}}", password = "{{password}}", csrf_token = "{{csrf}}" }}
status = [302]
[[auth.login]]
method = "GET"
path = "/me"
capture = {{ number = "me.number" }}
[auth.refresh]
path = "/refresh"
json = {{ of = "{{number}}" }}
[[personas]]
name = "Ada"
user = "ada"
password_env = "ADA_PASSWORD"
expired_token_env = "ADA_OLD_SESSION"
[[personas]]
name = "Bashir"
user = "bashir"
password_env = "BASHIR_PASSWORD"
[capabilities]
resume = false
stop = false
ping = false
errors = false
[budgets]
handshake_s = 10
refusal_s = 10
grace_s = 0.05
[prompts.without_tool]
ask = "Who am I?"
contains = ["you are"]
thinking = false
"""
PASSWORDS = {"ada": "correct-horse-battery", "bashir": "staple-of-many-words"}
ENVIRON = {
    "ADA_PASSWORD": PASSWORDS["ada"],
    "BASHIR_PASSWORD": PASSWORDS["bashir"],
    "ADA_OLD_SESSION": "an-old-session-0",
}


class Browser:
    """The server. `compares`: how much of a session's cookie it compares; `forgets`: whether signing out ends it."""

    def __init__(self, *, compares: int = 999, forgets: bool = True, lifetime_s: int = 0) -> None:
        self.compares = compares
        self.forgets = forgets
        self.lifetime_s = lifetime_s
        self.sessions: dict[str, str] = {}
        self.asked: list[str] = []
        self.said: list[dict[str, Any]] = []
        self.numbers = itertools.count(1)

    async def door(self, wire: Wire) -> None:
        place, _, query = wire.path.partition("?")
        cookies = dict(pair.split("=", 1) for pair in wire.headers.get("cookie", "").split("; ") if "=" in pair)
        body = await wire.reader.readexactly(int(wire.headers.get("content-length", 0)))
        self.asked.append(place)
        more = {"expires_in": self.lifetime_s} if self.lifetime_s else {}
        user = next((name for key, name in self.sessions.items() if self._is(cookies.get("session", ""), key)), "")
        if place == "/flow":
            await wire.respond_json("200 OK", {"flow": {"id": "flow-7"}}, "Set-Cookie: csrf=c-8; Path=/\r\n")
        elif place == "/login":
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            fits = (query, cookies.get("csrf"), form["csrf_token"]) == ("flow=flow-7", "c-8", "c-8")
            known = PASSWORDS.get(form["name"]) == form["password"]
            await wire.respond("302 Found" if fits and known else "403 Forbidden", extra=self._new(form["name"]))
        elif not user:
            await wire.respond_json("401 Unauthorized", {"why": "who are you?"})
        elif place == "/me":
            await wire.respond_json("200 OK", {"me": {"number": len(user)}, **more})
        elif place == "/refresh":
            assert json.loads(body) == {"of": len(user)}
            await wire.respond_json("200 OK", more, self._new(user))
        elif place == "/session":
            assert json.loads(body) == {"all": True}
            if self.forgets:
                self.sessions = {key: name for key, name in self.sessions.items() if name != user}
            await wire.respond("204 No Content")
        elif place == "/threads/new":
            await wire.respond_json("200 OK", {"id": f"thread-of-{user}"})
        else:
            await wire.upgrade()
            # Who is let in is told so: silence would show nothing on a busy machine.
            await wire.say({"type": "ready"})
            await self._talk(wire)

    def _is(self, shown: str, known: str) -> bool:
        return bool(shown) and shown[: self.compares] == known[: self.compares]

    def _new(self, user: str) -> str:
        key = f"opaque-{user}-{next(self.numbers)}-abcdefghijklmnop"
        self.sessions[key] = user
        return f"Set-Cookie: session={key}; Path=/; HttpOnly\r\n"

    async def _talk(self, wire: Wire) -> None:
        while True:
            said = await wire.hear()
            self.said.append(said)
            ids = {"run": f"run-{said['request']}", "request": said["request"]}
            await wire.say({"type": "started", **ids})
            await wire.say({"type": "final", "answer": f"You are {said['thread']}.", **ids})


@contextmanager
def world(folder: Path, browser: Browser, text: str = TARGET, **environ: str) -> Iterator[World]:
    """A World against the server; nobody is connected yet."""
    with HostileServer(browser.door, does.health()) as server:
        (folder / "cookies.toml").write_text(PROFILE, encoding="utf-8")
        path = folder / "browser.toml"
        path.write_text(text.format(url=server.url), encoding="utf-8")
        plan = SessionPlan(environment=str(path), output_dir=folder / "out", environ={**ENVIRON, **environ})
        with world_of(plan) as here:
            yield here


def ask(here: World, user: str) -> None:
    here.connect(user)
    question = here.ask(user, "without_tool")
    here.wait(question)
    assert question.answer == f"You are thread-of-{user.lower()}."


def test_users_sign_in_by_several_requests_and_are_known_by_a_cookie(tmp_path: Path) -> None:
    browser = Browser()
    with world(tmp_path, browser) as here:
        ask(here, "Ada")
        assert browser.asked == ["/flow", "/login", "/me", "/threads/new", "/ws"]
        ask(here, "Bashir")
        assert [said["number"] for said in browser.said] == [3, 6]
        assert here.findings == []
        written = "".join(str(entry.record) for entry in here.recorder.entries)
        assert "opaque-" not in written
        assert PASSWORDS["ada"] not in written


OPAQUE = [
    "no token",
    "a random token",
    "a token whose signature was cut short",
    "a token whose signature ends in another way",
    "a token whose signature differs in its middle",
    "an expired token",
    "a token in the URL",
    SIGNED_OUT,
]


@pytest.mark.parametrize("kind", OPAQUE)
def test_a_server_that_checks_cookies_refuses_all_others(tmp_path: Path, kind: str) -> None:
    with world(tmp_path, Browser()) as here:
        access = AccessAttempts(here)
        access.connect_with("Ada", kind)
        assert access.turned_away("Ada")
        assert here.findings == []


@pytest.mark.parametrize(
    ("browser", "kind"),
    [
        (Browser(compares=12), "a token whose signature ends in another way"),
        (Browser(compares=12), "a token whose signature was cut short"),
        (Browser(forgets=False), SIGNED_OUT),
    ],
)
def test_a_server_that_takes_another_cookie_is_found(tmp_path: Path, browser: Browser, kind: str) -> None:
    with world(tmp_path, browser) as here:
        access = AccessAttempts(here)
        access.connect_with("Ada", kind)
        assert not access.turned_away("Ada")
        assert {finding.rule for finding in here.findings} == {"REFUSAL-1"}


@pytest.mark.parametrize("by_http", [False, True])
def test_a_server_that_is_gone_has_let_nobody_in(tmp_path: Path, by_http: bool) -> None:
    with ExitStack() as runs:
        server = runs.enter_context(HostileServer(does.conversation(does.binary), does.health()))
        url = server.url.replace("ws://", "http://") if by_http else server.url
        path = target(tmp_path, url, profile="agent-events-sse" if by_http else "")
        plan = SessionPlan(environment=str(path), output_dir=tmp_path / "reports", environ=environ())
        with world_of(plan) as here:
            runs.close()
            AccessAttempts(here).connect_with("Ada", "no token")
            assert rules(here) == {"CONNECTION-1"}


def test_what_nobody_gave_is_not_tried(tmp_path: Path) -> None:
    with world(tmp_path, Browser()) as here, pytest.raises(NotExercised, match="an expired token cannot be made"):
        AccessAttempts(here).connect_with("Bashir", "an expired token")


def test_a_login_is_renewed_by_its_own_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser(lifetime_s=1000)
    with world(tmp_path, browser) as here:
        access, ada = here.suite.access, here.persona("Ada")
        first = here.call(access.token_for(ada))
        now = time.time()
        monkeypatch.setattr("greenlight_gate.targets.access.time.time", lambda: now + 950)
        second = here.call(access.token_for(ada))
        assert (first.token, second.token) == ("opaque-ada-1-abcdefghijklmnop", "opaque-ada-2-abcdefghijklmnop")
        assert browser.asked == ["/flow", "/login", "/me", "/refresh"]
        assert second.values["number"] == 3
        browser.sessions.clear()
        monkeypatch.setattr("greenlight_gate.targets.access.time.time", lambda: now + 5000)
        here.call(access.token_for(ada))
        assert browser.asked[4:] == ["/refresh", "/flow", "/login", "/me"]
