"""Each forged pass is what it is called: wrong in one way only, and refused by the real backend for it."""

import asyncio
import math
import time
from collections.abc import Iterator
from typing import Any

import jwt
import msgspec
import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.client.forged_tokens import FORGERIES, short_token
from greenlight_gate.targets.access import Access, Token
from greenlight_gate.targets.auth import Auth
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.settings import load_target
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from support.tests.backend.users import ENVIRONMENT, SECRET

TARGET = load_target("staging", {})
ADA = TARGET.personas[0]


@pytest.fixture(scope="module")
def backend() -> Iterator[BackendProcess]:
    with BackendProcess.start(env=ENVIRONMENT) as process:
        yield process


def entrance(target: Target = TARGET) -> Access:
    return Access(target, ENVIRONMENT)


def forged(kind: str) -> Token:
    access = entrance()
    made = FORGERIES[kind](access, ADA, access.mint(ADA).token or "")
    assert made is not None
    return made


def status_of(url: str, token: Token) -> int:
    """What the backend answers to an upgrade with this pass; 101 if it lets it in."""
    subprotocols: Any = token.subprotocols or None
    try:
        with connect(token.url(url), additional_headers=token.headers, subprotocols=subprotocols, open_timeout=10):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


@pytest.mark.parametrize("kind", FORGERIES)
def test_the_backend_refuses_each_and_lets_the_honest_one_in(backend: BackendProcess, kind: str) -> None:
    assert status_of(backend.url, forged(kind)) == 401
    assert status_of(backend.url, entrance().mint(ADA)) == 101


def claims(kind: str, *unchecked: str, key: str = SECRET) -> dict[str, Any]:
    """The claims of a forged token, valid but for what is not checked."""
    options: Any = {f"verify_{what}": False for what in unchecked}
    decoded: dict[str, Any] = jwt.decode(forged(kind).token or "", key, ["HS256"], options, audience="chat")
    return decoded


def test_each_is_wrong_in_one_way_only() -> None:
    now = time.time()
    assert claims("an expired token", "exp")["exp"] < now - 60
    assert claims("a token that is not valid yet", "nbf")["nbf"] > now + 60
    assert claims("a token for another audience", "aud")["aud"] == "another-service"
    assert claims("a token in the URL")["sub"] == ADA.user
    with pytest.raises(jwt.InvalidSignatureError):
        claims("a token signed with another key")
    assert claims("a token signed with another key", "signature")["sub"] == ADA.user


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("an unsigned token", "none"), ("a token that names another kind of algorithm", "RS256")]
)
def test_headers_that_name_another_way_of_signing(kind: str, algorithm: str) -> None:
    token = forged(kind).token or ""
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    assert jwt.decode(token, options={"verify_signature": False})["sub"] == ADA.user


def parts_of(token: str) -> list[str]:
    return token.split(".")


def test_another_name_stands_under_the_honest_signature() -> None:
    access = entrance()
    honest = access.mint(ADA).token or ""
    made = FORGERIES["a token with another user's name"](access, ADA, honest)
    assert made is not None
    token = made.token or ""

    def claims_of(text: str) -> dict[str, Any]:
        return dict(jwt.decode(text, options={"verify_signature": False}))

    assert (parts_of(token)[0], parts_of(token)[2]) == (parts_of(honest)[0], parts_of(honest)[2])
    assert claims_of(token) == {**claims_of(honest), "sub": TARGET.personas[1].user}


@pytest.mark.parametrize(("kind", "same"), [("ends in another way", 40), ("differs in its middle", 20)])
def test_changed_signatures_begin_like_the_honest_one(kind: str, same: int) -> None:
    access = entrance()
    honest = access.mint(ADA).token or ""
    made = FORGERIES[f"a token whose signature {kind}"](access, ADA, honest)
    assert made is not None
    token = made.token or ""

    assert parts_of(token)[:2] == parts_of(honest)[:2]
    assert len(parts_of(token)[2]) == len(parts_of(honest)[2]) == 43
    assert parts_of(token)[2][:same] == parts_of(honest)[2][:same]
    assert parts_of(token)[2][:-1] != parts_of(honest)[2][:-1]


@pytest.mark.parametrize("kind", [kind for kind in FORGERIES if kind.startswith("a token in the URL")])
def test_a_token_in_the_address_is_the_honest_one_and_alone(kind: str) -> None:
    access = entrance()
    made = FORGERIES[kind](access, ADA, "honest")
    assert made is not None
    assert (made.headers, made.subprotocols, made.first_message) == ({}, [], None)
    assert list(made.query.values()) == ["honest"]
    assert list(made.query) == [kind.rpartition(" as ")[2] if " as " in kind else "token"]


def test_a_pass_in_the_address_is_nowhere_else() -> None:
    token = forged("a token in the URL")
    assert (token.headers, token.subprotocols, list(token.query)) == ({}, [], ["token"])


MINTED = {"an expired token", "a token that is not valid yet", "a token for another audience"}
RESIGNED = {"a token signed with another key", "an unsigned token", "a token that names another kind of algorithm"}


@pytest.mark.parametrize("kind", sorted(MINTED | RESIGNED))
def test_what_cannot_be_made_for_a_target_is_none(kind: str) -> None:
    auth = Auth(obtain="token", send="bearer")
    personas = (msgspec.structs.replace(ADA, token_env="ADA_TOKEN"),)
    target = msgspec.structs.replace(TARGET, auth=auth, personas=personas)
    access = Access(target, {"ADA_TOKEN": "ready-made"})
    assert FORGERIES[kind](access, personas[0], "ready") is None
    if kind in RESIGNED:
        assert FORGERIES[kind](access, personas[0], entrance().mint(ADA).token or "") is not None


def test_nobody_can_be_sent_to_the_address_who_comes_that_way() -> None:
    auth = Auth(obtain="mint", send="query", secret_env="CHAT_JWT_SECRET")
    access = Access(msgspec.structs.replace(TARGET, auth=auth), ENVIRONMENT)
    assert {forge(access, ADA, "honest") for kind, forge in FORGERIES.items() if "in the URL" in kind} == {None}


def test_forged_tokens_are_redacted_like_honest_ones() -> None:
    access = entrance()
    for kind, forge in FORGERIES.items():
        made = forge(access, ADA, access.mint(ADA).token or "")
        token = (made.token if made is not None else None) or ""
        assert not token or access.redact(f"x {token} y") == "x [token of Ada] y", kind


def test_a_short_pass_ends_at_a_whole_second_soon() -> None:
    before = time.time()
    token = short_token(entrance(), ADA, 1.0)
    assert token.expires_s is not None
    assert before + 1.0 <= token.expires_s <= time.time() + 2.0
    assert math.floor(token.expires_s) == token.expires_s
    assert jwt.decode(token.token or "", SECRET, ["HS256"], audience="chat")["exp"] == token.expires_s


def test_a_pass_that_was_signed_out_opens_nothing(backend: BackendProcess) -> None:
    access = entrance(TARGET.at(backend.url))

    async def sign_out() -> tuple[Token, Token]:
        gone, kept = await access.fresh_token_for(ADA), await access.fresh_token_for(ADA)
        await access.sign_out(gone)
        return gone, kept

    gone, kept = asyncio.run(sign_out())
    assert (status_of(backend.url, gone), status_of(backend.url, kept)) == (401, 101)


def test_forged_tokens_come_with_what_the_target_gives_to_its_profile() -> None:
    """Else a connection that needs it cannot be tried with them."""
    access = entrance(msgspec.structs.replace(TARGET, values={"app": "live"}))
    made = [forge(access, ADA, access.mint(ADA).token or "") for forge in FORGERIES.values()]
    assert [token.values for token in made if token is not None] == [{"app": "live"}] * len(FORGERIES)
