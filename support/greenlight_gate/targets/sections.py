"""The tables of a target file as frozen structs: what may stand in it. `targets.settings` reads the file."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.targets.times_of_week import EXPECTED, TimesOfWeek

CANARY = "{canary}"

Text = Annotated[str, Meta(min_length=1, description="a text that is not empty")]
# Capitals only: a token pasted where a variable's name belongs is then refused instead of being looked up and printed.
Variable = Annotated[
    str, Meta(pattern="^([A-Z][A-Z0-9_]*)?$", description="the name of an environment variable, in capitals")
]
Label = Annotated[str, Meta(pattern=r"^\w[\w .'-]{0,39}$", description="a name of 1 to 40 letters, digits or . ' -")]
Seconds = Annotated[float, Meta(gt=0, le=3600)]
HttpVersion = Literal["", "1.1", "2"]
_USUAL = TimeBudgets()


class Invalid(ValueError):
    """A value that contradicts another one: `key` is its path below the struct that objects."""

    def __init__(self, key: str, expected: str, came: str) -> None:
        super().__init__(f"{key}: expected {expected}, but {came}")
        self.key = key
        self.expected = expected
        self.came = came


class Persona(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[personas]]: one user. `user` is the JWT's sub or the login name; "" when it is not known.

    `expired_token_env`: a token of this user that has expired, to be tried where none can be made.
    """

    name: Label
    user: str = ""
    token_env: Variable = ""
    expired_token_env: Variable = ""
    username_env: Variable = ""
    password_env: Variable = ""


EIGHT_USERS = tuple(
    Persona(name=name, user=f"u-{name.lower()}")
    for name in ("Ada", "Bashir", "Chiara", "Dayo", "Emeka", "Farah", "Goran", "Hana")
)


class Prompt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[prompts.NAME]: a question and what its answer must hold.

    Every entry of `contains` must be in the answer, whatever the case; a list stands for alternatives. {canary} is
    filled in, in `ask` and in `contains`. `tools` names each tool as often as it is used. `ends`: the last event; "":
    agent_failed of `failing_agent` and `moderated`, agent_completed of all others. `input_s`: how long the backend
    waits, in seconds, for an answer to what it asks of the user in this run.
    """

    ask: Text
    contains: tuple[Text | Annotated[tuple[Text, ...], Meta(min_length=1)], ...] = ()
    tools: tuple[Text, ...] = ()
    thinking: bool = True
    ends: Literal["agent_completed", "agent_failed", ""] = ""
    input_s: Annotated[float, Meta(gt=0, le=60)] | None = None


# Prompts that are not answered unless the user does more, or are not to be answered.
_NEED_MORE = frozenset({"approval", "unanswered_approval", "moderated", "edited"})
_LEAST_TOOLS = {"two_tools": 2, "parallel_tools": 2, "failing_tool": 1, "approval": 1}


class Prompts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[prompts]: the questions that this backend can be asked. What is left out is not exercised."""

    with_tool: Prompt | None = None
    without_tool: Prompt | None = None
    two_tools: Prompt | None = None
    parallel_tools: Prompt | None = None
    failing_tool: Prompt | None = None
    failing_agent: Prompt | None = None
    long_running: Prompt | None = None
    helper: Prompt | None = None
    follow_up: Prompt | None = None
    remember: Prompt | None = None
    recall: Prompt | None = None
    other_scripts: Prompt | None = None
    long_question: Prompt | None = None
    long_answer: Prompt | None = None
    long_lasting: Prompt | None = None
    approval: Prompt | None = None
    unanswered_approval: Prompt | None = None
    moderated: Prompt | None = None
    edited: Prompt | None = None

    def __post_init__(self) -> None:
        """Refuse prompts that could not show what their name promises."""
        asked = [name for name in self.__struct_fields__ if getattr(self, name)]
        if not set(asked) - _NEED_MORE:
            came = f"there is only {', '.join(asked)}" if asked else "there is none"
            raise Invalid("", "at least one prompt that can be asked by itself, for instance with_tool", came)
        for name, least in _LEAST_TOOLS.items():
            prompt: Prompt | None = getattr(self, name)
            if prompt and len(prompt.tools) < least:
                raise Invalid(f"{name}.tools", f"at least {least} tool name(s)", f"{len(prompt.tools)} came")
        if self.without_tool and self.without_tool.tools:
            raise Invalid("without_tool.tools", "no tools", f"{len(self.without_tool.tools)} came")
        if self.unanswered_approval and self.unanswered_approval.input_s is None:
            raise Invalid("unanswered_approval.input_s", "how long the backend waits for an answer", "there is none")
        if self.remember and CANARY not in self.remember.ask:
            raise Invalid("remember.ask", "a question that holds {canary}", "it does not")
        if self.recall and not any(CANARY in str(entry) for entry in self.recall.contains):
            raise Invalid("recall.contains", "an entry that holds {canary}", "none does")


class Capabilities(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[capabilities]: what the backend can do. What is false is reported as not exercised.

    `early_stop`: a run can be stopped by its request, before it has sent an event.
    `errors`: bad input gets a clear error. `server_clock`: events carry the server's time. `heartbeat`: it pings by
    itself, and so notices lost connections.
    """

    resume: bool = True
    stop: bool = True
    early_stop: bool = False
    ping: bool = True
    heartbeat: bool = True
    parallel_runs: bool = True
    sub_agents: bool = True
    server_clock: bool = True
    memory_probe: bool = True
    errors: bool = True
    logout: bool = True


class Budgets(TimeBudgets, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[budgets]: how long each thing may take, in seconds.

    `start_s`: until agent_started; `silence_s`: the longest pause inside a run, while a tool runs as well, since a user
    sees events and no heartbeats; `tool_s`: one tool call in all, for tools during which events come; `grace_s`: what
    may still arrive after a run's end; `refusal_s`: until bad input or a bad token is refused; `clock_skew_s`: of the
    server's timestamps; `recover_s`: until a user whose connection was lost has resumed, or is answered again;
    `half_open_s`: until a lost connection is noticed; `stop_s`: until a run that was stopped has ended; `tool_end_s`:
    until the end of a tool is shown; `token_leeway_s`: for how long a token is accepted after its end, if that is
    declared.
    The rules' own budgets, bounded.
    """

    handshake_s: Seconds = _USUAL.handshake_s
    start_s: Seconds = _USUAL.start_s
    silence_s: Seconds = _USUAL.silence_s
    tool_s: Seconds = _USUAL.tool_s
    run_s: Annotated[float, Meta(gt=0, le=86_400)] = _USUAL.run_s
    grace_s: Annotated[float, Meta(gt=0, le=60)] = _USUAL.grace_s
    ping_s: Seconds = _USUAL.ping_s
    refusal_s: Seconds = _USUAL.refusal_s
    clock_skew_s: Annotated[float, Meta(gt=0, le=86_400)] = _USUAL.clock_skew_s
    recover_s: Seconds = _USUAL.recover_s
    half_open_s: Seconds = _USUAL.half_open_s
    stop_s: Seconds = _USUAL.stop_s
    tool_end_s: Seconds = _USUAL.tool_end_s
    token_leeway_s: Annotated[float, Meta(ge=0, le=3600)] | None = None


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[limits]: what this backend may be burdened with, and with what it may burden us.

    `max_concurrent_runs`: how many answers it makes at the same time; 0: as many as it is asked for.
    Without `allow_stress` no stress scenario touches it. `accepts_message_bytes`: the largest message that it accepts;
    0: the one that its greeting announces, if any, and otherwise no message is too large for it. Who sends more than
    `max_frame_bytes` in one message, `max_run_events` or `max_run_bytes` in one answer, or `max_connection_frames` or
    `max_connection_bytes` on one connection is hung up on, which is a finding (CONTENT-2).
    """

    max_connections: Annotated[int, Meta(ge=1, le=100_000)] = 50
    max_concurrent_runs: Annotated[int, Meta(ge=0, le=100_000)] = 0
    allow_stress: bool = False
    accepts_message_bytes: Annotated[int, Meta(ge=0, le=1_073_741_824)] = 0
    max_frame_bytes: Annotated[int, Meta(ge=1024, le=1_073_741_824)] = 1_048_576
    max_run_events: Annotated[int, Meta(ge=100, le=10_000_000)] = 20_000
    max_run_bytes: Annotated[int, Meta(ge=1024, le=1_073_741_824)] = 16_777_216
    max_connection_frames: Annotated[int, Meta(ge=100, le=10_000_000)] = 50_000
    max_connection_bytes: Annotated[int, Meta(ge=1024, le=1_073_741_824)] = 33_554_432


class ProbeSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[probe]: how the backend's memory is measured. One on this machine is found by its port, without this section.

    `metrics` is a Prometheus endpoint, "" when there is none, and `connections_gauge` and `runs_gauge` the names under
    which it says how many connections and runs are open; `container` a name that Docker knows, on `docker_socket`.
    """

    metrics: Annotated[
        str, Meta(pattern="^$|^/|^https?://", description='a path that begins with /, an http(s) URL, or ""')
    ] = "/metrics"
    connections_gauge: Text = "chat_connections_open"
    runs_gauge: Text = "chat_runs_open"
    container: Annotated[
        str, Meta(pattern=r"^$|^[A-Za-z0-9][\w.-]*$", description="the name or the id of a container")
    ] = ""
    docker_socket: Text = "/var/run/docker.sock"


class SuiteSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[suite]: folders with features and steps of the team's own, which run beside those that ship; "" for none.

    They are relative to the target file; `load_target` returns absolute paths.
    """

    features: str = ""
    steps: str = ""

    def __post_init__(self) -> None:
        """Refuse steps that no feature could use."""
        if self.steps and not self.features:
            raise Invalid("features", "the folder of the features that use these steps", "it is missing")


class ModelSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[model]: the scripted model that the backend asks (`greenlight model`).

    `script`: its name, or a path from the target file; `url`: where it is served, up to /v1. Without `url` the suite
    serves it for the backend that it starts.
    """

    script: Text
    url: Annotated[str, Meta(pattern="^$|^https?://", description='an http(s) URL, or ""')] = ""


class Tls(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[tls]: a private authority, trusted instead of the system's.

    With `insecure_skip_verification` any certificate is trusted: every run warns of it, and none approves.
    """

    ca_file: str = ""
    insecure_skip_verification: bool = False

    def __post_init__(self) -> None:
        """Refuse an authority that would never be asked."""
        if self.ca_file and self.insecure_skip_verification:
            expected = "false where ca_file names whom to trust (remove one of the two)"
            raise Invalid("insecure_skip_verification", expected, "it is true")


# Between the beginnings of two rounds, in seconds: oftener would be a load, and rarer no watch.
LEAST_EVERY_S, MOST_EVERY_S = 5, 86_400
Interval = Annotated[float, Meta(ge=LEAST_EVERY_S, le=MOST_EVERY_S)]


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[monitor.schedule]]: another interval between rounds at these times of the week."""

    when: Text
    every_s: Interval

    def __post_init__(self) -> None:
        """Refuse times that cannot be read."""
        _times("when", self.when)

    @property
    def times(self) -> TimesOfWeek:
        """When it holds."""
        return TimesOfWeek.parse(self.when)


class Maintenance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[monitor.maintenance]]: no rounds while the backend is known to be away, once (`begins`, `ends`) or each week.

    `begins` and `ends` without an offset are local times of `[monitor] timezone`.
    """

    why: Text
    when: str = ""
    begins: datetime | None = None
    ends: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse a time that cannot be read, none, and two."""
        if bool(self.when) == (self.begins is not None) or (self.begins is None) != (self.ends is None):
            came = "there is neither" if not self.when and self.begins is None and self.ends is None else "there is not"
            raise Invalid("when", "either `when` (each week) or both `begins` and `ends` (once)", came)
        if self.when:
            _times("when", self.when)
        if self.begins is not None and self.ends is not None:
            if (self.begins.tzinfo is None) != (self.ends.tzinfo is None):
                raise Invalid("ends", "an offset in both `begins` and `ends`, or in neither", "one has one")
            if self.ends <= self.begins:
                raise Invalid("ends", "a time after `begins`", f"it is {self.ends.isoformat(sep=' ')}")

    def holds(self, at: datetime) -> bool:
        """Whether a moment, in the monitor's time zone, lies within."""
        if self.begins is None or self.ends is None:
            return TimesOfWeek.parse(self.when).hold(at)
        local = at if self.begins.tzinfo is not None else at.replace(tzinfo=None)
        return self.begins <= local < self.ends


# What stands for a value of an alert in the texts of a webhook's body.
ALERT_FIELDS = (
    "text",
    "environment",
    "url",
    "pattern",
    "level",
    "change",
    "measured",
    "threshold",
    "what_to_do",
    "time",
)
_ALERT_FIELD = re.compile(r"\{(\w+)\}")


class Webhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[monitor.webhook]: where alerts are posted. `url_env` and `secret_env` name environment variables.

    `body`: what is sent in place of the alert as JSON; `{text}` and the other `ALERT_FIELDS` stand for its values.
    """

    url_env: Variable
    secret_env: Variable
    body: dict[str, Any] = {}

    def __post_init__(self) -> None:
        """Refuse names of variables that are empty, and of values that an alert does not have."""
        for key in ("url_env", "secret_env"):
            if not getattr(self, key):
                raise Invalid(key, "the name of an environment variable", "it is empty")
        unknown = sorted(set(_ALERT_FIELD.findall(str(self.body))) - set(ALERT_FIELDS))
        if unknown:
            expected = f"only {', '.join(f'{{{name}}}' for name in ALERT_FIELDS)}"
            raise Invalid("body", expected, f"there is {{{unknown[0]}}}")


class MonitorSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[monitor]: how `greenlight monitor` watches this backend.

    `every_s` is the interval between the beginnings of rounds; `--every` replaces it. `timezone` is that of all times
    in this table, and of the days of the session folders. In `quiet_hours` rounds go on and alerts are kept, but
    notices wait until these hours are over. `webhook`: where notices go.
    """

    every_s: Interval = 60.0
    timezone: Text = "UTC"
    quiet_hours: tuple[Text, ...] = ()
    schedule: tuple[Schedule, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    webhook: Webhook | None = None

    def __post_init__(self) -> None:
        """Refuse a time zone that is unknown here, and times that cannot be read."""
        try:
            ZoneInfo(self.timezone)
        except (ValueError, OSError, LookupError):
            expected = 'the name of a time zone, such as "Europe/Berlin" or "UTC"'
            raise Invalid(
                "timezone", expected, f"{self.timezone!r} is none, or this machine does not know it"
            ) from None
        for index, text in enumerate(self.quiet_hours):
            _times(f"quiet_hours[{index}]", text)


def _times(key: str, text: str) -> None:
    """Raises Invalid for a text that does not say times of the week."""
    try:
        TimesOfWeek.parse(text)
    except ValueError:
        raise Invalid(key, EXPECTED, f"{text!r} came") from None
