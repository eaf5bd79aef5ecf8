"""A test bench: one backend whose defects are set from outside, and sessions that judge it as an unknown target."""
# mypy: allow-untyped-calls
# behave ships types only of what steps need.

import contextlib
import io
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx2
import msgspec
from behave.configuration import Configuration
from behave.model import ScenarioOutline
from behave.runner import the_step_registry
from rich.console import Console

from greenlight_gate.assurance.assertions import TracingStepRegistry, assertions, ids_at
from greenlight_gate.assurance.scenarios import ScenarioPlace, scenarios
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.bdd.runner.progress import RunProgress
from greenlight_gate.bdd.runner.suite_runner import SuiteRunner
from greenlight_gate.evidence.judge import Judgement, judge
from greenlight_gate.rules.registry import RULES, Rule
from greenlight_gate.session.scripted_model import ScriptedModel
from greenlight_gate.session.validation_session import SessionPlan
from greenlight_gate.targets import settings
from greenlight_gate.targets.settings import HOST_LOAD_VARIABLE, suite_root
from greenlight_gate.wire.promises import promising

_ADMIN = "GREENLIGHT_ASSURANCE_ADMIN"
_SECRET = "CHAT_JWT_SECRET"  # noqa: S105 -- the variable's name
# So that dead connections and a silent model are noticed while a scenario can wait for it.
_ENVIRON = {"CHAT_HEARTBEAT_S": "3", "CHAT_MODEL_ANSWERS": "unknown", "CHAT_MODEL_SILENCE_S": "0.5"}
# One second for each wait, so that missing events are detected soon.
BUDGETS = {
    "handshake_s": 1.0, "start_s": 1.0, "silence_s": 1.0, "tool_s": 2.0, "run_s": 10.0, "ping_s": 1.0,
    "refusal_s": 1.0, "half_open_s": 10.0, "stop_s": 1.0, "tool_end_s": 1.0,
}  # fmt: skip
# Two replicas and their services share the machine with the suite.
_STACK_BUDGETS = "start_s = 3\nsilence_s = 2\ntool_s = 3\nrun_s = 10\n"
_OWN_BUDGETS = "start_s = 1\nsilence_s = 1\ntool_s = 2\nrun_s = 10\nstop_s = 1\n"
_TARGET = """
name = "their backend"
url = "{url}"
profile = "{profile}"
clock = "same-host"
prompts = "{prompts}"
mark = "My reference: {{canary}}."
[auth]
obtain = "mint"
send = "{send}"
secret_env = "CHAT_JWT_SECRET"
audience = "chat"
[capabilities]
early_stop = true
ping = {ping}
[limits]
max_connections = 20000
allow_stress = true
[probe]
metrics = "/metrics"
connections_gauge = "chat_connections_open"
runs_gauge = "chat_runs_open"
[model]
script = "{script}"
url = "{model_url}"
[budgets]
token_leeway_s = 0
{budgets}
"""
_SCRIPT = "reference"
_SOAK_S = 8.0
_SWITCH_S = 10.0


class BenchResult(msgspec.Struct, frozen=True):
    """The result of one session. `rules` in the order of their first finding; `broken` are criteria that failed.

    `outcomes` by scenario name; `faults` are faults of the suite itself; `inconclusive` criteria that lack evidence.
    `took_s`: from the first step to the verdict. `steps` are the functions of steps that ran, `assertions` those that
    failed.
    """

    verdict: str
    reason: str
    rules: tuple[str, ...]
    criteria: tuple[str, ...]
    inconclusive: tuple[str, ...]
    outcomes: dict[str, str]
    faults: tuple[str, ...]
    took_s: float
    steps: tuple[str, ...] = ()
    assertions: tuple[str, ...] = ()

    @property
    def objections(self) -> tuple[str, ...]:
        """The rules with findings and the criteria that are not met."""
        return (*self.rules, *self.criteria)


class Bench:
    """Serves a backend like that of another team, and judges it. On exit, everything is stopped."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="greenlight-assurance-"))
        self.root = suite_root()
        # Other sessions run at the same time, which make this machine busy.
        self._environ = {
            **os.environ, _SECRET: secrets.token_hex(32), _ADMIN: secrets.token_hex(32), HOST_LOAD_VARIABLE: "ignore"
        }  # fmt: skip
        self._environ.pop("WEBSOCKET_TEST_URL", None)
        self._backend: BackendProcess | None = None
        self._model: ScriptedModel | None = None

    def __enter__(self) -> "Bench":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the backend and forget the sessions."""
        if self._backend is not None:
            self._backend.stop()
        if self._model is not None:
            self._model.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def model(self) -> ScriptedModel:
        """The model that the backend asks; it is started on first use."""
        if self._model is None:
            self._model = ScriptedModel.of(_SCRIPT, "")
        return self._model

    @property
    def backend(self) -> BackendProcess:
        """The backend; it is started on first use, and again after a defect has ended it."""
        if self._backend is None or not self._backend.alive:
            env = {**self._environ, **_ENVIRON, "CHAT_MODEL_URL": self.model.url}
            self._backend = BackendProcess.start(env=env, admin_token_env=_ADMIN)
        return self._backend

    def give(self, *defects: str) -> None:
        """Replace the backend's defects. Raises httpx2.HTTPError if it refuses."""
        answer = httpx2.put(
            f"{self.backend.http_url}/admin/defects", json={"defects": defects}, timeout=_SWITCH_S,
            headers={"Authorization": f"Bearer {self._environ[_ADMIN]}"},
        )  # fmt: skip
        answer.raise_for_status()

    def take_steps(self, steps: Path | None) -> None:
        """Use other steps from now on; None: the suite's own."""
        root = suite_root() if steps is None else steps.parent
        if root == self.root:
            return
        self.root = root
        # behave stores steps per process, and treats the same step from another file as a different one.
        the_step_registry.clear()
        if steps is not None:
            with contextlib.suppress(FileExistsError):
                (self.root / "features").symlink_to(suite_root() / "features")

    def fresh(self) -> None:
        """Start a new backend for the next session, so that measurements are not affected by earlier ones."""
        if self._backend is not None:
            self._backend.stop()

    def judge(
        self, names: Sequence[str], budgets: Mapping[str, float] | None = None, *, prompts: str = "reference",
        send: str = "bearer", soak_s: float = _SOAK_S, transport: str = "websocket",
        rules: Mapping[str, Rule] = RULES,
    ) -> BenchResult:  # fmt: skip
        """Run these scenarios against the backend, and judge the session. Raises KeyError for unknown names.

        `prompts`: the name of a set, or the text of one. `send`: how tokens are sent. `transport`: over which its
        chat is judged. `rules`: those that are checked.
        """
        known = scenarios(self.root / "features")
        places = [known[name] for name in names]
        lines = [f"{name} = {value}" for name, value in {**BUDGETS, **(budgets or {})}.items()]
        if "\n" in prompts:
            (self.folder / "prompts.toml").write_text(prompts, encoding="utf-8")
            prompts = "prompts.toml"
        target = self.folder / "theirs.toml"
        target.write_text(
            _TARGET.format(
                url=self.backend.url if transport == "websocket" else self.backend.http_url,
                budgets="\n".join(lines),
                prompts=prompts,
                send=send,
                script=_SCRIPT,
                model_url=self.model.url,
                profile=_named("agent-events", transport),
                ping=str(transport != "sse").lower(),
            ),
            encoding="utf-8",
        )
        return self._session(str(target), places, self._environ, (), soak_s, rules=rules)

    def judge_started(
        self, names: Sequence[str], defects: Sequence[str], services: str = "", *, promise: str = "",
        transport: str = "websocket", rules: Mapping[str, Rule] = RULES,
    ) -> BenchResult:  # fmt: skip
        """The same for a backend that the suite starts itself, with these defects, and may end.

        With a folder for `services` it is a whole stack, which is stopped after the session. `promise`: one more that
        the profile makes. `transport`: over which its chat is judged.
        """
        known = scenarios(self.root / "features")
        own = _named("embedded", transport)
        kind, budgets = ("local", _STACK_BUDGETS) if services else (own, _OWN_BUDGETS)
        text = (Path(settings.__file__).parent / f"{kind}.toml").read_text("utf-8")
        text = text if "[budgets]\n" in text else f"{text}\n[budgets]\n"
        if promise:
            name = _named("agent-events", transport)
            profile = settings.profile_text(name, self.folder)[1]
            (self.folder / "promising.toml").write_text(promising(profile, [promise]), encoding="utf-8")
            text = text.replace(f'profile = "{name}"', 'profile = "promising.toml"')
        target = self.folder / f"{kind}.toml"
        target.write_text(text.replace("[budgets]\n", f"[budgets]\n{budgets}"), encoding="utf-8")
        environ = {**self._environ, **({"GREENLIGHT_SERVICES_DIR": services} if services else {})}
        return self._session(
            str(target), [known[name] for name in names], environ, tuple(defects), _SOAK_S, rules=rules
        )

    def _session(
        self, environment: str, places: Sequence[ScenarioPlace], environ: Mapping[str, str], defects: tuple[str, ...],
        soak_s: float, *, rules: Mapping[str, Rule] = RULES,
    ) -> BenchResult:  # fmt: skip
        plan = SessionPlan(
            environment=environment, wanted=tuple(dict.fromkeys(place.category for place in places)),
            output_dir=self.folder / "sessions", environ=environ, defects=defects, soak_s=soak_s,
            tags="@assurance", rules=rules,
        )  # fmt: skip
        began = time.monotonic()
        noted = TracingStepRegistry(the_step_registry)
        progress = RunProgress(Console(file=io.StringIO()), quiet=True)
        runner = SuiteRunner(self._configuration(places), plan, progress, steps=noted)
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(io.StringIO()):
            runner.run()
        if runner.misconfigured or runner.interrupted or runner.suite is None:
            raise RuntimeError(f"the session did not take place: {runner.misconfigured or runner.interrupted}")
        folder = self.folder / runner.suite.folder
        judgement = judge(folder, rules)
        took_s = time.monotonic() - began
        shutil.rmtree(folder)
        ids = ids_at(noted.objections, assertions(suite_root() / "steps"))
        return _summed_up(judgement, took_s, tuple(dict.fromkeys(noted.functions)), ids)

    def _configuration(self, places: Sequence[ScenarioPlace]) -> Any:
        paths = [f"{self.root / 'features' / place.path}:{place.line}" for place in places]
        configuration = Configuration(["-f", "null", "--no-summary", "--no-color", *paths], load_config=False)
        # As in `greenlight run`: the rows of an outline have names of their own.
        ScenarioOutline.annotation_schema = "{name}"
        return configuration


def _named(name: str, transport: str) -> str:
    """The name of the target or the profile for a transport."""
    return name if transport == "websocket" else f"{name}-{transport}"


def _summed_up(judgement: Judgement, took_s: float, steps: tuple[str, ...], objected: tuple[str, ...]) -> BenchResult:
    by_status: dict[str, list[str]] = {"failed": [], "inconclusive": [], "passed": []}
    for criterion in judgement.decision.criteria:
        by_status[criterion.status].append(criterion.id)
    faults = [f"'{each.name}': {each.reason}" for each in judgement.scenarios if each.outcome in ("broken", "not_run")]
    return BenchResult(
        verdict=str(judgement.decision.verdict), reason=judgement.decision.reason,
        rules=tuple(dict.fromkeys(each.finding.rule for each in judgement.findings)),
        criteria=tuple(by_status["failed"]), inconclusive=tuple(by_status["inconclusive"]),
        outcomes={each.name: str(each.outcome) for each in judgement.scenarios}, faults=tuple(faults), took_s=took_s,
        steps=steps, assertions=objected,
    )  # fmt: skip
