"""The dialogue of `greenlight init`: asks on a terminal what no option says, and elsewhere names the option."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from greenlight_gate.cli.init_target import SignIn, User
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.targets.suggestions import nearest

PROMPT, ANSWER = "What is 17*23?", "391"
WAYS = ("none", "secret", "token", "login")
SENDS = ("bearer", "subprotocol", "query", "first_message", "cookie", "profile")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_NO_VARIABLE = "expected the name of an environment variable, in capitals (what came is not shown)"
# That of the bundled backend.
SECRET_VARIABLE = "CHAT_JWT_SECRET"  # noqa: S105 -- a name
_NAMES = ("Ada", "Bashir")


class Questions:
    """`asked` counts the answers that were given. Without a terminal, or with --yes, defaults are taken."""

    def __init__(self, console: Console, *, interactive: bool) -> None:
        self.console = console
        self.interactive = interactive
        self.asked = 0

    def ask(self, question: str, option: str, default: str | None = None) -> str:
        """One answer. Raises Misconfigured where nobody can be asked and there is no default."""
        if not self.interactive:
            if default is None:
                raise Misconfigured(
                    f"{option}: add it to the command, since init asks no questions without a terminal or with --yes. "
                    f"It answers: {question}"
                )
            return default
        while True:
            shown = f" [{default}]" if default else ""
            self.console.print(f"[bold]?[/] {escape(f'{question}{shown}')} ", end="", highlight=False, soft_wrap=True)
            line = sys.stdin.readline()
            if not line:
                raise Misconfigured(f"the input ended before the answer ({option}); nothing was written")
            self.asked += 1
            if line.strip() or default is not None:
                return line.strip() or str(default)
            self.console.print(f"  an answer is needed ({option})", highlight=False)

    def choose(self, question: str, option: str, choices: Sequence[str], default: str | None) -> str:
        """One of several words."""
        while True:
            word = self.ask(f"{question} ({', '.join(choices)})", option, default)
            if word in choices:
                return word
            if not self.interactive:
                raise Misconfigured(f"{option}: expected one of {', '.join(choices)}, got {word!r}")
            self.console.print(
                f"  {escape(repr(word))} is none of them{escape(nearest(word, choices))}", highlight=False
            )

    def variable(self, question: str, option: str, default: str | None = None) -> str:
        """The name of an environment variable, never its value."""
        while True:
            name = self.ask(f"{question} (the name of an environment variable)", option, default)
            if _VARIABLE.fullmatch(name):
                return name
            if not self.interactive:
                raise Misconfigured(f"{option}: {_NO_VARIABLE}")
            self.console.print(f"  {_NO_VARIABLE}", highlight=False)


def sign_in_of(options: argparse.Namespace, questions: Questions, *, in_profile: bool, guess: str | None) -> SignIn:
    """How users sign in, from options and answers. `in_profile`: the profile says where the token is placed.

    `guess`: a way that is likely. Raises Misconfigured.
    """
    way = options.sign_in or questions.choose("How do users sign in?", "--sign-in", WAYS, guess)
    if way == "none":
        return SignIn()
    send, cookie = options.send or ("profile" if in_profile else "bearer"), options.cookie_name
    if send == "cookie" and not cookie:
        cookie = questions.ask("Which cookie shows who a user is?", "--cookie-name")
    if way == "secret":
        default = options.secret_env or (SECRET_VARIABLE if guess == "secret" else None)
        if options.secret_env and not _VARIABLE.fullmatch(options.secret_env):
            raise Misconfigured(f"--secret-env: {_NO_VARIABLE}")
        name = options.secret_env or questions.variable(
            "Which variable holds the secret that signs the tokens?", "--secret-env", default
        )
        audience, claims = options.audience, options.claims
        if audience is None:
            audience = questions.ask("For which audience are the tokens (empty for none)?", "--audience", "")
            claims = claims or questions.ask(
                'What else does a token say, such as {"scopes": ["chat"]} (empty for nothing)?', "--claims", ""
            )
        return SignIn("mint", send, secret_env=name, audience=audience, claims=_claims(claims), cookie_name=cookie)
    what = "token" if way == "token" else "password"
    users = [_user(text, what) for text in options.user]
    if not users:
        for name in _NAMES:
            user = questions.ask(f"User id of {name}, the first of two users" if name == "Ada" else
                                 f"User id of {name}, the second", f"--user USER={what.upper()}_VARIABLE")  # fmt: skip
            users.append(User(name, user, questions.variable(f"Which variable holds the {what} of {user}?", "--user")))
    users = [User(name, each.user, each.variable) for name, each in zip(_more_names(users), users, strict=True)]
    login_url = options.login_url if way == "login" else ""
    if way == "login" and not login_url:
        login_url = questions.ask("Where are name and password posted?", "--login-url", "/auth/token")
    obtain = "token" if way == "token" else "login"
    return SignIn(obtain, send, login_url=login_url, cookie_name=cookie, users=tuple(users))


def _more_names(users: Sequence[User]) -> list[str]:
    names = ["Ada", "Bashir", "Chiara", "Dayo", "Emeka", "Farah", "Goran", "Hana"]
    return [*names, *(f"User {number}" for number in range(len(names) + 1, len(users) + 1))][: len(users)]


def _user(text: str, what: str) -> User:
    name, mark, variable = text.rpartition("=")
    if not (mark and name and _VARIABLE.fullmatch(variable)):
        raise Misconfigured(f"--user: expected USER=VARIABLE, where VARIABLE holds the {what} (what came is not shown)")
    return User(name, name, variable)


def _claims(text: str) -> dict[str, Any]:
    try:
        claims = json.loads(text) if text else {}
    except ValueError:
        claims = None
    if not isinstance(claims, dict):
        raise Misconfigured(f'--claims: expected a JSON object such as {{"scopes": ["chat"]}}, got {text!r}')
    return claims


def message_of(text: str) -> dict[str, Any]:
    """The message that asks, as a template. Raises Misconfigured."""
    try:
        message = json.loads(text)
    except ValueError:
        message = None
    if not isinstance(message, dict) or "{prompt}" not in json.dumps(message):
        example = '{"type": "ask", "text": "{prompt}"}'
        raise Misconfigured(f"--message: expected a JSON object with {{prompt}} in it, such as {example}, got {text!r}")
    return message
