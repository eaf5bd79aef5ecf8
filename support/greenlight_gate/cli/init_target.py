"""What `greenlight init` knows of a target, and the target file that it writes of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_NOT_IN_A_NAME = re.compile(r"[^\w.'-]+")
EMBEDDED = "embedded"


@dataclass(frozen=True)
class User:
    """A user: the display name, the user id or login name, and the variable with the token or the password."""

    name: str
    user: str
    variable: str


@dataclass(frozen=True)
class SignIn:
    """How users sign in: `obtain` and `send` as in [auth], and what belongs to each."""

    obtain: str = "none"
    send: str = "none"
    secret_env: str = ""
    audience: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)
    login_url: str = ""
    query_name: str = ""
    cookie_name: str = ""
    users: tuple[User, ...] = ()


@dataclass(frozen=True)
class TargetDraft:
    """The target so far. `capabilities` and `budgets`: what differs from the default; `lacking`: what a verdict lacks.

    `reference`: it is the bundled backend, with the included set of prompts. `ask` and `contains` are the prompt of
    the team, `tools` what it was seen to use; `mark` ends each prompt with the user's canary.
    `features`: the folder of scenarios of the team's own, "" for none.
    """

    url: str
    name: str
    profile: str = "agent-events"
    reference: bool = False
    health: str = ""
    api_version: str = ""
    clock: str = "unknown"
    sign_in: SignIn = SignIn()
    values: Mapping[str, str] = field(default_factory=dict)
    ask: str = ""
    contains: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    mark: str = ""
    ca_file: str = ""
    insecure: bool = False
    capabilities: Mapping[str, bool] = field(default_factory=dict)
    budgets: Mapping[str, float] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)
    features: str = ""

    @property
    def embedded(self) -> bool:
        """Whether the suite starts the bundled backend itself."""
        return self.url == EMBEDDED

    def placed(self, folder: Path) -> "TargetDraft":
        """The same for a file that lies elsewhere: paths from `folder` become absolute."""
        values = {
            name: f"file:{(folder / value.removeprefix('file:')).resolve()}" if value.startswith("file:") else value
            for name, value in self.values.items()
        }
        profile = str((folder / self.profile).resolve()) if self.profile.endswith(".toml") else self.profile
        ca_file = str((folder / self.ca_file).resolve()) if self.ca_file else ""
        return replace(self, values=values, profile=profile, ca_file=ca_file)


def name_of(url: str) -> str:
    """A name for the target at a url, of its host."""
    host = urlsplit(url).hostname or ""
    return _NOT_IN_A_NAME.sub("-", host).strip("-.'")[:40] or "mine"


def target_text(draft: TargetDraft) -> str:
    """The target file, each key with what it means."""
    parts = [_head(draft), _auth(draft.sign_in), _personas(draft.sign_in)]
    if not draft.reference:
        parts += [_table("capabilities", draft.capabilities, _CAPABILITIES)]
    parts += [_budgets(draft), _limits(draft), _tls(draft), _values(draft), _gaps(draft), _suite(draft)]
    parts += [] if draft.reference else [_prompts(draft)]
    return "\n\n".join(part for part in parts if part) + "\n"


_CAPABILITIES = """\
# What the backend can do. Scenarios that need a capability that is false are reported as "not exercised". What `init`
# tried itself or read in the profile stands here; correct it where it is wrong."""
_BUDGETS = """\
# Time budgets in seconds: until a connection is ready, from a request to agent_started, the longest silence within a
# run, until a half-open connection is closed. These follow from what `init` has measured, or are known of such servers;
# the others have their defaults."""

_MORE = """\
# Each further prompt exercises further scenarios. Take a table out of the comment once the question fits your backend,
# and `contains` what is always in its answer. targets/prompts/reference.toml of Greenlight has these and more."""
_MORE_PROMPTS = """\
[prompts.with_tool]
ask = "What is 17*23?"
contains = ["391"]
tools = ["calculator"]  # the tool that it uses for this question

[prompts.without_tool]
ask = "Good morning! Who are you?"
contains = [["assistant", "help"]]  # one of these

[prompts.follow_up]
ask = "And what was my previous question?"  # sent after with_tool, in the same conversation
contains = [PREVIOUS]

[prompts.long_running]
ask = "Please research the tides thoroughly."  # an answer of some seconds; it is stopped as well
contains = ["moon"]

[prompts.remember]
ask = "Please remember that my secret word is {canary}."
contains = ["{canary}"]

[prompts.recall]
ask = "What is my secret word?"  # in another conversation of the same user
contains = ["{canary}"]

[prompts.failing_agent]
ask = "Please give up."  # what makes a run fail"""


def _head(draft: TargetDraft) -> str:
    lines = [
        "# What `greenlight run`, `doctor`, `load` and `monitor` judge in this folder. Written by `greenlight init`.",
        "# Keys that are left out have their defaults; targets/staging.toml of Greenlight explains every key. It holds",
        "# no secret, only names of environment variables.",
        "",
        _line("name", draft.name, "appears in reports and in the history"),
    ]
    if draft.embedded:
        lines += [
            _line("start", "embedded", "the suite starts its bundled backend, and stops it"),
            _line("url", "ws://127.0.0.1:0/ws", "port 0: any free port"),
        ]
    else:
        lines.append(_line("url", draft.url, "the variable WEBSOCKET_TEST_URL replaces it"))
    lines.append(_line("profile", draft.profile, "the wire format: an included profile, or a file beside this one"))
    if draft.reference:
        lines.append(_line("prompts", "reference", "the included prompts of the bundled backend"))
    if draft.mark:
        lines.append(_line("mark", draft.mark, "ends each prompt, to find it where another user sees it"))
    lines += [
        _line("health", draft.health, 'a path that reports the health, or "" for none'),
        _line("api_version", draft.api_version, 'major version that health must report, "" for any'),
        _line("clock", draft.clock, '"same-host", "ping" or "unknown": how the server\'s timestamps can be compared'),
        _line("warm_up_runs", 1, "requests that are sent before anything is measured"),
    ]
    return "\n".join(lines)


def _auth(sign_in: SignIn) -> str:
    said = {
        "mint": "the suite signs a token for each user with the backend's own secret, from this variable",
        "token": "each user has a ready token, in the variable token_env of [[personas]]",
        "login": "each user signs in with a name and a password (password_env of [[personas]])",
        "none": "no credentials",
    }
    lines = ["# How users sign in, and how the token is sent.", "[auth]"]
    lines += [_line("obtain", sign_in.obtain, said[sign_in.obtain]), _line("send", sign_in.send, "")]
    for key in ("secret_env", "audience", "claims", "login_url", "query_name", "cookie_name"):
        if value := getattr(sign_in, key):
            lines.append(_line(key, value, "added to each token; {user} is filled in" if key == "claims" else ""))
    return "\n".join(lines)


def _personas(sign_in: SignIn) -> str:
    key = {"token": "token_env", "login": "password_env"}.get(sign_in.obtain, "")
    tables = [
        f"[[personas]]\n{_line('name', each.name, '')}\n{_line('user', each.user, '')}\n{_line(key, each.variable, '')}"
        for each in sign_in.users
    ]
    return "\n\n".join(["# Users. Isolation needs two or more.", *tables]) if tables else ""


def _budgets(draft: TargetDraft) -> str:
    lines = [_line(key, value, "") for key, value in draft.budgets.items()]
    return "\n".join([_BUDGETS, "[budgets]", *lines]) if lines else ""


def _limits(draft: TargetDraft) -> str:
    # A backend that starts a process for each user is slow with many at once, and would be blamed for that.
    most, stress = (20_000, True) if draft.embedded else (50 if draft.reference else 10, False)
    return "\n".join(
        [
            "# How much load the backend may get. Stress scenarios and `greenlight load` need allow_stress = true.",
            "[limits]",
            _line("max_connections", most, "users at a time; raise it to what the backend is made for"),
            _line("allow_stress", stress, ""),
        ]
    )


def _tls(draft: TargetDraft) -> str:
    if draft.ca_file:
        return (
            f"# The authority that has signed the server's certificate.\n[tls]\n{_line('ca_file', draft.ca_file, '')}"
        )
    if draft.insecure:
        why = "# No certificate is verified: each run warns of it, and none is APPROVED."
        return f"{why}\n[tls]\n{_line('insecure_skip_verification', True, '')}"
    return ""


def _values(draft: TargetDraft) -> str:
    why = '# What the profile needs: plain text, "env:VARIABLE" for a secret, "file:PATH" for a JSON file.'
    return _table("values", draft.values, why)


def _gaps(draft: TargetDraft) -> str:
    """What keeps a verdict INCONCLUSIVE, for the team to accept or to mend: never accepted by `init`."""
    if not draft.lacking:
        return ""
    return "\n".join(
        [
            "# These are missing and keep the verdict INCONCLUSIVE, unless you accept them, each with your reason:",
            "#",
            "#     [accepted_gaps]",
            *(f"#     {name} = {as_toml('because ... (' + why + ')')}" for name, why in draft.lacking.items()),
        ]
    )


def _suite(draft: TargetDraft) -> str:
    if not draft.features:
        return ""
    why = "# Scenarios of your own, which run beside those that ship; `steps` may name a folder of steps of your own."
    return f"{why}\n[suite]\n{_line('features', draft.features, 'every .feature file below it')}"


def _prompts(draft: TargetDraft) -> str:
    name = "with_tool" if draft.tools else "without_tool"
    lines = [
        "# What the backend is asked, and what is right.",
        f"[prompts.{name}]",
        _line("ask", draft.ask, "{canary} becomes a made-up secret of the user"),
        _line("contains", list(draft.contains), "the answer must contain every entry, in upper or lower case"),
    ]
    lines += [_line("tools", list(draft.tools), "the tools that it uses for this prompt")] if draft.tools else []
    more = _MORE_PROMPTS.replace("PREVIOUS", as_toml(draft.ask.rstrip("?!. ").split(" ")[-1]))
    # The other one of the two is asked for already.
    tables = [table for table in more.split("\n\n") if not table.startswith(f"[prompts.{name}]")]
    commented = ["#     " + line if line else "#" for line in "\n\n".join(tables).splitlines()]
    return "\n".join([*lines, "", _MORE, "#", *commented])


def _table(name: str, entries: Mapping[str, Any], why: str) -> str:
    return "\n".join([why, f"[{name}]", *(_line(key, value, "") for key, value in entries.items())]) if entries else ""


def _line(key: str, value: Any, why: str) -> str:
    text = f"{key} = {as_toml(value)}"
    return f"{text:<38} # {why}" if why else text


def as_toml(value: Any) -> str:
    """A value as TOML in one line."""
    if isinstance(value, Mapping):
        items = (
            f"{key if _BARE_KEY.fullmatch(key) else as_toml(key)} = {as_toml(item)}" for key, item in value.items()
        )
        return "{ " + ", ".join(items) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
