"""One validation session: the target, its backend if the suite starts it, the loop thread and the evidence."""

import logging
import os
import platform
import ssl
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import msgspec

from greenlight_gate import __version__
from greenlight_gate.client.canary_factory import canary_of
from greenlight_gate.client.request import PastRequest
from greenlight_gate.evidence.output_folder import log_to, new_session_folder
from greenlight_gate.evidence.session_folder import (
    LOAD_FOLDER,
    LOG,
    UNBEGUN,
    VALIDATION_FOLDER,
    Evidence,
    JudgedRule,
    JudgedTarget,
)
from greenlight_gate.evidence.waived import day_of
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.probes.factory import listener_of
from greenlight_gate.probes.host_watch import HostWatch
from greenlight_gate.rules.engine.deadlines import Deadlines
from greenlight_gate.rules.registry import RULES, Rule
from greenlight_gate.session.command_backend import CommandProcess
from greenlight_gate.session.compatibility import check_profile_and_target, not_observable
from greenlight_gate.session.conditions import CONDITIONS
from greenlight_gate.session.embedded_backend import (
    MODEL_URL,
    BackendFailed,
    Running,
    StartedBackend,
    backend_variables,
    promises_before,
)
from greenlight_gate.session.jobs import jobs_for
from greenlight_gate.session.loop_thread import LoopThread, admit
from greenlight_gate.session.scripted_model import ScriptedModel
from greenlight_gate.session.session_observer import SessionObserver
from greenlight_gate.session.suite_cpu import SuiteLoad
from greenlight_gate.targets.access import Access, TargetFault, check_trust, ssl_context, wait_healthy
from greenlight_gate.targets.model import NEEDS, PROMPTS, Target
from greenlight_gate.targets.sections import Persona, SuiteSection
from greenlight_gate.targets.settings import HOST_LOAD_VARIABLE, Misconfigured, profile_text, target_and_notice
from greenlight_gate.transport.cookies import CookieJar
from greenlight_gate.verdict.load_verdict import Workload
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.promises import promising
from greenlight_gate.wire.spec import ProfileError

if TYPE_CHECKING:
    from greenlight_gate.client.recorder import Recorder
    from greenlight_gate.client.session import Session
    from greenlight_gate.services.local import LocalStack

S = TypeVar("S", bound="Session")
_START_S = 15.0
_FOREIGN_START_S = 5.0
_WARM_UP_S = 600.0
# Connections of one user whose ids are remembered.
_MOST_EARLIER = 64
_USUAL_SCALE = 25
# What a target may have beside `targets.model.NEEDS`: that a run goes on while its user has no connection; and what it
# takes to receive the rest of such a run.
RESUME_IN_RUN = "resume_in_run"
RUN_RESUMED = ("resume", RESUME_IN_RUN)
# That requests and answers go by HTTP, where reverse proxies act on each of them; and promises of a profile.
HTTP = "http"
_PROMISED = {
    "one_run_per_request": "does not promise one run for a request that is sent twice",
    "endpoint_needs_token": "does not promise that messages to the address of a channel need the token of its user",
    "unbuffered": "does not promise that answers tell proxies not to buffer them",
}
log = logging.getLogger("greenlight")


@dataclass(frozen=True)
class SessionPlan:
    """The options of a session. `wanted` are categories; `tags` a behave tag expression within them, or "".

    `thresholds` replace keys of the target's `[thresholds]`;
    `scale`: users in stress scenarios; `soak_s`: how long the memory is watched; `jobs`: scenarios side by side;
    `available`: how many scenarios each wanted category has; `repeat`: how often each scenario runs; `suite`: the
    folders of the target's own scenarios; `rules`: those by which scenarios are judged; `strict_waivers`: a stale
    waiver blocks; `observers`: who else listens, of this session alone.
    """

    environment: str = "embedded"
    wanted: tuple[str, ...] = ()
    tags: str = ""
    output_dir: Path = Path("websocket_validation_reports")
    defects: tuple[str, ...] = ()
    performance_threshold_ms: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    timeout_s: float | None = None
    scale: int = _USUAL_SCALE
    soak_s: float = 20.0
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    services_check: bool = True
    jobs: int = 1
    repeat: int = 1
    available: Mapping[str, int] = field(default_factory=dict)
    suite: SuiteSection = field(default_factory=SuiteSection)
    rules: Mapping[str, Rule] = field(default_factory=lambda: RULES)
    strict_waivers: bool = False
    observers: tuple[SessionObserver, ...] = ()


class MeasuredLoad(NamedTuple):
    """The result of a load, and the key of the scenario that ran it."""

    summary: LoadResult
    scenario: str


class ValidationSession:
    """Owns everything that lives as long as the session.

    `start` raises Misconfigured for mistakes in options or files and TargetFault for a target that answers wrongly.
    `stop` leaves no process and no thread behind, however far `start` came.
    """

    def __init__(self, plan: SessionPlan) -> None:
        self.plan = plan
        self.begun = False
        self.own_load: SuiteLoad
        self.loop = LoopThread()
        self.host = HostWatch()
        self.own_backend: StartedBackend | None = None
        # The scenarios with open connections: the running one and those that still wait for late messages.
        self.worlds: set[object] = set()
        # The requests of those that have ended beside one of them.
        self.past_requests: list[PastRequest] = []
        # Loads by label, and how often a user can send requests, once a scenario has measured it.
        self.measured: dict[str, MeasuredLoad] = {}
        self.pause_s: float | None = None
        self.stack: LocalStack | None = None
        self.model: ScriptedModel | None = None
        self.folder: Path
        self.evidence: Evidence
        self._canaries: dict[str, str] = {}
        self._jars: dict[tuple[str, str], CookieJar] = {}
        self._earlier: dict[tuple[str, str], deque[Mapping[str, Any]]] = {}
        # What was captured once for each user of a scenario, by name.
        self._kept_for_users: WeakKeyDictionary[Recorder, dict[tuple[str, str], dict[str, Any]]] = WeakKeyDictionary()
        self._log: logging.Handler | None = None
        self.tls: ssl.SSLContext | None = None
        self.target: Target
        self.caveats: tuple[str, ...] = ()
        # For users to read: a url that was replaced, and what the profile calls by a former name.
        self.notices: tuple[str, ...] = ()
        # What the target says of itself, once it is healthy.
        self.target_version = ""
        self.patience: Deadlines
        self.profile: Profile
        self.profile_toml = ""
        self.access: Access
        self._environ: dict[str, str] = {}

    def prepare(self) -> None:
        """Reads the target and its profile, and starts the loop thread and, if it is the suite's, the backend."""
        plan = self.plan
        environ = dict(plan.environ)
        target, replaced = target_and_notice(plan.environment, environ)
        if plan.performance_threshold_ms is not None:
            thresholds = msgspec.structs.replace(target.thresholds, latency_ms_avg=plan.performance_threshold_ms)
            target = msgspec.structs.replace(target, thresholds=thresholds)
        if plan.thresholds:
            thresholds = msgspec.structs.replace(target.thresholds, **plan.thresholds)
            target = msgspec.structs.replace(target, thresholds=thresholds)
        most = target.limits.max_connections
        if plan.scale > max(most, _USUAL_SCALE):
            raise Misconfigured(
                f"--scale {plan.scale}: {target.name} allows {most} connections (limits.max_connections)"
                f"{f'; {replaced}' if replaced else ''}"
            )
        if plan.defects and target.start not in ("embedded", "stack"):
            raise Misconfigured(
                f"--defect {plan.defects[0]}: works only where the suite starts the backend itself (--environment "
                f"embedded or local); start the external backend with `greenlight serve --defect {plan.defects[0]}`"
            )
        name, self.profile_toml = profile_text(target.profile, Path(plan.environment).parent)
        try:
            self.profile = Profile.from_toml(self.profile_toml)
        except ProfileError as error:
            raise Misconfigured(f"profile {name}: {error}") from error
        self.notices = tuple(f"profile {name}: {each}" for each in self.profile.spec.deprecated)
        self.notices = (replaced, *self.notices) if replaced else self.notices
        self._promise_what_defects_break(target)
        if plan.performance_threshold_ms is not None and plan.wanted and "performance" not in plan.wanted:
            self.notices += ("--performance-threshold: nothing is compared with it without the category performance",)
        target, expired = target.without_expired_gaps(day_of(time.time()))
        check_profile_and_target(self.profile, target)
        self.tls, self.caveats = ssl_context(target), (*target.caveats, *expired)
        self.patience = Deadlines(target.budgets)
        if target.start == "stack":
            from greenlight_gate.services.local import LocalStack  # noqa: PLC0415
            from greenlight_gate.session.stack_backend import StackBackend  # noqa: PLC0415

            self.stack = stack = LocalStack.ready(target, environ, plan.defects, check=plan.services_check)
            target = self.stack.located(target)
            environ |= self.stack.environ()
            self.own_backend = StackBackend(stack.runtime)
        self._environ, self.access = environ, Access(target, environ)
        self.loop.start()
        if target.model is not None:
            # Who names another model for the embedded backend has it answer all questions.
            named = environ.get(MODEL_URL, "") if target.start == "embedded" else ""
            self.model = ScriptedModel.of(target.model.script, named or target.model.url)
        self.target = self._start_backend(target, environ) if target.start in ("embedded", "command") else target
        # Signing out needs the port at which the backend came up.
        self.access.target = self.target

    def _promise_what_defects_break(self, target: Target) -> None:
        """Adds to the profile the promises without which the defects of the suite's backend would break nothing."""
        if not self.plan.defects:
            return
        promised = self.profile.promises
        missing = [name for name in promises_before(self.plan.defects) if not getattr(promised, name)]
        if not missing:
            return
        names = " and ".join(missing)
        if target.start == "stack":
            self.notices += (f"--defect: without {names} in the profile it breaks nothing; see it with embedded",)
            return
        self.profile_toml = promising(self.profile_toml, missing)
        self.profile = Profile.from_toml(self.profile_toml)
        self.notices += (f"--defect: it breaks what the profile promises with {names} = true, as it does in this run",)

    def start(self) -> None:
        """Prepares, waits until the target is healthy, and begins the session folder.

        The folder is also made if the target is at fault or the wait is interrupted, so that this can be judged; not
        for a mistake of the user.
        """
        self.prepare()
        try:
            self.loop.call(check_trust(self.target), _START_S * 2)
            if self.model is not None and self.target.model is not None and self.target.model.url:
                self.loop.call(self.model.check(), _START_S * 2)
            self.await_health()
        except Misconfigured:
            raise
        except BaseException:
            self.begin()
            raise
        self.begin()
        if self.target.warm_up_runs:
            self.loop.call(self.warm_up(), _WARM_UP_S)

    async def warm_up(self) -> None:
        """Sends the target's first prompt as often as its file says; nothing of it is judged or kept.

        Raises TargetFault where the target refuses the user, or closes the connection without an answer.
        """
        # Imported here, since a load does not need them.
        from greenlight_gate.client.endings import NotConnected  # noqa: PLC0415
        from greenlight_gate.client.recorder import Recorder  # noqa: PLC0415
        from greenlight_gate.client.session import Session  # noqa: PLC0415

        target, prompt = self.target, self.first_prompt
        persona = target.personas[0]
        canary = self.canary(persona)
        expect = target.expectation(prompt, canary)
        recorder = Recorder(
            "warm-up", None, self.profile, target.budgets, self.access.redact_bytes, watch=self.loop.watch
        )
        session = self.new_session(Session, persona.name, persona, recorder)
        try:
            await session.connect(await self.access.token_for(persona), self.tls)
            for _ in range(target.warm_up_runs):
                question = await session.ask(target.question(prompt, canary), expect)
                await session.wait_end(question)
                if not session.open and not question.has_end:
                    raise session.not_open()
        except NotConnected as error:
            admit(recorder.fault)
            raise TargetFault(f"{target.name}: warm-up: {error}") from error
        finally:
            await session.close()
        admit(recorder.fault)

    def renew_access(self) -> None:
        """Signs all users in anew, and forgets the tokens that were used so far: in days, many are."""
        self.access = Access(self.target, {**self._environ, **self.access.backend_environ()})

    def await_health(self) -> None:
        """Waits until the target reports that it is healthy, if it has a health check. Raises TargetFault."""
        if self.target.health:
            wait_s = _START_S if self.target.start != "none" else _FOREIGN_START_S
            self.target_version = self.loop.call(wait_healthy(self.target, wait_s), _START_S * 2).version

    def lacks(self, need: str) -> str | None:
        """Why `need` is not exercised: the target lacks it, or the profile has no way to do it; None when it is."""
        if need in CONDITIONS:
            return CONDITIONS[need](self.target, self.profile, self.access)
        if need in (RESUME_IN_RUN, HTTP) or need in _PROMISED:
            return self._lacks_by_nature(need)
        reason = self.target.lacks(need)
        if reason is None and need == "resume" and not self.profile.spec.can_resume:
            return f"the profile {self.profile.name} has neither [resume] nor [send.restore]"
        if reason is None and need in ("stop", "ping") and not self.profile.can_send(need):
            return f"the profile {self.profile.name} has no [send.{need}]"
        return reason

    def _lacks_by_nature(self, need: str) -> str | None:
        name, promises = self.profile.name, self.profile.promises
        if need == HTTP:
            return None if self.target.by_http else f"{self.target.name} is reached over a WebSocket"
        if need in _PROMISED:
            return None if getattr(promises, need) else f"{name} {_PROMISED[need]}"
        how = f"the profile {name} promises that a run ends with its connection (runs_end_with_connection)"
        return f"{how}: none is in progress when its user is back" if promises.runs_end_with_connection else None

    @property
    def jobs(self) -> int:
        """How many scenarios run in parallel."""
        return jobs_for(self.plan.jobs, self.target)

    @property
    def first_prompt(self) -> str:
        """The first prompt that the target supports."""
        return next(name for name in PROMPTS if self.target.lacks(name) is None)

    def new_session(
        self, kind: type[S], user: str, persona: Persona, recorder: "Recorder", *, before: "Session | None" = None
    ) -> S:
        """A connection to the target, still to be opened. `before`: the earlier one of the same tab."""
        key = (persona.name, persona.user)
        of_user = self._kept_for_users.setdefault(recorder, {}).setdefault(key, {})
        return kind(
            user, persona, self.target, profile=self.profile, recorder=recorder, before=before, patience=self.patience,
            of_user=of_user, jar=self._jars.setdefault(key, CookieJar()),
            earlier=self._earlier.setdefault(key, deque(maxlen=_MOST_EARLIER)),
        )  # fmt: skip

    def canary(self, persona: Persona) -> str:
        """The canary of one of the target's users, the same throughout the session."""
        return self._canaries.setdefault(persona.name, canary_of(persona.name))

    def begin(self, workload: Workload | None = None) -> None:
        """Makes the session folder and writes into it what will be judged. `workload`: that of a load session."""
        plan = self.plan
        self.folder = new_session_folder(plan.output_dir, VALIDATION_FOLDER if workload is None else LOAD_FOLDER)
        self.evidence = Evidence(self.folder)
        if workload is None:
            (plan.output_dir / UNBEGUN).unlink(missing_ok=True)
        self._log = log_to(self.folder / LOG)
        self.evidence.begin(self.judged_target(self.folder.name, time.time(), workload=workload))
        self.own_load = SuiteLoad(self.backend_pids)
        self.watch_host()
        self.begun = True

    def judged_target(
        self, session_id: str, now: float, *, workload: Workload | None = None, caveats: tuple[str, ...] = ()
    ) -> JudgedTarget:  # fmt: skip
        """What the evidence of a session that begins now (epoch seconds) says of what is judged."""
        plan, target = self.plan, self.target
        absent = {need: reason for need in NEEDS if (reason := self.lacks(need)) is not None}
        absent |= not_observable(self.profile, target)
        if not target.limits.allow_stress:
            absent["stress"] = f"{target.name} does not allow it (limits.allow_stress)"
        return JudgedTarget(
            session_id=session_id, started_epoch_s=now, environment=target.name,
            url=_without_query(target.url), profile_toml=self.profile_toml, budgets=target.budgets,
            clock=target.clock, wanted=plan.wanted, tags=plan.tags, absent=absent,
            accepted={need: str(reason) for need, reason in target.accepted_gaps.items()},
            thresholds=target.thresholds, versions=versions(),
            caveats=(*self.caveats, *caveats), jobs=self.jobs, workload=workload, available=dict(plan.available),
            weak=target.weak, target_version=self.target_version, repeat=plan.repeat,
            waivers=target.waiver, strict_waivers=plan.strict_waivers, environment_option=plan.environment,
            own_rules=tuple(
                JudgedRule(rule.id, rule.severity, rule.requirement, rule.source)
                for rule in plan.rules.values() if rule.check is not None
            ),
        )  # fmt: skip

    def _start_backend(self, target: Target, environ: Mapping[str, str]) -> Target:
        own = {**environ, **self.access.backend_environ()}
        if target.start == "command":
            own |= self._providers()
            folder = Path(self.plan.environment).parent
            self.own_backend = StartedBackend(lambda _: CommandProcess.start(target.command, own, folder))
        else:
            own = backend_variables(target, self.profile.promises, self.model, own)
            self.own_backend = StartedBackend.embedded(self.plan.defects, own)
        try:
            self.own_backend.start()
            if target.start == "embedded":
                return target.at(_at_port_of(target.url, self.own_backend.url))
            self.loop.call(self.own_backend.wait_until_up(target), _START_S * 2)
        except BackendFailed as error:
            raise Misconfigured(f"{target.name}: {error}") from error
        return target

    def _providers(self) -> dict[str, str]:
        """Where a command finds the scripted model, in the variables of the providers' clients."""
        if self.model is None:
            return {}
        return {"OPENAI_BASE_URL": self.model.url, "ANTHROPIC_BASE_URL": self.model.url.removesuffix("/v1")}

    @property
    def backend(self) -> Running | None:
        """The process of the backend, if the suite has started it."""
        return self.own_backend.process if self.own_backend is not None else None

    def backend_pids(self) -> tuple[int, ...]:
        """The processes of the backend, if the suite has started it; those of other targets are unknown."""
        return self.own_backend.pids if self.own_backend is not None else ()

    @property
    def lasting_url(self) -> str:
        """The url by which a later session knows the same backend again; "" where the suite has chosen the port."""
        return "" if self.target.start in ("embedded", "stack") else _without_query(self.target.url)

    def watch_host(self) -> None:
        """Watches whether others use this machine: all but the suite, what it starts, and a target on this machine."""
        if self.plan.environ.get(HOST_LOAD_VARIABLE) == "ignore":
            return
        target = self.target
        is_neighbour = target.start == "none" and target.is_loopback
        self.host.start(os.getpid(), (lambda: listener_of(target)) if is_neighbour else None)

    def narrow_to(self, categories: tuple[str, ...]) -> None:
        """Only these categories have scenarios that were selected: the others are not exercised."""
        self.plan = replace(self.plan, wanted=categories)

    def stop(self) -> None:
        """Ends everything that was started."""
        self.host.stop()
        self.loop.stop()
        if self.own_backend is not None:
            self.own_backend.tear_down()
        if self.stack is not None:
            self.stack.stop()
        if self.model is not None:
            self.model.stop()
        if self._log is not None:
            log.removeHandler(self._log)
            self._log.close()


def versions() -> dict[str, str]:
    """The versions of the suite and its tools, for the report and for Allure."""
    return {"greenlight": __version__, "python": platform.python_version(), "platform": platform.system().lower()}


def selected_categories(keys: Sequence[str]) -> tuple[str, ...]:
    """The categories of scenario keys ("functional/answers.feature:12"), each once, in order."""
    return tuple(dict.fromkeys(key.partition("/")[0] for key in keys))


def _at_port_of(url: str, started: str) -> str:
    """The url with the host and port at which the backend has come up."""
    return urlsplit(url)._replace(netloc=urlsplit(started).netloc).geturl()


def _without_query(url: str) -> str:
    return url.partition("?")[0]
