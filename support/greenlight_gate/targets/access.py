"""Access to a target: credentials, tokens, TLS and health. Shared by `client` and `load`."""

import asyncio
import base64
import contextlib
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlencode

from greenlight_gate.targets.credential_hook import sign
from greenlight_gate.targets.errors import Misconfigured, TargetFault
from greenlight_gate.targets.health import HealthReport, check_health, wait_healthy
from greenlight_gate.targets.http import NotReady, Unreachable, check_trust, ssl_context
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.redactor import SHORTEST_SECRET, Redactor, proves_identity
from greenlight_gate.targets.sections import Persona
from greenlight_gate.targets.sign_in import BY_LOGIN, LoginRefused, SignedIn, can_travel, log_in, log_out, refresh

__all__ = [
    "Access",
    "HealthReport",
    "LoginRefused",
    "NotReady",
    "TargetFault",
    "Token",
    "Unreachable",
    "check_health",
    "check_trust",
    "ssl_context",
    "wait_healthy",
]

_EVERYBODY = "everybody"
_SHARE_LEFT_TO_RENEW = 0.1
# Files of keys end with a line break, as they should.
_PEM = "-----BEGIN"
# Shorter keys of these algorithms can be guessed from a token (RFC 7518 section 3.2). Backends of others may
# have a shorter one than the 48 and 64 bytes that the RFC asks of HS384 and HS512; 32 are asked of all.
_LEAST_KEY_BYTES = {"HS256": 32, "HS384": 32, "HS512": 32}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Token:
    """The token of one user as sent at the upgrade or right after it. One of the fields is set; none for no token.

    `expires_s`: when it ends (epoch seconds), where that is soon and on purpose. `values`: what the target gives to its
    profile, by name. `learn`: keeps what is made of the user's credentials out of all that is written down.
    """

    user: str
    way: str
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    subprotocols: list[str] = field(default_factory=list)
    query: dict[str, str] = field(default_factory=dict)
    first_message: dict[str, Any] | None = None
    expires_s: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    learn: Callable[[str], None] = lambda secret: None

    def __repr__(self) -> str:
        return f"Token({self.user}, {self.way})"

    def __reduce__(self) -> tuple[type["Token"], tuple[Any, ...]]:
        """What another process gets, without `learn`: it must not get the secrets of other users."""
        return Token, tuple(getattr(self, each.name) for each in fields(self) if each.name != "learn")

    def url(self, url: str) -> str:
        """The url to open, with the query that belongs to this token."""
        if not self.query:
            return url
        return f"{url}{'&' if '?' in url else '?'}{urlencode(self.query)}"


class Access:
    """The credentials of a target's users, and the one place that knows what must not be shown.

    Takes from `environ` only the variables that the target names. A target that the suite starts itself gets a random
    secret when its variable is unset: `backend_environ` hands it over. Raises Misconfigured for what is missing.
    """

    def __init__(self, target: Target, environ: Mapping[str, str]) -> None:
        self.target = target
        self._redactor = Redactor()
        self._obtained: dict[Persona, tuple[Token, float]] = {}
        self._locks: dict[Persona, asyncio.Lock] = {}
        auth = target.auth
        signs = auth.obtain == "mint" or (auth.obtain == "login" and bool(environ.get(auth.secret_env)))
        self._secret = self._signing_secret(environ) if signs else ""
        self._tokens: dict[str, str] = {}
        self._shared = ""
        self._expired: dict[str, str] = {}
        self._logins: dict[str, tuple[str, str]] = {}
        self._signed_in: dict[Persona, SignedIn] = {}
        # What only a login gives is null, and so left out, where a token is sent that is none of it.
        captured = dict.fromkeys(name for call in auth.login for name in call.capture if name not in BY_LOGIN)
        self.given = self._values(environ)
        self._without_login: dict[str, Any] = {**captured, **self.given}
        if auth.obtain == "token" and auth.token_env:
            self._shared = self._given_token(environ, auth.token_env, "auth.token_env", "all users", _EVERYBODY)
        for index, persona in enumerate(target.personas):
            self._collect(persona, f"personas[{index}]", environ)

    @property
    def can_mint(self) -> bool:
        """Whether tokens can be made that have expired or are another user's."""
        return bool(self._secret)

    def known_token(self, persona: Persona) -> str | None:
        """The token of this user, once one has been obtained: "" where users sign in without one."""
        obtained = self._obtained.get(persona)
        return None if obtained is None else obtained[0].token or ""

    def expired_token(self, persona: Persona) -> str | None:
        """A token of this user that has expired, where the target gives one."""
        return self._expired.get(persona.name)

    def backend_environ(self) -> dict[str, str]:
        """The variables with which a backend (or another process of the suite) shares the signing secret."""
        return {self.target.auth.secret_env: self._secret} if self.target.auth.obtain == "mint" else {}

    async def token_for(self, persona: Persona) -> Token:
        """The token of this user, the same one until it is about to expire.

        Raises LoginRefused or another Misconfigured, or TargetFault, where a login fails.
        """
        async with self._locks.setdefault(persona, asyncio.Lock()):
            known, renew_at = self._obtained.get(persona, (None, 0.0))
            if known is not None and time.time() < renew_at:
                return known
            fresh, lifetime_s = await self._obtain(persona, renews=known is not None)
            self._obtained[persona] = (fresh, time.time() + lifetime_s * (1 - _SHARE_LEFT_TO_RENEW))
            return fresh

    async def fresh_token_for(self, persona: Persona) -> Token:
        """A token for this user that is used nowhere else. Raises like `token_for`."""
        return (await self._obtain(persona))[0]

    async def sign_out(self, token: Token) -> None:
        """Signs a token out. Raises TargetFault if the target does not confirm it."""
        shown = token.headers if self.target.auth.send == "cookie" else {"Authorization": f"Bearer {token.token}"}
        await log_out(self.target, token.token or "", token.values, shown)

    def mint(self, persona: Persona, *, key: str | None = None, algorithm: str | None = None, **claims: Any) -> Token:
        """A new token for this user; `claims` replace the usual ones (sub, aud, iat, exp, jti), None removes one.

        Where users log in, it says what the token of this user's login says, as far as that is known by now.
        `key` and `algorithm` (also "none") replace the target's own, to make forgeries. Times are epoch seconds.
        Raises Misconfigured where the target's tokens are not minted: `can_mint` says so beforehand.
        """
        auth = self.target.auth
        if not self.can_mint:
            raise Misconfigured(
                f"{self.target.name}: auth.obtain: expected 'mint' to make a token for {persona.name} (or logins "
                f"with a secret_env that is set), but {auth.obtain!r} came"
            )
        import jwt  # noqa: PLC0415 -- it takes long, and most targets give tokens or need none

        now = int(time.time())
        usual = {
            "sub": persona.user,
            "aud": auth.audience or None,
            **self._claims_of_login(persona),
            "iat": now,
            "exp": now + auth.lifetime_s,
            "jti": uuid.uuid4().hex,
            **_filled(auth.claims, "{user}", persona.user),
        }
        payload = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        algorithm = algorithm or auth.algorithm
        signed_with = "" if algorithm == "none" else self._secret if key is None else key
        return self.present(persona, jwt.encode(payload, signed_with, algorithm=algorithm))

    def _claims_of_login(self, persona: Persona) -> dict[str, Any]:
        """What the token that this user got by a login says; nothing, where it is none that can be read."""
        import jwt  # noqa: PLC0415 -- as in `mint`

        token = self._obtained[persona][0].token if persona in self._obtained else None
        if self.target.auth.obtain != "login" or token is None:
            return {}
        try:
            said: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            return {}
        return said

    def present(
        self, persona: Persona, token: str | None, way: str = "", *, signed_in: SignedIn | None = None
    ) -> Token:  # fmt: skip
        """Any token, sent in the way of this target, or in another; without a token, nothing is sent.

        `signed_in`: the login that gave it, of which the other cookies are sent, and values known.
        """
        auth = self.target.auth
        if token is None or auth.send == "none":
            return Token(persona.name, "none", values=self._without_login, learn=self._learn(persona))
        self._redactor.learn(token, persona.name)
        cookies = {**(signed_in.cookies if signed_in is not None else {}), auth.cookie_name: token}
        ways: dict[str, dict[str, Any]] = {
            "bearer": {"headers": {"Authorization": f"Bearer {token}"}},
            "subprotocol": {"subprotocols": ["jwt-auth", f"jwt.{_base64url(token)}"]},
            "query": {"query": {auth.query_name: token}},
            "first_message": {"first_message": _filled(auth.first_message, "{token}", token)},
            "cookie": {"headers": {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}},
            "profile": {},
        }
        way = way or auth.send
        values = self._without_login if signed_in is None else {**signed_in.values, **self.given}
        return Token(persona.name, way, token, values=values, learn=self._learn(persona), **ways[way])

    def _learn(self, persona: Persona) -> Callable[[str], None]:
        return lambda secret: self._redactor.learn(secret, persona.name)

    def redact(self, text: str) -> str:
        """The text with `[token of Ada]` for every token, password and secret that this Access has ever known."""
        return self._redactor.redact(text)

    def redact_bytes(self, data: bytes) -> bytes:
        """The same for bytes."""
        return self._redactor.redact_bytes(data)

    def _signing_secret(self, environ: Mapping[str, str]) -> str:
        variable = self.target.auth.secret_env
        if self.target.start != "none" and not environ.get(variable):
            secret = secrets.token_urlsafe(48)
        else:
            secret = self._secret_of(environ, variable, "auth.secret_env", "the secret that signs all tokens")
        least = _LEAST_KEY_BYTES.get(self.target.auth.algorithm, 0)
        if len(secret.encode()) < least:
            raise Misconfigured(
                f"{self.target.name}: {variable} (auth.secret_env): expected a secret of at least {least} bytes, as "
                f"{self.target.auth.algorithm} needs (RFC 7518 section 3.2), but it has {len(secret.encode())}"
            )
        self._redactor.learn(secret, _EVERYBODY)
        return secret

    def _collect(self, persona: Persona, key: str, environ: Mapping[str, str]) -> None:
        obtain = self.target.auth.obtain
        if obtain == "token":
            if persona.token_env:
                where, owner = f"{key}.token_env", persona.name
                self._tokens[owner] = self._given_token(environ, persona.token_env, where, owner, owner)
        elif obtain == "login":
            name = persona.user
            if persona.username_env:
                key_of_name = f"{key}.username_env"
                name = self._credential(environ, persona.username_env, key_of_name, f"the login name of {persona.name}")
            what = f"the password of {persona.name}"
            password = self._secret_of(environ, persona.password_env, f"{key}.password_env", what)
            self._logins[persona.name] = (name, password)
            self._redactor.learn(password, persona.name)

        if persona.expired_token_env:
            where, owner = f"{key}.expired_token_env", persona.name
            self._expired[owner] = self._given_token(environ, persona.expired_token_env, where, owner, owner)

    def _given_token(self, environ: Mapping[str, str], variable: str, key: str, whose: str, owner: str) -> str:
        token = self._credential(environ, variable, key, f"the token of {whose}").strip()
        if not can_travel(token):
            raise Misconfigured(
                f"{self.target.name}: {variable} ({key}): expected the token of {whose} "
                f"in printable ASCII without spaces, but something else came (it is not shown)"
            )
        _refuse_short(token, f"{self.target.name}: {variable} ({key}): expected the token of {whose}")
        self._redactor.learn(token, owner)
        return token

    def _credential(self, environ: Mapping[str, str], variable: str, key: str, what: str) -> str:
        value = environ.get(variable, "")
        if not value.strip():
            came = "it is empty" if variable in environ else "it is not set"
            raise Misconfigured(f"{self.target.name}: {variable} ({key}): expected {what} in this variable, but {came}")
        return value

    def _secret_of(self, environ: Mapping[str, str], variable: str, key: str, what: str) -> str:
        """A credential that is sent as it is, and that must be found again in all that is written down."""
        value = self._credential(environ, variable, key, what)
        expected = f"{self.target.name}: {variable} ({key}): expected {what}"
        if value.strip("\r\n") != value and _PEM not in value:
            raise Misconfigured(
                f"{expected} without a line break at its beginning or end, but it has one, which `$(cat FILE)` removes "
                f"and most ways to read a file keep"
            )
        _refuse_short(value, expected)
        return value

    async def _obtain(self, persona: Persona, *, renews: bool = False) -> tuple[Token, float]:
        obtain = self.target.auth.obtain
        if obtain == "mint":
            return self.mint(persona), float(self.target.auth.lifetime_s)
        if obtain == "none":
            return self.present(persona, None), float("inf")
        if obtain == "hook":
            return self._hooked(persona), float(self.target.auth.lifetime_s)
        known = self._tokens if obtain == "token" else self._logins
        if obtain == "token" and self._shared:
            return self.present(persona, self._tokens.get(persona.name, self._shared)), float("inf")
        if persona.name not in known:
            raise Misconfigured(
                f"{self.target.name}: personas: expected {persona.name} among those with an account "
                f"(auth.obtain is {obtain!r}), but only {', '.join(known)} came"
            )
        if obtain == "token":
            return self.present(persona, self._tokens[persona.name]), float("inf")
        return await self._log_in(persona, renews=renews)

    async def _log_in(self, persona: Persona, *, renews: bool) -> tuple[Token, float]:
        """Signs a user in; `renews`: by a refresh of the last login, where the target has it."""
        name, password = self._logins[persona.name]
        known = {**self.given, "user": persona.user, "user_name": persona.name, "username": name, "password": password}
        before, signed_in = self._signed_in.get(persona), None
        if renews and before is not None and self.target.auth.refresh is not None:
            with contextlib.suppress(LoginRefused):  # the login has ended for good: the user signs in again
                signed_in = await refresh(self.target, persona, before, known)
        signed_in = signed_in or await log_in(self.target, persona, known)
        if renews or before is None:
            self._signed_in[persona] = signed_in
        secrets_of_it = [value for name, value in signed_in.values.items() if proves_identity(name)]
        for value in (*secrets_of_it, *signed_in.cookies.values()):
            if isinstance(value, str):
                self._redactor.learn(value, persona.name)
        return self.present(persona, signed_in.token, signed_in=signed_in), signed_in.lifetime_s

    def _values(self, environ: Mapping[str, str]) -> dict[str, Any]:
        """The target's [values]; `env:NAME` is looked up here, and is a secret."""
        given = dict(self.target.values)
        for name, value in given.items():
            if isinstance(value, str) and value.startswith("env:"):
                variable = value.removeprefix("env:")
                given[name] = self._secret_of(environ, variable, f"values.{name}", f"the value of {name}")
                self._redactor.learn(given[name], _EVERYBODY)
        return given

    def _hooked(self, persona: Persona) -> Token:
        headers = sign(self.target, persona)
        for value in headers.values():
            self._redactor.learn(value, persona.name)
        return Token(persona.name, "headers", headers=headers, values=self.given, learn=self._learn(persona))


def _refuse_short(secret: str, expected: str) -> None:
    """Raises Misconfigured for what the redactor would not look for."""
    if len(secret) < SHORTEST_SECRET:
        raise Misconfigured(
            f"{expected} with at least {SHORTEST_SECRET} characters, but {len(secret)} came: a shorter one occurs in "
            f"ordinary text, and cannot be kept out of logs and evidence"
        )


def _base64url(token: str) -> str:
    return base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def _filled(template: Any, name: str, value: str) -> Any:
    if isinstance(template, dict):
        return {key: _filled(item, name, value) for key, item in template.items()}
    if isinstance(template, list):
        return [_filled(item, name, value) for item in template]
    return template.replace(name, value) if isinstance(template, str) else template
