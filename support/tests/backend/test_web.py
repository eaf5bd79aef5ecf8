"""HTTP and the upgrade: who gets in."""

import base64
import hmac
import re
import time
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from greenlight_gate.backend.launch import BackendProcess
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from support.tests.backend.changing import Changing
from support.tests.backend.users import (
    DEADLINE_S,
    SECRET,
    User,
    eventually,
    is_end,
    tab,
    tab_with_an_ending_token,
    token_of,
)

AS_JSON = {"content-type": "application/json"}


def test_health(backend: BackendProcess) -> None:
    answer = httpx2.get(f"{backend.http_url}/health")
    body = answer.json()
    assert answer.status_code == 200
    assert isinstance(body.pop("timestamp"), float)
    assert body == {"status": "healthy", "service": "reference-chat", "version": "2.1.0"}


@pytest.mark.parametrize("way", ["data", "json"])
def test_a_name_and_password_give_a_token_that_opens_the_chat(backend: BackendProcess, way: str) -> None:
    credentials: dict[str, Any] = {way: {"username": "ada", "password": "ada-pass"}}
    answer = httpx2.post(f"{backend.http_url}/auth/token", **credentials)
    body = answer.json()
    assert (answer.status_code, body["token_type"], body["expires_in"]) == (200, "bearer", 3600)
    with tab(backend.url, token=body["access_token"]) as ada:
        assert ada.greeting["user_id"] == "ada"


@pytest.mark.parametrize(
    ("request_of", "status"),
    [
        ({"json": {"username": "ada", "password": "wrong"}}, 401),
        ({"json": {"username": "nobody", "password": "ada-pass"}}, 401),
        (
            {"content": rb'{"username": "ada", "password": "\ud800"}', "headers": AS_JSON},
            401,
        ),
        (
            {"content": rb'{"username": "\ud800", "password": "x"}', "headers": AS_JSON},
            401,
        ),
        ({"data": {"username": "ada"}}, 400),
        ({"json": ["ada"]}, 400),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ({"content": b"ada", "headers": {"content-type": "text/plain"}}, 415),
        ({"content": b"x" * 70_000, "headers": {"content-type": "application/json"}}, 413),
    ],
)
def test_other_credentials_give_none(backend: BackendProcess, request_of: dict[str, Any], status: int) -> None:
    assert httpx2.post(f"{backend.http_url}/auth/token", **request_of).status_code == status


def test_after_a_logout_the_token_is_refused_and_its_connection_ends(backend: BackendProcess) -> None:
    token = token_of("ada")
    headers = {"Authorization": f"Bearer {token}"}
    with tab(backend.url, token=token) as ada, tab(backend.url) as other:
        assert httpx2.post(f"{backend.http_url}/auth/logout", headers=headers).status_code == 204
        assert ada.read()["error_code"] == "UNAUTHENTICATED"
        assert ada.close_code() == 4401
        assert other.run("What is 17*23?")
    assert httpx2.post(f"{backend.http_url}/auth/logout", headers=headers).status_code == 401
    assert refusal(backend.url, additional_headers=headers) == 401


def test_metrics(changing: Changing) -> None:
    # No run of other tests is open there, such as one that waits for an approval.
    with changing.broken() as backend:

        def metrics() -> dict[str, int]:
            text = httpx2.get(f"{backend.http_url}/metrics").text
            return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", text, re.MULTILINE)}

        assert eventually(lambda: metrics()["chat_connections_open"] == metrics()["chat_runs_open"] == 0)
        with tab(backend.url) as ada:
            ada.ask("Please research the tides thoroughly.")
            ada.read()
            values = metrics()
            assert values["chat_connections_open"] == 1
            assert values["chat_runs_open"] == 1
            assert values["process_resident_memory_bytes"] > 10_000_000
            assert values["process_open_fds"] > 5
            ada.read_run()


def refusal(url: str, **options: Any) -> int:
    with pytest.raises(InvalidStatus) as refused, connect(url, open_timeout=DEADLINE_S, **options):
        pass
    return int(refused.value.response.status_code)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        token_of("ada", lifetime_s=-3),
        token_of("ada", secret="x" * 32),
        token_of("ada", aud="mail"),
        token_of("ada", sub=7),
        token_of("ada", exp=1e999),
        token_of("ada", nbf=time.time() + 3_600),
        token_of("ada", iat=time.time() + 3_600),
        token_of("ada", jti=7),
        token_of("ada", jti="\ud800"),
        token_of("\ud800"),
        token_of(""),
        token_of("ada", aud=["mail", "calendar"]),
        token_of("ada", aud=None),
        token_of("ada", exp=None),
        f"{token_of('ada')}x",
        token_of("ada").rpartition(".")[0],
        f"{token_of('ada')}.{token_of('ada')}",
        "ä" * 5_000,
    ],
    ids=[
        *("none", "nonsense", "expired", "foreign-signature", "foreign-audience", "no-text-sub", "endless"),
        *("not-yet", "from-the-future", "no-text-jti", "surrogate-jti", "surrogate-sub", "nobody", "two-audiences"),
        *("no-audience", "no-end", "longer-signature", "no-signature", "twice", "not-ascii"),
    ],
)
def test_a_bad_token_is_refused_with_401(backend: BackendProcess, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    assert refusal(backend.url, additional_headers=headers) == 401


def _resigned(algorithm: str, secret: bytes) -> str:
    head = base64.urlsafe_b64encode(f'{{"alg":"{algorithm}","typ":"JWT"}}'.encode()).decode().rstrip("=")
    signed = f"{head}.{token_of('ada').split('.')[1]}"
    signature = hmac.digest(secret, signed.encode(), "sha256") if secret else b""
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("algorithm", "secret"),
    [
        ("none", b""),
        ("None", b""),
        ("NONE", SECRET.encode()),
        ("HS256", b""),
        ("HS384", SECRET.encode()),
        ("RS256", SECRET.encode()),
        ("HS256", b"-----BEGIN PUBLIC KEY-----"),
    ],
)
def test_another_algorithm_is_refused(backend: BackendProcess, algorithm: str, secret: bytes) -> None:
    token = _resigned(algorithm, secret)
    assert refusal(backend.url, additional_headers={"Authorization": f"Bearer {token}"}) == 401
    # What was resigned properly opens the chat: the refusals have the reason that they seem to have.
    with tab(backend.url, token=_resigned("HS256", SECRET.encode())) as ada:
        assert ada.greeting["user_id"] == "ada"


def test_a_token_of_the_right_kind_by_another_key_is_refused(backend: BackendProcess) -> None:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    token = jwt.encode({"sub": "ada", "aud": "chat", "exp": time.time() + 60}, key, algorithm="RS256")
    assert refusal(backend.url, additional_headers={"Authorization": f"Bearer {token}"}) == 401


@pytest.mark.parametrize("name", ["token", "access_token", "jwt"])
def test_a_token_in_the_address_is_refused_even_beside_a_good_one(backend: BackendProcess, name: str) -> None:
    headers = {"Authorization": f"Bearer {token_of('ada')}"}
    assert refusal(f"{backend.url}?{name}={token_of('ada')}") == 401
    assert refusal(f"{backend.url}?{name}={token_of('ada')}", additional_headers=headers) == 401


def test_the_token_may_come_as_a_subprotocol(backend: BackendProcess) -> None:
    encoded = base64.urlsafe_b64encode(token_of("bashir").encode()).decode().rstrip("=")
    with connect(backend.url, subprotocols=["jwt-auth", f"jwt.{encoded}"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "jwt-auth"
        assert User(socket).greeting["user_id"] == "bashir"
    assert refusal(backend.url, subprotocols=[f"jwt.{encoded}"]) == 401
    assert refusal(backend.url, subprotocols=["jwt-auth", "jwt.bm9uc2Vuc2U"]) == 401
    assert refusal(backend.url, subprotocols=["jwt-auth"]) == 401


@pytest.mark.parametrize("in_a_run", [False, True])
def test_a_connection_ends_with_its_token(backend: BackendProcess, in_a_run: bool) -> None:
    with tab_with_an_ending_token(backend.url, least_s=0.8 if in_a_run else 0.3) as (ada, ends_at):
        if in_a_run:
            # It takes twice as long as the token lasts from now on.
            time.sleep(max(0.0, ends_at - time.time() - 0.7))
            ada.ask("Please research the tides, the moon, the winds, the lakes and the rivers, one after the other.")
        *seen, last = ada.read_until(lambda event: event["type"] == "error_message")
        assert last["error_code"] == "UNAUTHENTICATED"
        assert ada.close_code() == 4401
        assert 0 <= time.time() - ends_at < 5
        assert bool(seen) is in_a_run
        assert not any(map(is_end, seen))
