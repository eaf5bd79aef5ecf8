"""Logging in at a target: from a name and a password to a token, and how long that lasts."""

from greenlight_gate.targets.errors import Misconfigured, TargetFault
from greenlight_gate.targets.http import Reply, exchange
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Persona

_LONGEST_LIFETIME_S = 1e9


class LoginRefused(Misconfigured):
    """The target does not know this name and password."""


async def log_in(target: Target, persona: Persona, name: str, password: str) -> tuple[str, float]:
    """The token, and in how many seconds the login has to be repeated. Raises LoginRefused, TargetFault."""
    fields = {"username": name, "password": password}
    url = target.resolve(target.auth.login_url)
    body = {"form": fields} if target.auth.login_form == "form" else {"json_body": fields}
    reply = await exchange(target, "POST", url, **body)
    _refuse_unless_let_in(target, persona, reply)
    said = reply.json()
    token = said.get("access_token") if said is not None else None
    if said is None or not isinstance(token, str) or not can_travel(token):
        came = reply.described() if said is None else "it has none that can be sent"
        raise TargetFault(
            f'{target.name}: {reply.url}: expected a JSON object with "access_token" for the login of '
            f"{persona.name}, but {came}"
        )
    return token, _lifetime_s(said.get("expires_in"))


def _refuse_unless_let_in(target: Target, persona: Persona, reply: Reply) -> None:
    where = f"{target.name}: {reply.url}"
    if reply.status in (400, 401, 403, 422):
        variables = ", ".join(filter(None, (persona.username_env, persona.password_env)))
        raise LoginRefused(
            f"{where}: expected {persona.name} to be signed in, but HTTP {reply.status} came; "
            f"check {variables} and auth.login_form ({target.auth.login_form!r})"
        )
    if reply.status not in (200, 201):
        raise TargetFault(f"{where}: expected HTTP 200 for the login of {persona.name}, but {reply.described()}")


def can_travel(token: str) -> bool:
    """A token goes into a header: a line break in it would be a header of its own."""
    return bool(token) and token.isascii() and token.isprintable() and " " not in token


def _lifetime_s(expires_in: object) -> float:
    """Seconds until a login has to be repeated; for good where the target does not say."""
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float) or not expires_in > 0:
        return float("inf")
    return float(min(expires_in, _LONGEST_LIFETIME_S))
