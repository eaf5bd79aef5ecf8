"""A target: one backend in one environment, as its file describes it. Pure data and what follows from it."""

import ipaddress
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urljoin, urlsplit

import msgspec
from msgspec import Meta, Struct

from greenlight_gate.events import EventKind
from greenlight_gate.measure.thresholds import Thresholds
from greenlight_gate.targets.auth import Auth
from greenlight_gate.targets.sections import (
    CANARY,
    EIGHT_USERS,
    Budgets,
    Capabilities,
    HttpVersion,
    Invalid,
    Label,
    Limits,
    ModelSection,
    MonitorSection,
    Persona,
    ProbeSection,
    Prompt,
    Prompts,
    SuiteSection,
    Text,
    Tls,
)
from greenlight_gate.targets.suggestions import nearest
from greenlight_gate.trace import Expect
from greenlight_gate.verdict.waivers import AcceptedGap, Waiver

PROMPTS = Prompts.__struct_fields__
CAPABILITIES = Capabilities.__struct_fields__
NEEDS = (*CAPABILITIES, *PROMPTS, "authentication", "isolation", "replicas", "services", "model", "websocket")


# The schemes of urls, and whether they are those of HTTP. The profile says which of the two a target speaks.
SCHEMES = {"ws": False, "wss": False, "http": True, "https": True}
_SECURE = ("wss", "https")
_EXPECTED_URL = "a WebSocket URL such as wss://chat.example/ws"
# The profile of a target that names none speaks WebSocket; what others speak is known once they have been read.
_DEFAULT_PROFILE = "agent-events"
TWINS = {"http": "ws", "https": "wss"}


def check_url(url: str) -> None:
    """Raise Invalid unless `url` is ws(s):// or http(s)://, with a host, and without a user, password or fragment."""
    expected = _EXPECTED_URL
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise Invalid("url", expected, f"it cannot be read ({error})") from None
    # What came is described and not shown: a user, a password or a token in the query may be part of it.
    if parts.scheme not in SCHEMES:
        raise Invalid("url", expected, f"its scheme is {parts.scheme!r}")
    if not host or any(character.isspace() or not character.isprintable() for character in url):
        raise Invalid("url", expected, "it names no host" if not host else "it holds white space")
    if "@" in parts.netloc or parts.fragment:
        came = "a fragment (#...)" if parts.fragment else "a user or a password"
        raise Invalid("url", expected, f"it holds {came}")


class Target(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One backend to be judged.

    `url` is where the WebSocket is opened; port 0 is for a backend that the suite starts on any free port. `start` says
    who starts the backend: nobody here, the suite its own, the suite by `command` (a program and its arguments), or the
    suite as a whole stack of services. `compose`: a compose file for `greenlight services`, beside the target file.
    `http_version` is the only one that is spoken; "": by TLS what the server chooses, and otherwise 1.1.
    `health` is a path at the url's origin, a full URL, or "" when there is none. `api_version` is the major version
    that health must report, "" when it does not matter. `clock` says how the server's clock relates to ours. `values`
    is what the profile needs from the target, by name: plain values, `env:NAME` for a secret, `file:PATH` for JSON.
    `replicas` are the urls at which each replica behind `url` can be reached by itself. `mark` is added to each prompt
    that does not hold the user's canary, so that it is known whose question it is, wherever it is shown.
    """

    name: Label
    url: str
    prompts: Prompts
    start: Literal["none", "embedded", "command", "stack"] = "none"
    command: tuple[Text, ...] = ()
    profile: Text = _DEFAULT_PROFILE
    health: Annotated[
        str, Meta(pattern="^$|^/|^https?://", description='a path that begins with /, an http(s) URL, or ""')
    ] = "/health"
    api_version: Annotated[str, Meta(pattern=r"^\d*$", description='a major version such as "2", or ""')] = "2"
    http_version: HttpVersion = ""
    clock: Literal["same-host", "ping", "unknown"] = "unknown"
    warm_up_runs: Annotated[int, Meta(ge=0, le=100)] = 0
    auth: Auth = Auth()
    personas: Annotated[tuple[Persona, ...], Meta(min_length=1, max_length=10_000)] = EIGHT_USERS
    capabilities: Capabilities = Capabilities()
    accepted_gaps: dict[str, str | AcceptedGap] = {}
    waiver: tuple[Waiver, ...] = ()
    thresholds: Thresholds = Thresholds()
    budgets: Budgets = Budgets()
    limits: Limits = Limits()
    tls: Tls = Tls()
    values: dict[str, Any] = {}
    probe: ProbeSection = ProbeSection()
    suite: SuiteSection = SuiteSection()
    monitor: MonitorSection = MonitorSection()
    replicas: tuple[str, ...] = ()
    compose: str = ""
    mark: str = ""
    model: ModelSection | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        for url in (self.url, *self.replicas):
            check_url(url)
            scheme = urlsplit(url).scheme
            if SCHEMES[scheme] and self.profile == _DEFAULT_PROFILE:
                came = (
                    f"its scheme is {scheme!r}; write {TWINS[scheme]}:// for {scheme}://, or choose a profile by HTTP"
                )
                raise Invalid("url", _EXPECTED_URL, came)
        if urlsplit(self.url).port == 0 and self.start == "none":
            expected = 'a real port (0 means any free one, and needs start = "embedded" or "stack")'
            raise Invalid("url", expected, "it is 0")
        self._check_command()
        if self.model is not None and not self.model.url and self.start not in ("embedded", "command"):
            expected = 'where the model is served (only start = "embedded" or "command" has it served by the suite)'
            raise Invalid("model.url", expected, f"it is missing, and start is {self.start!r}")
        if self.clock == "ping" and not self.capabilities.ping:
            raise Invalid("clock", '"same-host" or "unknown" where capabilities.ping is false', 'it is "ping"')
        if self.http_version and not self.by_http:
            raise Invalid(
                "http_version", "none for a WebSocket, whose url begins with ws", f"it is {self.http_version!r}"
            )
        if self.mark and CANARY not in self.mark:
            raise Invalid("mark", "a text that holds {canary}", "it does not")
        if self.prompts.with_tool and not self.prompts.with_tool.tools and not self.shows_no_tools:
            expected = "at least 1 tool name(s), or accepted_gaps.tool_executing and tool_completed with the reason"
            raise Invalid("prompts.with_tool.tools", expected, "0 came")
        self._check_users()
        self._check_gaps()

    def _check_users(self) -> None:
        for attribute in ("name", "user", "token_env", "username_env"):
            first: dict[str, int] = {}
            for index, persona in enumerate(self.personas):
                value = getattr(persona, attribute)
                if value and first.setdefault(value, index) != index:
                    came = f"it is the same as that of personas[{first[value]}]"
                    raise Invalid(f"personas[{index}].{attribute}", "a value of its own for each user", came)
        for index, persona in enumerate(self.personas):
            missing = _missing_of(persona, self.auth)
            if missing:
                attribute, expected = missing
                came = f"{persona.name} has none"
                raise Invalid(
                    f"personas[{index}].{attribute}", f"{expected} (auth.obtain = {self.auth.obtain!r})", came
                )

    def _check_gaps(self) -> None:
        for need, reason in self.accepted_gaps.items():
            key = f"accepted_gaps.{need}"
            if isinstance(reason, str) and not reason.strip():
                raise Invalid(key, "the reason why this gap is accepted", "it is empty")
            if need in (*EventKind, "broadcast"):
                continue  # the profile decides whether it can be observed
            if need not in NEEDS:
                raise Invalid(
                    key, "one of the names that staging.toml explains", f"{need!r} is none{nearest(need, NEEDS)}"
                )
            if self._absence(need) is None and not (need == "isolation" and not self.secret_prompt):
                step = f"set capabilities.{need} = false" if need in CAPABILITIES else "remove one of the two"
                raise Invalid(key, "something that this target lacks", f"it has {need}; {step}")

    def _check_command(self) -> None:
        if (self.start == "command") != bool(self.command):
            raise Invalid("command", 'a command exactly where start = "command"', f"start is {self.start!r}")
        if self.start == "command" and not self.health:
            raise Invalid("health", "a path to ask whether the command has come up", "there is none")

    @property
    def by_http(self) -> bool:
        """Whether its messages are HTTP requests, whose answers stream; if not, it is reached by WebSocket."""
        return SCHEMES[urlsplit(self.url).scheme]

    @property
    def is_secure(self) -> bool:
        """Whether it is reached by TLS."""
        return urlsplit(self.url).scheme in _SECURE

    @property
    def origin(self) -> str:
        """http(s)://host:port of the url; the port is left out where the url leaves it out."""
        parts = urlsplit(self.url)
        return f"{'https' if self.is_secure else 'http'}://{parts.netloc}"

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port that a connection is made to."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or (443 if self.is_secure else 80)

    @property
    def is_loopback(self) -> bool:
        """Whether the url points to this very host."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")

    @property
    def caveats(self) -> tuple[str, ...]:
        """Why nothing that is found out about this target can approve it."""
        asked = (self.url, self.resolve(self.health), self.resolve(self.auth.login_url))
        if self.tls.insecure_skip_verification and any(url.startswith(("wss:", "https:")) for url in asked):
            return ("the certificate was not verified (tls.insecure_skip_verification): any server may have answered",)
        return ()

    @property
    def weak(self) -> tuple[str, ...]:
        """In what this target asks for less than a file that says nothing does, in words."""
        tables = (("thresholds", self.thresholds, Thresholds()), ("budgets", self.budgets, Budgets()))
        parts = [
            f"{table}.{name} = {value:g} (usual {usual:g})"
            for table, ours, defaults in tables
            for name in ours.__struct_fields__
            if (usual := getattr(defaults, name)) is not None and (value := getattr(ours, name)) is not None
            and (value < usual if name == "success_percent" else value > usual)
        ]  # fmt: skip
        asked = [name for name in PROMPTS if (prompt := getattr(self.prompts, name)) and not prompt.contains]
        unsaid = [
            name for name in asked if name not in ("failing_agent", "moderated", "remember", "unanswered_approval")
        ]
        parts += [f"prompts.{name} without contains" for name in unsaid]
        parts += ["a single user"] if len(self.personas) < 2 else []
        return tuple(parts)

    def without_expired_gaps(self, today: date) -> tuple["Target", tuple[str, ...]]:
        """The target with the gaps that are still accepted on a day, and what is wrong with the others."""
        kept: dict[str, str | AcceptedGap] = {}
        expired = []
        for need, reason in self.accepted_gaps.items():
            if isinstance(reason, str) or today <= reason.until:
                kept[need] = reason
            else:
                expired.append(f"accepted_gaps.{need} has expired ({reason}): mend it, or decide anew")
        return msgspec.structs.replace(self, accepted_gaps=kept), tuple(expired)

    def resolve(self, path_or_url: str) -> str:
        """A path at the target's origin as a full URL; a full URL stays as it is."""
        return urljoin(self.origin, path_or_url)

    def at(self, url: str) -> "Target":
        """The same target at another url, for instance the port on which the embedded backend came up."""
        return msgspec.structs.replace(self, url=url)

    def persona(self, name: str) -> Persona:
        """The user of this name. Raises ValueError for a name that the target does not know."""
        for persona in self.personas:
            if persona.name == name:
                return persona
        names = [persona.name for persona in self.personas]
        raise ValueError(f"{self.name} knows no {name!r}{nearest(name, names)}")

    @property
    def needs_accounts(self) -> bool:
        """Whether only users with an account at the target can connect, so that none can be made up."""
        return self.auth.obtain == "login" or (self.auth.obtain == "token" and not self.auth.token_env)

    def users(self, count: int) -> tuple[Persona, ...]:
        """Up to `count` users. Where no account is needed (mint, none), as many are made up as are asked for."""
        known = self.personas[:count]
        if self.needs_accounts:
            return known
        extra = range(len(known) + 1, count + 1)
        return (*known, *(Persona(name=f"User {number}", user=f"u-user-{number}") for number in extra))

    def question(self, prompt_name: str, canary: str) -> str:
        """The text of a prompt. Raises ValueError for a prompt that the target does not have: ask `lacks` first."""
        return self.asked(self._prompt(prompt_name), canary)

    def asked(self, prompt: Prompt, canary: str) -> str:
        """The text of a prompt, marked as this user's, unless it or its answer is about the user's canary anyway."""
        is_marked = self.mark and canary and CANARY not in f"{prompt.ask} {prompt.contains}"
        return (f"{prompt.ask} {self.mark}" if is_marked else prompt.ask).replace(CANARY, canary)

    @property
    def secret_prompt(self) -> str:
        """The prompt whose answer must hold the canary of the user who asks, or "" where there is none."""
        prompts = self.prompts
        if prompts.remember and prompts.recall:
            return "recall"
        holds = {name: prompt for name in PROMPTS if (prompt := getattr(prompts, name)) and name != "recall"}
        return next((name for name, p in holds.items() if CANARY in p.ask and CANARY in str(p.contains)), "")

    def expectation(self, prompt_name: str, canary: str = "") -> Expect:
        """What may be expected of the run that follows. Raises ValueError like `question`, or without its canary."""
        prompt = self._prompt(prompt_name)
        if not canary and CANARY in f"{prompt.ask} {prompt.contains}":
            raise ValueError(f"{prompt_name} is about the user's canary, and there is none")
        groups = ((entry,) if isinstance(entry, str) else entry for entry in prompt.contains)
        return Expect(
            prompt=self.asked(prompt, canary),
            thinking=prompt.thinking and not self.shows_no_reasoning,
            hidden=self.shows_no,
            tools=0 if self.shows_no_tools else len(prompt.tools),
            parallel=prompt_name == "parallel_tools",
            failing_tool=prompt_name == "failing_tool",
            paced=prompt_name == "long_running",
            contains=tuple(tuple(text.replace(CANARY, canary) for text in group) for group in groups),
            approval=prompt_name in ("approval", "unanswered_approval"),
            input_s=prompt.input_s,
            end=EventKind(
                prompt.ends or ("agent_failed" if prompt_name in ("failing_agent", "moderated") else "agent_completed")
            ),
        )

    def lacks(self, need: str) -> str | None:
        """Why `need` (a capability, a prompt, "authentication" or "isolation") is not exercised; None when it is.

        `accepted_gaps` says whether that was accepted. Raises ValueError for a need that does not exist.
        """
        if need not in NEEDS:
            raise ValueError(f"no target can have or lack {need!r}{nearest(need, NEEDS)}")
        absence = self._absence(need)
        reason = self.accepted_gaps.get(need)
        return f"{absence}; accepted: {reason}" if absence and reason else absence

    def _absence(self, need: str) -> str | None:
        if need in PROMPTS and getattr(self.prompts, need) is None:
            return f"{self.name} has no [prompts.{need}]"
        if need in CAPABILITIES and not getattr(self.capabilities, need):
            return f"{self.name} declares capabilities.{need} = false"
        if need == "helper":
            return self._absence("sub_agents")
        absences = {
            "authentication": (self.auth.obtain == "none", 'asks nobody who they are (auth.obtain = "none")'),
            "isolation": (len(self.personas) < 2, "has a single persona"),
            "replicas": (len(self.replicas) < 2 and self.start != "stack", "names fewer than two replicas"),
            "services": (self.start != "stack", 'has no services that the suite may end and start (start = "stack")'),
            "model": (self.model is None, "has no [model]: no scripted model that fails when it is asked to"),
            "websocket": (self.by_http, "is reached by HTTP, which has none of that"),
            "server_clock": (self.clock == "unknown", 'declares clock = "unknown"'),
        }
        absent, how = absences.get(need, (False, ""))
        return f"{self.name} {how}" if absent else None

    @property
    def shows_no(self) -> tuple[EventKind, ...]:
        """What the target accepts that its agent does not do, on a wire that could show it: to reason, to run tools."""
        kinds = (EventKind.THINKING, EventKind.TOOL_EXECUTING, EventKind.TOOL_COMPLETED)
        return tuple(kind for kind in kinds if kind in self.accepted_gaps)

    @property
    def shows_no_reasoning(self) -> bool:
        """Whether its agent does not reason."""
        return EventKind.THINKING in self.accepted_gaps

    @property
    def shows_no_tools(self) -> bool:
        """Whether its agent runs no tools; a prompt that needs one is then an ordinary prompt."""
        return EventKind.TOOL_EXECUTING in self.accepted_gaps and EventKind.TOOL_COMPLETED in self.accepted_gaps

    def _prompt(self, name: str) -> Prompt:
        if name not in PROMPTS:
            raise ValueError(f"there is no prompt {name!r}{nearest(name, PROMPTS)}")
        prompt: Prompt | None = getattr(self.prompts, name)
        if prompt is None:
            raise ValueError(f"{self.name} has no [prompts.{name}]")
        return prompt


def _missing_of(persona: Persona, auth: Auth) -> tuple[str, str] | None:
    obtain = auth.obtain
    if obtain == "token" and not (persona.token_env or auth.token_env):
        return "token_env", "the variable that holds this user's token"
    if obtain == "login" and not persona.password_env:
        return "password_env", "the variable that holds this user's password"
    if obtain in ("mint", "login") and not (persona.user or (obtain == "login" and persona.username_env)):
        return "user", "the user id that this user's token or login is for"
    return None
