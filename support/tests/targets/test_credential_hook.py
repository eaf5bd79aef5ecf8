"""Credentials that need code, claims of the target's own, and values out of the environment."""

import asyncio
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import jwt
import pytest
from greenlight_gate.targets import credential_hook
from greenlight_gate.targets.access import Access
from greenlight_gate.targets.auth import Auth
from greenlight_gate.targets.errors import Misconfigured
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Invalid, Persona, Prompt, Prompts

ADA = Persona(name="Ada", user="u-ada")
SECRET = "an-hmac-secret-of-more-than-32-bytes!"


def target(**more: Any) -> Target:
    return Target(name="mine", url="ws://127.0.0.1:9", prompts=Prompts(without_tool=Prompt(ask="x")), **more)


def signed(name: str, url: str, user: str) -> dict[str, str]:
    """What a team's own package may bring."""
    return {"X-Signature": f"signature-of-{user}-for-{name}-at-{url}"}


def failing(*_: str) -> dict[str, str]:
    raise RuntimeError("the secret is hunter2hunter2")


def no_headers(*_: str) -> Any:
    return {"X": 5}


def hooked(name: str) -> Target:
    return target(auth=Auth(obtain="hook", send="headers", hook=name))


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("signed", "failing", "no_headers")
    points = EntryPoints([EntryPoint(name, f"{__name__}:{name}", credential_hook.GROUP) for name in names])
    monkeypatch.setattr("importlib.metadata.entry_points", points.select)


def test_a_hook_signs_and_what_it_makes_is_shown_nowhere() -> None:
    access = Access(hooked("signed"), {})
    token = asyncio.run(access.token_for(ADA))
    signature = "signature-of-u-ada-for-mine-at-ws://127.0.0.1:9"
    assert token.headers == {"X-Signature": signature}
    assert access.redact(f"sent {signature}") == "sent [token of Ada]"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("signd", "auth.hook: expected the name of an entry point of greenlight.credentials, but 'signd' is none"),
        ("failing", "failed for Ada: RuntimeError"),
        ("no_headers", "expected headers (texts by name)"),
    ],
)
def test_a_hook_that_does_not_do(name: str, says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        asyncio.run(Access(hooked(name), {}).token_for(ADA))
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "auth",
    [
        {"obtain": "hook", "send": "headers"},
        {"obtain": "hook", "send": "bearer", "hook": "x"},
        {"obtain": "token", "send": "headers", "hook": "x"},
    ],
)
def test_a_hook_half_declared(auth: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        Auth(**auth)


def test_claims_of_the_targets_own() -> None:
    claims = {"name": "{user}", "roles": ["user", "{user}!"], "level": 3}
    auth = Auth(obtain="mint", send="profile", secret_env="S", claims=claims)
    token = asyncio.run(Access(target(auth=auth), {"S": SECRET}).token_for(ADA))
    said = jwt.decode(token.token or "", SECRET, algorithms=["HS256"])
    assert (said["sub"], said["name"], said["roles"], said["level"]) == ("u-ada", "u-ada", ["user", "u-ada!"], 3)
    assert (token.headers, token.query, token.subprotocols, token.first_message) == ({}, {}, [], None)


def test_values_out_of_the_environment_are_secrets() -> None:
    access = Access(target(values={"key": "env:MY_KEY", "model": "small"}), {"MY_KEY": "a-very-secret-key"})
    token = asyncio.run(access.token_for(ADA))
    assert token.values == {"key": "a-very-secret-key", "model": "small"}
    assert access.redact("a-very-secret-key") == "[token of everybody]"
    with pytest.raises(Misconfigured, match=r"MY_KEY \(values.key\): expected the value of key"):
        Access(target(values={"key": "env:MY_KEY"}), {})
