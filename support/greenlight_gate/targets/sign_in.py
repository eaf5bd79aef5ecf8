"""Signing in at a target and out again: from a name and a password to a token, and how long that lasts.

What is posted where is said by [[auth.login]], [auth.refresh] and [auth.logout]; without them by `login_url`,
`login_form` and `logout_url`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from greenlight_gate.targets.errors import Misconfigured, TargetFault
from greenlight_gate.targets.http import Reply
from greenlight_gate.targets.http_calls import Values, call
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Persona
from greenlight_gate.wire.http_call import COOKIE, HttpCall
from greenlight_gate.wire.values import MISSING

_LONGEST_LIFETIME_S = 1e9
_TOKEN, _LIFETIME = "token", "expires_in"
# What a login captures for its own sake: no value for the profile.
BY_LOGIN = (_TOKEN, _LIFETIME)
_NOTHING_TO_SEND = "it has none that can be sent"
_REFUSALS = (400, 401, 403, 422)


class LoginRefused(Misconfigured):
    """The target does not know this name and password."""


class SignedIn(NamedTuple):
    """What a login gave: the token, in how many seconds it has to be repeated, what was captured, and all cookies."""

    token: str
    lifetime_s: float
    values: Mapping[str, Any]
    cookies: Mapping[str, str]


async def log_in(target: Target, persona: Persona, credentials: Mapping[str, Any]) -> SignedIn:
    """Signs a user in. `credentials`: what the requests are filled in with. Raises LoginRefused, TargetFault."""
    login = _Login(target, persona, credentials)
    for request in target.auth.login_calls:
        await login.ask(request)
    return login.result()


async def refresh(target: Target, persona: Persona, before: SignedIn, credentials: Mapping[str, Any]) -> SignedIn:
    """Renews a login as [auth.refresh] says. Raises LoginRefused if only a new login helps, or TargetFault."""
    auth = target.auth
    assert auth.refresh is not None, "a refresh is made where the target has it"
    login = _Login(target, persona, credentials)
    login.captured |= {**before.values, "token": before.token}
    login.cookies |= {**before.cookies, **({auth.cookie_name: before.token} if auth.send == "cookie" else {})}
    await login.ask(auth.refresh)
    return login.result()


async def log_out(target: Target, token: str, values: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Ends the login of a token. Raises TargetFault if the target does not confirm it.

    `headers`: what shows the token to a request that says nothing of it itself.
    """
    request = target.auth.logout or HttpCall(path=target.auth.logout_url, status=(200, 202, 204))
    names_token = "token" in request.names
    reply = await call(target, request, Values(values, token=token), {} if names_token else headers)
    if reply.status not in request.status:
        raise TargetFault(
            f"{target.name}: {reply.url}: expected HTTP {request.status[-1]} for a logout, but {reply.described()}"
        )


class _Login:
    """The requests by which one user signs in: what they have captured so far, and their cookies."""

    def __init__(self, target: Target, persona: Persona, credentials: Mapping[str, Any]) -> None:
        self._target = target
        self._persona = persona
        self._credentials = credentials
        self._said: dict[str, Any] = {}
        self._url = ""
        self._place = ""
        self.captured: dict[str, Any] = {}
        self.cookies: dict[str, str] = {}

    async def ask(self, request: HttpCall) -> None:
        """Makes one request, and keeps what it gives."""
        pairs = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        values = Values({**self._credentials, **self.captured})
        reply = await call(self._target, request, values, {"Cookie": pairs} if pairs else {})
        self._url, self._place = reply.url, request.capture.get("token", self._place)
        if reply.status not in request.status:
            raise self._refused(request, reply)
        self.cookies.update(reply.cookies)
        body = reply.json()
        self._said = body or {}
        for name, value in request.captured(body, reply.cookies).items():
            if value is not MISSING and value is not None:
                self.captured[name] = value
            elif name != _LIFETIME:
                place = request.capture[name]
                in_json = not place.startswith(COOKIE)
                raise self._without(place, reply.described() if in_json and body is None else _NOTHING_TO_SEND)

    def result(self) -> SignedIn:
        """What all of them gave. Raises TargetFault without a token that can be sent."""
        auth, captured, cookies = self._target.auth, dict(self.captured), dict(self.cookies)
        token = cookies.pop(auth.cookie_name, None) if auth.send == "cookie" else None
        token = captured.pop(_TOKEN, None) if token is None else token
        if not isinstance(token, str) or not can_travel(token):
            raise self._without(self._place or f"{COOKIE}{auth.cookie_name}", _NOTHING_TO_SEND)
        said = captured.pop(_LIFETIME, self._said.get(_LIFETIME))
        captured.pop(_TOKEN, None)
        return SignedIn(token, _lifetime_s(said), captured, cookies)

    def _without(self, place: str, came: str) -> TargetFault:
        cookie = place.removeprefix(COOKIE)
        what = f'a JSON object with "{place}"' if cookie == place else f'a cookie "{cookie}"'
        where = f"{self._target.name}: {self._url}"
        others = ", ".join(sorted(self.cookies))
        hint = f'; it sets {others}: if a cookie signs users in, auth.send is "cookie", and auth.cookie_name its name'
        return TargetFault(
            f"{where}: expected {what} for the login of {self._persona.name}, but {came}{hint if others else ''}"
        )

    def _refused(self, request: HttpCall, reply: Reply) -> Exception:
        auth, persona, where = self._target.auth, self._persona, f"{self._target.name}: {reply.url}"
        if reply.status in _REFUSALS:
            variables = ", ".join(filter(None, (persona.username_env, persona.password_env)))
            form = "" if auth.login else f" and auth.login_form ({auth.login_form!r})"
            return LoginRefused(
                f"{where}: expected {persona.name} to be signed in, but HTTP {reply.status} came; "
                f"check {variables}{form}"
            )
        return TargetFault(
            f"{where}: expected HTTP {request.status[0]} for the login of {persona.name}, but {reply.described()}"
        )


def can_travel(token: str) -> bool:
    """A token goes into a header: a line break in it would be a header of its own."""
    return bool(token) and token.isascii() and token.isprintable() and " " not in token


def _lifetime_s(expires_in: object) -> float:
    """Seconds until a login has to be repeated; for good where the target does not say."""
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float) or not expires_in > 0:
        return float("inf")
    return float(min(expires_in, _LONGEST_LIFETIME_S))
