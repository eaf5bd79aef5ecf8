"""Getting in: real servers on loopback, real TLS, and no token in anything that is written down."""

import asyncio
import base64
import contextlib
import json
import pickle
import re
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

import jwt
import msgspec
import pytest
from greenlight_gate.targets.access import (
    Access,
    LoginRefused,
    NotReady,
    TargetFault,
    Token,
    Unreachable,
    check_health,
    check_trust,
    ssl_context,
    wait_healthy,
)
from greenlight_gate.targets.auth import Auth
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.redactor import Redactor
from greenlight_gate.targets.sections import Budgets, Persona, Prompt, Prompts, Tls
from greenlight_gate.targets.settings import Misconfigured, load_target
from hypothesis import example, given
from hypothesis import strategies as st

from support.tests.hostile.certificate import Authority

SECRET = "an-hmac-secret-of-more-than-32-bytes!"
PASSWORD = "correct-horse-battery"
ADA = Persona(name="Ada", user="u-ada", token_env="ADA_TOKEN", username_env="ADA_NAME", password_env="ADA_PASSWORD")
HEALTHY = {"status": "healthy", "service": "reference-chat", "version": "2.1.0", "timestamp": 1}


# Python 3.13 refuses an authority that does not say that it signs certificates.
@dataclass
class Asked:
    """What a server was asked, and what it answers: (status, content type, body), one after the other."""

    answers: list[tuple[int, str, bytes]]
    headers: dict[str, str] = field(default_factory=dict)
    seen: list[tuple[str, str, bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"


@contextlib.contextmanager
def served(*answers: tuple[int, str, bytes], tls: ssl.SSLContext | None = None, **headers: str) -> Iterator[Asked]:
    asked = Asked(list(answers), {name.replace("_", "-"): value for name, value in headers.items()})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            asked.seen.append((self.command, self.path, body))
            status, media, content = asked.answers.pop(0) if len(asked.answers) > 1 else asked.answers[0]
            if status == 0:
                return
            self.send_response(status)
            self.send_header("content-type", media)
            for name, value in asked.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up is part of these tests."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        asked.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


def answer(value: object, status: int = 200, media: str = "application/json") -> tuple[int, str, bytes]:
    return status, media, value if isinstance(value, bytes) else json.dumps(value).encode()


def target(url: str = "ws://127.0.0.1:9/ws", auth: Auth | None = None, **more: Any) -> Target:
    auth = auth or Auth(obtain="mint", send="bearer", secret_env="CHAT_JWT_SECRET", audience="chat")
    return Target(name="mine", url=url, prompts=Prompts(helper=Prompt(ask="?")), auth=auth, personas=(ADA,), **more)


def access(send: Any = "bearer", obtain: Any = "mint", url: str = "ws://127.0.0.1:9/ws", **more: Any) -> Access:
    auth = Auth(obtain=obtain, send=send, secret_env="CHAT_JWT_SECRET", audience="chat", **more)
    environ = {"CHAT_JWT_SECRET": SECRET, "ADA_TOKEN": "ready-made-token", "ADA_NAME": "ada", "ADA_PASSWORD": PASSWORD}
    return Access(target(url, auth), environ)


def token_for(entrance: Access, persona: Persona = ADA) -> Token:
    return asyncio.run(entrance.token_for(persona))


def claims_of(token: Token) -> dict[str, Any]:
    assert token.token is not None
    claims: dict[str, Any] = jwt.decode(token.token, SECRET, algorithms=["HS256"], audience="chat")
    return claims


# Tokens, and the ways in which they are shown ------------------------------------------------------------------


def test_a_minted_token_is_the_users_own() -> None:
    claims = claims_of(token_for(access()))
    assert set(claims) == {"sub", "aud", "iat", "exp", "jti"}
    assert (claims["sub"], claims["aud"], claims["exp"] - claims["iat"]) == ("u-ada", "chat", 3600)
    assert abs(claims["iat"] - time.time()) < 5


def test_the_four_ways_to_show_a_token() -> None:
    bearer = token_for(access("bearer"))
    assert bearer.headers == {"Authorization": f"Bearer {bearer.token}"}
    assert (bearer.subprotocols, bearer.query, bearer.first_message) == ([], {}, None)
    offered = token_for(access("subprotocol"))
    assert offered.token is not None
    kind, encoded = offered.subprotocols
    assert kind == "jwt-auth"
    assert not [
        word
        for size in (8, 9, 10)
        for word in access("subprotocol").present(ADA, "x" * size).subprotocols
        if "=" in word
    ]
    assert base64.urlsafe_b64decode(encoded.removeprefix("jwt.") + "==") == offered.token.encode()
    query = token_for(access("query", query_name="ticket"))
    assert query.url("ws://h/ws") == f"ws://h/ws?ticket={query.token}"
    assert query.url("ws://h/ws?a=1") == f"ws://h/ws?a=1&ticket={query.token}"
    assert bearer.url("ws://h/ws?a=1") == "ws://h/ws?a=1"
    first = token_for(access("first_message", first_message={"type": "auth", "data": [{"jwt": "JWT {token}"}], "v": 1}))
    assert first.first_message == {"type": "auth", "data": [{"jwt": f"JWT {first.token}"}], "v": 1}


def test_a_pass_is_kept_until_it_is_about_to_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    entrance = access()
    now = time.time()
    first = token_for(entrance)
    assert token_for(entrance) is first
    monkeypatch.setattr(time, "time", lambda: now + 3000)
    assert token_for(entrance) is first
    monkeypatch.setattr(time, "time", lambda: now + 3500)
    assert token_for(entrance) is not first


def test_claims_can_be_forged() -> None:
    entrance = access()
    expired = entrance.mint(ADA, exp=int(time.time()) - 60)
    with pytest.raises(jwt.ExpiredSignatureError):
        claims_of(expired)
    assert claims_of(entrance.mint(ADA, sub="u-bashir", jti=None)).keys() == {"sub", "aud", "iat", "exp"}
    with pytest.raises(jwt.InvalidAudienceError):
        claims_of(entrance.mint(ADA, aud="shop"))
    with pytest.raises(jwt.InvalidSignatureError):
        claims_of(entrance.mint(ADA, key="another-secret-of-more-than-32-bytes"))
    unsigned = entrance.mint(ADA, algorithm="none")
    assert unsigned.token is not None
    assert jwt.get_unverified_header(unsigned.token)["alg"] == "none"
    assert claims_of(entrance.mint(ADA))["jti"] != claims_of(entrance.mint(ADA))["jti"]


def test_only_minted_tokens_can_be_forged() -> None:
    entrance = access(obtain="token")
    assert not entrance.can_mint
    assert access().can_mint
    with pytest.raises(Misconfigured, match=r"mine: auth.obtain: expected 'mint' to make a token for Ada"):
        entrance.mint(ADA)


def test_ready_tokens_and_no_tokens() -> None:
    assert token_for(access(obtain="token")).headers == {"Authorization": "Bearer ready-made-token"}
    nobody = token_for(access("none", "none"))
    assert (nobody.token, nobody.headers, nobody.url("ws://h/ws")) == (None, {}, "ws://h/ws")
    assert access().present(ADA, None).headers == {}
    assert access().present(ADA, "garbage").headers == {"Authorization": "Bearer garbage"}


def test_users_beyond_the_target_file() -> None:
    extra = Persona(name="User 9", user="u-user-9")
    assert claims_of(token_for(access(), extra))["sub"] == "u-user-9"
    with pytest.raises(Misconfigured, match="expected User 9 among those with an account"):
        token_for(access(obtain="token"), extra)


def test_our_own_backend_gets_the_secret_that_was_made_for_it() -> None:
    own = load_target("embedded", {})
    entrance = Access(own, {})
    secret = entrance.backend_environ()["CHAT_JWT_SECRET"]
    assert len(secret) >= 32
    assert secret != Access(own, {}).backend_environ()["CHAT_JWT_SECRET"]
    token = token_for(entrance, own.persona("Hana")).token
    assert token is not None
    assert jwt.decode(token, secret, algorithms=["HS256"], audience="chat")["sub"] == "u-hana"
    given_secret = Access(own, {"CHAT_JWT_SECRET": SECRET})
    assert given_secret.backend_environ() == {"CHAT_JWT_SECRET": SECRET}
    assert access(obtain="token").backend_environ() == {}


@pytest.mark.parametrize(
    ("obtain", "variable", "key", "what"),
    [
        ("mint", "CHAT_JWT_SECRET", "auth.secret_env", "the secret that signs"),
        ("token", "ADA_TOKEN", "personas[0].token_env", "the token of Ada"),
        ("login", "ADA_PASSWORD", "personas[0].password_env", "the password of Ada"),
        ("login", "ADA_NAME", "personas[0].username_env", "the login name of Ada"),
    ],
)
@pytest.mark.parametrize("state", [(None, "it is not set"), (" ", "it is empty")])
def test_a_missing_credential(obtain: Any, variable: str, key: str, what: str, state: tuple[str | None, str]) -> None:
    value, came = state
    environ = {"CHAT_JWT_SECRET": SECRET, "ADA_TOKEN": "t" * 9, "ADA_NAME": "ada", "ADA_PASSWORD": PASSWORD}
    del environ[variable]
    if value is not None:
        environ[variable] = value
    auth = Auth(obtain=obtain, send="bearer", secret_env="CHAT_JWT_SECRET")
    with pytest.raises(Misconfigured) as caught:
        Access(target(auth=auth), environ)
    said = str(caught.value)
    assert said.startswith(f"mine: {variable} ({key}): expected {what}")
    assert said.endswith(came)


def test_a_token_that_would_be_a_header_of_its_own() -> None:
    auth = Auth(obtain="token", send="bearer")
    assert token_for(Access(target(auth=auth), {"ADA_TOKEN": "ready-made-token\n"})).token == "ready-made-token"
    for value in ("hunter2hunter2\r\nX-Admin: 1", "hunter2 hunter2", "hunter2hünter2"):
        with pytest.raises(Misconfigured, match=r"ADA_TOKEN .*printable ASCII") as caught:
            Access(target(auth=auth), {"ADA_TOKEN": value})
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("obtain", "variable", "key"),
    [
        ("mint", "CHAT_JWT_SECRET", "auth.secret_env"),
        ("login", "ADA_PASSWORD", "personas[0].password_env"),
        ("none", "TENANT", "values.tenant"),
    ],
)
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("long-enough-it-is\n", "without a line break at its beginning or end, but it has one"),
        ("\r\nlong-enough-it-is", "without a line break at its beginning or end, but it has one"),
        ("hunter2", "with at least 8 characters, but 7 came: a shorter one occurs in ordinary text"),
    ],
)
def test_a_secret_that_cannot_be_right_or_cannot_be_hidden(
    obtain: Any, variable: str, key: str, value: str, said: str
) -> None:
    environ = {"CHAT_JWT_SECRET": SECRET, "ADA_NAME": "ada", "ADA_PASSWORD": PASSWORD, "TENANT": "tenant-17"}
    auth = Auth(obtain=obtain, send="none" if obtain == "none" else "bearer", secret_env="CHAT_JWT_SECRET")
    tenant = {"tenant": "env:TENANT"} if obtain == "none" else {}
    Access(target(auth=auth, values=tenant), environ)

    with pytest.raises(Misconfigured) as caught:
        Access(target(auth=auth, values=tenant), {**environ, variable: value})

    assert f"mine: {variable} ({key}): expected " in str(caught.value)
    assert said in str(caught.value)
    assert value.strip() not in str(caught.value)


def test_a_token_too_short_to_be_hidden() -> None:
    with pytest.raises(Misconfigured, match="the token of Ada with at least 8 characters, but 7 came") as caught:
        Access(target(auth=Auth(obtain="token", send="bearer")), {"ADA_TOKEN": "hunter2\n"})
    assert "hunter2" not in str(caught.value)


# Login ---------------------------------------------------------------------------------------------------------


def test_login_with_a_form_and_with_json() -> None:
    token = {"access_token": "from-the-login", "token_type": "bearer", "expires_in": 3600}
    with served(answer(token)) as asked:
        entrance = access(obtain="login", url=asked.url)
        assert token_for(entrance).headers == {"Authorization": "Bearer from-the-login"}
        assert token_for(entrance).token == "from-the-login"
        method, path, body = asked.seen[0]
        assert (len(asked.seen), method, path) == (1, "POST", "/auth/token")
        assert parse_qs(body.decode()) == {"username": ["ada"], "password": [PASSWORD]}
        token_for(access(obtain="login", url=asked.url, login_form="json", login_url="/in?x=1"))
        method, path, body = asked.seen[1]
        assert (path, json.loads(body)) == ("/in?x=1", {"username": "ada", "password": PASSWORD})


def test_many_askers_log_in_once() -> None:
    async def crowd(entrance: Access) -> list[Token]:
        return await asyncio.gather(*(entrance.token_for(ADA) for _ in range(20)))

    with served(answer({"access_token": "from-the-login"})) as asked:
        tokens = asyncio.run(crowd(access(obtain="login", url=asked.url)))
        assert len(asked.seen) == 1
        assert all(token is tokens[0] for token in tokens)


@pytest.mark.parametrize("status", [200, 302])
def test_a_login_that_sets_a_cookie(status: int) -> None:
    with served(answer({"success": True}, status), set_cookie="session=from-the-login; Path=/; HttpOnly") as asked:
        entrance = access("cookie", "login", asked.url, cookie_name="session")
        assert token_for(entrance).headers == {"Cookie": "session=from-the-login"}
        with pytest.raises(TargetFault, match='expected a cookie "other" for the login of Ada'):
            token_for(access("cookie", "login", asked.url, cookie_name="other"))


def test_a_login_that_sets_a_cookie_where_a_token_is_expected_says_how_a_cookie_is_sent() -> None:
    with served(answer({"success": True}), set_cookie="session=from-the-login; Path=/") as asked:
        with pytest.raises(TargetFault) as caught:
            token_for(access(obtain="login", url=asked.url))
        assert str(caught.value).endswith(
            'it sets session: if a cookie signs users in, auth.send is "cookie", and auth.cookie_name its name'
        )
        assert "from-the-login" not in str(caught.value)


@pytest.mark.parametrize("expires_in", [0, -1, "soon", True, None, 10**400])
def test_a_login_that_does_not_say_how_long_it_lasts_is_kept(
    expires_in: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    with served(answer({"access_token": "from-the-login", "expires_in": expires_in})) as asked:
        entrance = access(obtain="login", url=asked.url)
        first = token_for(entrance)
        monkeypatch.setattr(time, "time", lambda: now + 1e6)
        assert token_for(entrance) is first


@pytest.mark.parametrize(
    ("reply", "kind", "told"),
    [
        (answer({"detail": PASSWORD}, 401), LoginRefused, "HTTP 401 came; check ADA_NAME, ADA_PASSWORD"),
        (answer(b"", 422), LoginRefused, "auth.login_form ('form')"),
        (answer(b"<html>" + PASSWORD.encode(), 200, "text/html; charset=x"), TargetFault, "27 bytes of text/html came"),
        (answer([PASSWORD]), TargetFault, 'expected a JSON object with "access_token"'),
        (answer({"token": PASSWORD}), TargetFault, "it has none that can be sent"),
        (answer({"access_token": 3}), TargetFault, "it has none that can be sent"),
        (answer({"access_token": f"{PASSWORD}\r\nX: y"}), TargetFault, "it has none that can be sent"),
        (answer(b"[" * 100_000), TargetFault, "65536 bytes of application/json came"),
        (answer(b"", 500), TargetFault, "expected HTTP 200 for the login of Ada, but HTTP 500"),
        (answer(b"", 302), TargetFault, "a redirect to https://sso.example/in came"),
        ((0, "", b""), NotReady, "the server hung up"),
    ],
)
def test_a_login_that_fails(reply: tuple[int, str, bytes], kind: type[Exception], told: str) -> None:
    with served(reply, location="https://sso.example/in?token=secret-in-a-query") as asked:
        entrance = access(obtain="login", url=asked.url)
        with pytest.raises(kind) as caught:
            token_for(entrance)
        assert type(caught.value) is kind
        said = str(caught.value)
        assert told in said
        assert said.startswith(f"mine: http://127.0.0.1:{asked.port}/auth/token: expected ")
        shown = "".join(traceback.format_exception(caught.value))
        assert PASSWORD not in shown
        assert "secret-in-a-query" not in shown


# Nothing that is written down holds a token ---------------------------------------------------------------------


@pytest.mark.parametrize("send", ["bearer", "subprotocol", "query", "first_message"])
def test_a_pass_never_shows_its_token(send: str) -> None:
    entrance = access(send)
    token = token_for(entrance)
    assert token.token is not None
    shown = f"{token!r} {token} {[token]} {entrance!r} {entrance.__dict__['_obtained']}"
    assert f"Token(Ada, {send})" in shown
    assert token.token not in shown
    assert SECRET not in shown
    assert pickle.loads(pickle.dumps(token)).token == token.token


def test_what_is_redacted() -> None:
    entrance = access("subprotocol")
    token = token_for(entrance)
    assert token.token is not None
    text = f'{{"token":"{token.token}"}} jwt-auth, {token.subprotocols[1]} {SECRET}'
    clean = '{"token":"[token of Ada]"} jwt-auth, jwt.[token of Ada] [token of everybody]'
    assert entrance.redact(text) == clean
    assert entrance.redact_bytes(text.encode()) == clean.encode()
    signature = token.token.rpartition(".")[2]
    assert entrance.redact(f"...{signature}") == "...[token of Ada]"
    expired = entrance.mint(ADA, exp=1)
    assert entrance.redact(f"<{expired.token}>") == "<[token of Ada]>"
    assert entrance.redact(f"{access(obtain='login').redact(PASSWORD)}") == "[token of Ada]"


def test_what_holds_no_secret_stays_the_same_object() -> None:
    entrance = access()
    text, data = "nothing to see " * 9, b"\xff\x00 nothing \xfe"
    assert entrance.redact(text) is text
    assert entrance.redact_bytes(data) is data


def test_short_words_and_prefixes() -> None:
    redactor = Redactor()
    redactor.learn("ada", "Ada")
    redactor.learn("secret-1", "Ada")
    redactor.learn("secret-1-and-2", "Bashir")
    assert redactor.redact("u-ada says secret-1 and secret-1-and-2") == (
        "u-ada says [token of Ada] and [token of Bashir]"
    )


ENCODINGS: list[Callable[[str], str]] = [
    lambda secret: secret,
    json.dumps,
    lambda secret: json.dumps(secret, ensure_ascii=False),
    lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    lambda secret: base64.b64encode(secret.encode()).decode(),
    lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    lambda secret: quote(secret, safe=""),
    lambda secret: re.sub("%..", lambda match: match[0].lower(), quote(secret, safe="")),
    lambda secret: secret.encode().hex(),
    lambda secret: secret.encode().hex().upper(),
    lambda secret: urlencode({"": secret})[1:],
]


@given(
    secret=st.text(st.characters(codec="utf-8"), min_size=8, max_size=60),
    around=st.tuples(st.text(max_size=5), st.text(max_size=5)),
    encode=st.sampled_from(ENCODINGS),
)
@example(secret="pass word/+1", around=("", ""), encode=ENCODINGS[-1])
@example(secret="pass word/+1", around=("", ""), encode=ENCODINGS[-2])
def test_a_secret_is_found_in_every_form(secret: str, around: tuple[str, str], encode: Callable[[str], str]) -> None:
    redactor = Redactor()
    redactor.learn(secret, "Ada")
    form = encode(secret)
    clean = redactor.redact(around[0] + form + around[1])
    assert "[token of Ada]" in clean
    assert len(clean) <= len(around[0]) + len(around[1]) + len("[token of Ada]") + 2 or secret in "[token of Ada]"


@given(
    secret=st.text(st.characters(codec="utf-8"), min_size=8, max_size=60),
    around=st.tuples(st.binary(max_size=9), st.binary(max_size=9)),
    encode=st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]),
)
def test_a_secret_is_found_in_base64_of_something_larger(
    secret: str, around: tuple[bytes, bytes], encode: Callable[[bytes], bytes]
) -> None:
    redactor = Redactor()
    redactor.learn(secret, "Ada")
    clean = redactor.redact_bytes(encode(around[0] + secret.encode() + around[1]))

    assert b"[token of Ada]" in clean
    # What is left are the neighbours, and at most two letters of six bits at each end of the secret.
    assert len(clean) - len("[token of Ada]") <= (len(around[0]) + len(around[1])) * 4 / 3 + 8


# TLS -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def secured(asked: Asked, ca_file: Path | str = "", host: str = "127.0.0.1") -> Target:
    return target(f"wss://{host}:{asked.port}/ws", tls=Tls(ca_file=str(ca_file)))


def test_a_private_authority_is_trusted_when_it_is_named(authority: Authority) -> None:
    with served(answer(HEALTHY), tls=authority.server_context("127.0.0.1")) as asked:
        assert asyncio.run(check_health(secured(asked, authority.ca_file))).status == "healthy"


def test_a_certificate_that_cannot_be_trusted(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path)
    with served(answer(HEALTHY), tls=authority.server_context("127.0.0.1")) as asked:
        for ca_file in ("", other.ca_file):
            with pytest.raises(
                Misconfigured, match=r"expected a certificate that can be trusted, but .*ca_file"
            ) as caught:
                asyncio.run(check_health(secured(asked, ca_file)))
            assert not isinstance(caught.value, Unreachable)


def test_a_certificate_of_another_host(authority: Authority) -> None:
    with (
        served(answer(HEALTHY), tls=authority.server_context("chat.example")) as asked,
        pytest.raises(Misconfigured, match=r"can be trusted, but .*127.0.0.1"),
    ):
        asyncio.run(check_health(secured(asked, authority.ca_file)))


def test_a_server_without_tls_behind_wss() -> None:
    with served(answer(HEALTHY)) as asked, pytest.raises(Misconfigured, match="expected TLS, but the handshake failed"):
        asyncio.run(check_health(secured(asked)))


def test_who_answers_is_trusted_only_where_the_target_says_so_in_so_many_words(authority: Authority) -> None:
    loud = Tls(insecure_skip_verification=True)
    with served(answer({**HEALTHY, "access_token": "from-the-login"}), tls=authority.server_context("a.b")) as asked:
        trusting = target(f"wss://127.0.0.1:{asked.port}/ws", Auth(obtain="login", send="bearer"), tls=loud)
        assert asyncio.run(check_health(trusting)).status == "healthy"
        asyncio.run(check_trust(trusting))
        entrance = Access(trusting, {"ADA_NAME": "ada", "ADA_PASSWORD": PASSWORD})
        assert token_for(entrance).token == "from-the-login"
    (caveat,) = trusting.caveats
    assert "the certificate was not verified (tls.insecure_skip_verification)" in caveat
    assert target("ws://h/ws", tls=loud).caveats == secured(asked).caveats == ()
    assert target("ws://h/ws", tls=loud, health="https://h/up").caveats == (caveat,)


def test_the_certificate_of_the_chat_is_looked_at_though_health_lives_elsewhere(authority: Authority) -> None:
    with served(answer(HEALTHY), tls=authority.server_context("127.0.0.1")) as asked:
        asyncio.run(check_trust(secured(asked, authority.ca_file)))
        with pytest.raises(Misconfigured, match=r"wss://.*expected a certificate that can be trusted, but .*ca_file"):
            asyncio.run(check_trust(secured(asked)))
    with served(answer(HEALTHY)) as plain, pytest.raises(Misconfigured, match="expected TLS, but the handshake failed"):
        asyncio.run(check_trust(secured(plain)))
    # Nobody is there, or nobody speaks TLS: no question of trust.
    for nobody in (secured(asked), target(plain.url)):
        asyncio.run(check_trust(nobody))


def test_verification_is_always_on(authority: Authority) -> None:
    for context in (ssl_context(target("wss://h/ws", tls=Tls(ca_file=name))) for name in ("", str(authority.ca_file))):
        assert context is not None
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
    assert ssl_context(target("ws://h/ws")) is None


def test_a_ca_file_that_is_not_there_or_is_none(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"mine: tls.ca_file: expected .*gone.pem' cannot be read: No such file"):
        ssl_context(target("wss://h/ws", tls=Tls(ca_file=str(tmp_path / "gone.pem"))))
    (tmp_path / "text.pem").write_text("no certificate")
    with pytest.raises(Misconfigured, match=r"tls.ca_file: expected .*text.pem' holds none"):
        ssl_context(target("wss://h/ws", tls=Tls(ca_file=str(tmp_path / "text.pem"))))


# Health --------------------------------------------------------------------------------------------------------


def test_a_healthy_target_says_who_it_is() -> None:
    with served(answer(HEALTHY)) as asked:
        report = asyncio.run(check_health(target(asked.url)))
        assert report == ("healthy", "2.1.0", "reference-chat")
        assert asked.seen == [("GET", "/health", b"")]


def test_health_elsewhere_and_nowhere() -> None:
    with served(answer({"status": "UP", "version": "v7"})) as asked:
        elsewhere = target("ws://127.0.0.1:9/ws", health=f"http://127.0.0.1:{asked.port}/up?key=k", api_version="7")
        assert asyncio.run(check_health(elsewhere)).status == "UP"
        assert asked.seen[0][1] == "/up?key=k"
    assert asyncio.run(check_health(target(health=""))).status == "not asked"
    with served(answer({"status": "ok"})) as asked:
        assert asyncio.run(check_health(target(asked.url, api_version=""))).version == ""


def test_where_no_version_is_judged_any_success_is_well() -> None:
    for reply in (answer(b"", 204, ""), answer(b"fine", 200, "text/plain"), answer({"up": True}, 201)):
        with served(reply) as asked:
            assert asyncio.run(check_health(target(asked.url, api_version=""))) == ("", "", "")
    for reply in (answer({"status": "degraded"}), answer(b"", 404, "")):
        with served(reply) as asked, pytest.raises(TargetFault):
            asyncio.run(check_health(target(asked.url, api_version="")))


@pytest.mark.parametrize(
    ("reply", "kind", "told"),
    [
        (answer({"status": "unhealthy"}, 503), NotReady, "expected status 'healthy', but 'unhealthy' came (HTTP 503)"),
        (answer({"status": "degraded"}), NotReady, "'degraded' came (HTTP 200)"),
        (
            answer(b"<html>", 502, "text/html"),
            NotReady,
            "expected HTTP 200, but HTTP 502 with 6 bytes of text/html came",
        ),
        ((0, "", b""), NotReady, "expected an HTTP answer, but the server hung up"),
        (
            answer(b"<html>", 200, "text/html"),
            TargetFault,
            "a JSON object, but HTTP 200 with 6 bytes of text/html came",
        ),
        (answer(b"", 404, ""), TargetFault, "HTTP 404 with 0 bytes of no content type came; health in the target file"),
        (answer(HEALTHY, 404), TargetFault, "expected HTTP 200 with a JSON object, but HTTP 404"),
        (answer(b"", 301), TargetFault, "a redirect to /login came"),
        (answer([1]), TargetFault, "a JSON object"),
        (answer({"version": "2.0"}), TargetFault, 'expected a JSON object with "status", but it has none'),
        (answer({"status": "healthy"}), TargetFault, "expected version 2.x, but it reports none"),
        (answer({**HEALTHY, "version": "1.9"}), TargetFault, "expected version 2.x, but '1.9' came"),
        (answer({**HEALTHY, "version": "21.0"}), TargetFault, "expected version 2.x, but '21.0' came"),
        (answer({**HEALTHY, "version": 20}), TargetFault, "expected version 2.x, but '20' came"),
    ],
)
def test_a_target_that_answers_wrongly(reply: tuple[int, str, bytes], kind: type[Exception], told: str) -> None:
    with served(reply, location="/login?next=secret") as asked:
        with pytest.raises(TargetFault) as caught:
            asyncio.run(check_health(target(asked.url)))
        assert type(caught.value) is kind
        said = str(caught.value)
        assert said.startswith(f"mine: http://127.0.0.1:{asked.port}/health: expected ")
        assert told in said
        assert "\n" not in said
        assert "secret" not in said


def test_a_target_that_is_not_there() -> None:
    with served(answer(HEALTHY)) as asked:
        gone = asked.url
    with pytest.raises(
        Unreachable, match=r"expected a server that accepts connections, but .*refused.*start the backend"
    ):
        asyncio.run(check_health(target(gone)))
    with pytest.raises(Unreachable, match="no host has this name"):
        asyncio.run(check_health(target("ws://no-such-host.invalid:1/ws")))
    assert issubclass(Unreachable, Misconfigured)


def test_a_target_that_says_nothing() -> None:
    release = threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            release.wait(10)

    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        silent = target(f"ws://127.0.0.1:{server.server_address[1]}/ws", budgets=Budgets(handshake_s=0.05))
        with pytest.raises(NotReady, match=r"expected an answer within 0.05 s, but none came"):
            asyncio.run(check_health(silent))
        release.set()
        server.shutdown()
        thread.join()


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(answer(HEALTHY)) as asked:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        assert asyncio.run(check_health(target(asked.url))).status == "healthy"


# Waiting for health -----------------------------------------------------------------------------------------------


def test_waiting_ends_when_the_target_is_healthy() -> None:
    starting = answer({"status": "unhealthy"}, 503)
    with served((0, "", b""), starting, starting, answer(HEALTHY)) as asked:
        assert asyncio.run(wait_healthy(target(asked.url), 10)).status == "healthy"
        assert len(asked.seen) == 4


def test_what_time_does_not_heal_is_told_at_once() -> None:
    with served(answer({**HEALTHY, "version": "1.0"})) as asked:
        with pytest.raises(TargetFault, match=r"expected version 2\.x"):
            asyncio.run(wait_healthy(target(asked.url), 10))
        assert len(asked.seen) == 1


def test_waiting_in_vain_tells_what_came_last() -> None:
    with served(answer({"status": "unhealthy"}, 503)) as asked:
        with pytest.raises(NotReady, match=r"'unhealthy' came \(HTTP 503\) \(asked for 1 s\)"):
            asyncio.run(wait_healthy(target(asked.url), 1))
        assert len(asked.seen) > 1
        gone = asked.url
    with pytest.raises(Unreachable, match=r"\(asked for 0.1 s\)"):
        asyncio.run(wait_healthy(target(gone), 0.1))


def test_a_target_moved_to_its_port_keeps_its_access() -> None:
    own = msgspec.structs.replace(load_target("embedded", {}), health="/up")
    with served(answer(HEALTHY)) as asked:
        assert asyncio.run(wait_healthy(own.at(asked.url), 10)).version == "2.1.0"
        assert asked.seen[0][1] == "/up"


def test_one_token_for_all_users_and_one_that_has_expired() -> None:
    auth = Auth(obtain="token", send="bearer", token_env="SHARED")
    ada = Persona(name="Ada", user="u-ada", expired_token_env="OLD")
    bashir = Persona(name="Bashir", user="u-bashir")
    all_users = msgspec.structs.replace(target(auth=auth), personas=(ada, bashir))
    entrance = Access(all_users, {"SHARED": "shared-by-all-of-them", "OLD": "an-expired-one"})
    for persona in (*all_users.users(3),):
        assert token_for(entrance, persona).headers == {"Authorization": "Bearer shared-by-all-of-them"}
    assert (entrance.expired_token(ada), entrance.expired_token(bashir)) == ("an-expired-one", None)
    assert entrance.redact("shared-by-all-of-them an-expired-one") == "[token of everybody] [token of Ada]"


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"send": "cookie"}, 'cookie_name: expected both send = "cookie" and the name of the cookie'),
        ({"send": "bearer", "login": [{"path": "/in"}]}, 'login: expected a request that captures the "token"'),
        ({"send": "bearer", "login": [{"path": "in"}]}, "login[0].path: expected a path that begins with /"),
        ({"send": "bearer", "login": [{"path": "/in", "json": {"a": "{pasword}"}}]}, "it holds {pasword}"),
        ({"send": "bearer", "login": [{"path": "/in", "capture": {"user": "id"}}]}, "user is one"),
        ({"send": "bearer", "logout": {"path": "/out", "json": 1, "form": {}}}, "logout.form: expected either"),
    ],
)
def test_a_login_that_cannot_be_right(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(says)):
        msgspec.convert({"obtain": "login", **keys}, Auth)


def test_what_only_a_login_gives_is_null_with_a_forged_token_and_without_one() -> None:
    form = {"path": "/in", "form": {"name": "{username}"}, "capture": {"token": "access_token", "flow": "flow"}}
    login = msgspec.convert({"obtain": "login", "send": "bearer", "login": [form]}, Auth).login
    with served(answer({"access_token": "a-token-of-ada", "flow": "flow-7"})) as asked:
        entrance = access(obtain="login", url=asked.url, login=login)
        signed_in = token_for(entrance)

    assert signed_in.values == {"flow": "flow-7"}
    assert [entrance.present(ADA, token).values for token in (None, "another-token")] == [{"flow": None}] * 2


def test_a_forged_token_says_what_the_token_of_the_login_says() -> None:
    claims = {"sub": "ada-7", "identifier": "ada", "exp": int(time.time()) + 3600, "iat": 1}
    token = jwt.encode(claims, SECRET, algorithm="HS256")
    with served(answer({"access_token": token})) as asked:
        entrance = access(obtain="login", url=asked.url)
        token_for(entrance)
    made = entrance.mint(ADA, exp=5)

    said = jwt.decode(made.token or "", options={"verify_signature": False})
    assert (said["sub"], said["identifier"], said["exp"]) == ("ada-7", "ada", 5)
