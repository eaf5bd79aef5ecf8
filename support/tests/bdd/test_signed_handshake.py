"""A server whose users sign: their first message, and a challenge of the server in the handshake."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.world.world import World
from greenlight_gate.session.validation_session import SessionPlan
from greenlight_gate.targets.errors import Misconfigured
from greenlight_gate.wire.errors import ProfileError
from greenlight_gate.wire.spec import read_spec

from support.tests.bdd.worlds import world_of
from support.tests.cli.process import environ, target
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer, Wire

KEY = b"a-key-that-only-the-server-and-its-clients-know"
PROFILE = """
name = "signed"
[values]
sent_at = "{now_ms}"
signature = { hook = "sign" }
[[handshake]]
send = { type = "hello", user = "{user}", at = "{sent_at}", signature = "{signature}" }
[[handshake]]
expect = { type = "challenge" }
capture = { challenge = "nonce" }
[[handshake]]
send = { type = "answer", signature = "{signature}" }
[[handshake]]
expect = { type = "welcome" }
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
[controls.error]
when = { type = "error" }
capture = { code = "code" }
[send.start]
request = "{request}"
prompt = "{prompt}"
"""
PROMPTS = """
[prompts.without_tool]
ask = "Who are you?"
contains = ["a signer"]
thinking = false
"""


def signature_of(text: str) -> str:
    return hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()


def sign(values: Mapping[str, Any]) -> str:
    """What a team's own package may bring: it signs the challenge, before that what the first message says."""
    return signature_of(values.get("challenge") or f"{values['user']} {values['sent_at']}")


def failing(values: Mapping[str, Any]) -> str:
    raise RuntimeError("the key is hunter2hunter2")


async def door(wire: Wire) -> None:
    await wire.upgrade()
    hello = await wire.hear()
    nonce = f"nonce-for-{hello['user']}"
    assert hello["signature"] == signature_of(f"{hello['user']} {hello['at']}")
    await wire.say({"type": "challenge", "nonce": nonce})
    answer = await wire.hear()
    if answer["signature"] != signature_of(nonce):
        await wire.say({"type": "error", "code": "bad_signature"})
        return
    await wire.say({"type": "welcome"})
    while True:
        said = await wire.hear()
        ids = {"run": f"run-{said['request']}", "request": said["request"]}
        await wire.say({"type": "started", **ids})
        await wire.say({"type": "final", "answer": "I am a signer.", **ids})


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"sign": "sign", "wrong": "repr", "failing": "failing"}
    places = {name: f"{__name__}:{what}" for name, what in names.items()} | {"wrong": "builtins:repr"}
    points = EntryPoints([EntryPoint(name, place, "greenlight.values") for name, place in places.items()])
    monkeypatch.setattr("importlib.metadata.entry_points", points.select)


@contextmanager
def world(folder: Path, profile: str = PROFILE) -> Iterator[World]:
    """A World against the server; nobody is connected yet."""
    with HostileServer(door, does.health()) as server:
        path = target(folder, server.url)
        (folder / "signed.toml").write_text(profile, encoding="utf-8")
        text = path.read_text("utf-8").partition("[prompts.")[0]
        path.write_text(f'profile = "signed.toml"\n{text}{PROMPTS}', encoding="utf-8")
        with world_of(SessionPlan(environment=str(path), output_dir=folder / "out", environ=environ())) as here:
            yield here


def test_a_first_message_and_a_challenge_are_signed_and_no_signature_is_shown(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.connect("Ada")
        question = here.ask("Ada", "without_tool")
        here.wait(question)
        assert question.answer == "I am a signer."
        assert here.findings == []
        written = "".join(str(entry.record) for entry in here.recorder.entries)
        assert signature_of("nonce-for-u-ada") not in written
        assert written.count('"signature": "[token of Ada]"') == 2


def test_another_signature_is_refused(tmp_path: Path) -> None:
    text = PROFILE.replace('type = "answer", signature = "{signature}"', 'type = "answer", signature = "{user}"')
    with world(tmp_path, text) as here, pytest.raises(Unmet, match="was refused in the handshake"):
        here.connect("Ada")


@pytest.mark.parametrize(
    ("hook", "says"),
    [
        ("sing", "the profile's hook 'sing': expected the name of an entry point of greenlight.values"),
        ("failing", "failed for Ada: RuntimeError"),
    ],
)
def test_a_hook_that_does_not_do(tmp_path: Path, hook: str, says: str) -> None:
    with world(tmp_path, PROFILE.replace('hook = "sign"', f'hook = "{hook}"')) as here:
        with pytest.raises(Misconfigured) as caught:
            here.connect("Ada")
        assert says in str(caught.value)
        assert "hunter2" not in str(caught.value)


def test_a_hook_is_asked_each_time() -> None:
    with pytest.raises(ProfileError, match=r"values.signature: expected a hook alone"):
        read_spec(PROFILE.replace('hook = "sign"', 'hook = "sign", each = "tab"'))
