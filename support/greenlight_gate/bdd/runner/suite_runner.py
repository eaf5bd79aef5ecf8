"""The behave runner of the suite, for `greenlight run` and for `behave` from the root."""
# mypy: allow-untyped-calls
# behave ships types only of what steps need.

import contextlib
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from behave.configuration import Configuration
from behave.formatter.base import StreamOpener
from behave.model import Scenario
from behave.parser import parse_file
from behave.runner import Runner, the_step_registry

from greenlight_gate.bdd import parameters
from greenlight_gate.bdd.runner.allure_formatter import AllureFormatter
from greenlight_gate.bdd.runner.allure_outcome import scenario_key
from greenlight_gate.bdd.runner.hooks import Hooks
from greenlight_gate.bdd.runner.own_suite import load_own_steps, mark_own, own_place, scenarios_of
from greenlight_gate.bdd.runner.parallel import in_turn
from greenlight_gate.bdd.runner.progress import RunProgress
from greenlight_gate.bdd.runner.repeats import repeat_of, repeated
from greenlight_gate.bdd.runner.results_folder import claimed
from greenlight_gate.bdd.runner.selection import EVERYTHING, Selection
from greenlight_gate.bdd.runner.step_registry import CheckedStepRegistry
from greenlight_gate.evidence.session_folder import Ended, Selected, without_session
from greenlight_gate.interpreter import optimised, prepare_streams
from greenlight_gate.own_rules import UnusableRule, all_rules
from greenlight_gate.report.allure_results import clear_results, write_categories, write_environment, write_executor
from greenlight_gate.session.interruption import Interruption, interruptible
from greenlight_gate.session.live_alerts import alerting
from greenlight_gate.session.validation_session import SessionPlan, ValidationSession, selected_categories
from greenlight_gate.targets.access import TargetFault
from greenlight_gate.targets.sections import SuiteSection
from greenlight_gate.targets.settings import Misconfigured, suite_root

ALLURE_RESULTS = Path("allure-results")
log = logging.getLogger("greenlight")


class SuiteRunner(Runner):
    """Runs the selected scenarios against one target and leaves a session folder that can be judged.

    `plan` and `progress` come from `greenlight run`; behave alone takes them from its own options: `-D
    environment=...`, `-D output_dir=...`, `-D defect=...`. `steps` is the registry of steps, if not behave's own;
    `selection` narrows what runs further than options of behave do;
    `before_end` is called with the session folder before its evidence is closed. After `run`, `suite` is the session
    (None if it never began), `misconfigured` the user's mistake if there was one, and `interrupted` why the run ended
    early, if it did.
    """

    def __init__(
        self, config: Configuration, plan: SessionPlan | None = None, progress: RunProgress | None = None, *,
        steps: Any = None, selection: Selection = EVERYTHING, before_end: Callable[[Path], None] = lambda _: None,
    ) -> None:  # fmt: skip
        prepare_streams()
        super().__init__(config)
        self.plan = plan
        self.progress = progress
        self.suite: ValidationSession | None = None
        self.misconfigured = ""
        self.mistake: Misconfigured | None = None
        self.interrupted = ""
        self.results_dir = ALLURE_RESULTS
        self._held = contextlib.ExitStack()
        self.step_registry: Any = steps
        self._selection = selection
        self._before_end = before_end
        self._own = plan.suite if plan is not None else SuiteSection()
        self._output_dir = plan.output_dir if plan is not None else _output_dir_of(config)
        if not (config.dry_run or config.steps_catalog):
            self._without_session("it was ended, or failed, before its session began")

    def _without_session(self, why: str) -> None:
        if self.suite is None:
            without_session(self._output_dir, why)

    def run(self) -> bool:
        """Runs all; what ends it before a session was made is left in words for `greenlight verdict`."""
        try:
            failed = bool(super().run())
        except Misconfigured as error:
            self._mistaken(error)
            failed = True
        except Exception as error:
            self._without_session(f"{type(error).__name__}: {error}")
            raise
        if self.misconfigured:
            self._without_session(self.misconfigured)
        return failed

    def _mistaken(self, error: Misconfigured | UnusableRule) -> None:
        self.misconfigured = str(error)
        self.mistake = error if isinstance(error, Misconfigured) else Misconfigured(str(error))
        if self.plan is None:
            print(f"greenlight: {error}", file=sys.stderr)

    def setup_paths(self) -> None:
        """Finds the folder of steps: that of the suite where features of the team's own may be the first ones."""
        if self._own.features and self.plan is not None:
            self.base_dir = self.config.base_dir = str(suite_root())
            self.path_manager.add(self.base_dir)
        else:
            super().setup_paths()

    def load_step_definitions(self, extra_step_paths: Any = None) -> None:
        """Loads all steps. Raises Misconfigured for mistakes in the steps and features of the team's own."""
        scenarios_of(self._own)  # behave itself would take what cannot be read for a fault of its own
        super().load_step_definitions(extra_step_paths)
        if self._own.steps:
            load_own_steps(the_step_registry, Path(self._own.steps))

    def load_hooks(self, filename: str | None = None) -> None:
        """Registers the parameter types; the hooks belong to a session, and are set when it begins."""
        parameters.register()

    def run_model(self, features: Any = None) -> bool:
        """Runs the session. Returns True if it failed, or if nothing was selected."""
        if wrong := optimised():
            self.misconfigured = wrong
            print(f"greenlight: {wrong}", file=sys.stderr)
            return True
        collected: list[Any] = [*self.features]  # type: ignore[has-type]
        mark_own(collected, self._own)
        selected = self._to_run(collected)
        judging = [scenario for scenario in selected if not _judges_the_suite(scenario)]
        if selected and not judging:
            self.misconfigured = (
                "features/assurance tests the suite and no target: run `python -m greenlight_gate.assurance`"
            )
            print(f"greenlight: {self.misconfigured}", file=sys.stderr)
            return True
        self.features = [feature for feature in collected if not _judges_the_suite(feature)]
        selected = self._selection.leave_out(judging)
        keys = [scenario_key(scenario) for scenario in selected]
        available = _available(collected, selected_categories(keys)) | scenarios_of(self._own)
        try:
            plan = self.plan or _plan_of(self.config, keys)
        except (Misconfigured, UnusableRule) as error:
            self._mistaken(error)
            return True
        suite = ValidationSession(replace(plan, available=available))
        try:
            _assert_unique(selected)
            if self.plan is not None:
                # behave alone runs features in the order of its arguments.
                all_times = repeated(self.features, plan.repeat)
                selected = self._to_run(all_times)
                self.features = in_turn(all_times)
            with interruptible(plan.timeout_s) as interruption:
                try:
                    return self._until_its_end(plan, suite, selected, interruption)
                finally:
                    # A second signal must not keep the suite from ending what it has started.
                    with interruption.held():
                        self._held.close()
                        suite.stop()
        except Misconfigured as error:
            self._mistaken(error)
            return True

    _fault = ""
    _unjudged = ""
    _hooks: Hooks | None = None
    _allure: AllureFormatter | None = None

    def _until_its_end(
        self, plan: SessionPlan, suite: ValidationSession, selected: list[Scenario], interruption: Interruption
    ) -> bool:
        """Runs the session as far as it comes, and closes its evidence."""
        try:
            return self._as_far_as_it_comes(plan, suite, selected, interruption)
        finally:
            self.interrupted = interruption.reason
            self.suite = suite if suite.begun else None
            try:
                with interruption.held():
                    self._ended()
            except OSError as error:
                self._unwritable(plan, suite, error)

    def _as_far_as_it_comes(
        self, plan: SessionPlan, suite: ValidationSession, selected: list[Scenario], interruption: Interruption
    ) -> bool:
        """Runs the session. The ledger says what ended it early, and the findings until then are judged."""
        try:
            return self._session(suite, selected, interruption)
        except KeyboardInterrupt:
            return True
        except OSError as error:
            self._unwritable(plan, suite, error)
            return True
        except Misconfigured:
            raise
        except Exception as error:
            if not suite.begun:
                raise
            self._fault = f"{type(error).__name__}: {error}"
            log.exception("the suite itself failed")
            return True

    def _session(self, suite: ValidationSession, selected: list[Scenario], interruption: Interruption) -> bool:
        if (suite.plan.tags or self._selection.is_narrow) and selected:
            suite.narrow_to(selected_categories([scenario_key(scenario) for scenario in selected]))
        progress = self.progress or RunProgress.silent()
        progress.starting(suite.plan.environment)
        try:
            suite.start()
        except TargetFault as error:
            self._unjudged = str(error)
            progress.failed(f"the target cannot be judged: {error}")
            return True
        finally:
            if suite.begun:
                self._claim_results(suite)
            for warning in (*suite.caveats, *suite.notices):
                progress.warn(warning)
        for scenario in selected:
            suite.evidence.append(_selected(scenario))
        if not selected:
            progress.failed("no scenario was selected: nothing can be judged")
            return True
        progress.running(suite.target.name, suite.target.url, len(selected), suite.jobs)
        ordered = self._to_run(self.features)
        self._held.enter_context(alerting(suite, progress.alert))
        self._allure = AllureFormatter(StreamOpener(filename=str(self.results_dir)), self.config)
        self._allure.results.hold()
        self.formatters.append(self._allure)
        hooks = self._hooks = Hooks(suite, ordered, self, self._allure.results, progress, interruption=interruption)
        self._allure.when = hooks.parallel.when
        self.hooks = {
            "before_all": hooks.before_all,
            "before_scenario": hooks.before_scenario,
            "after_scenario": hooks.after_scenario,
            "after_all": hooks.after_all,
        }
        # The runner's own reference: behave replaces behave.step_registry when it resets itself.
        self.step_registry = CheckedStepRegistry(self.step_registry or the_step_registry)
        try:
            failed = super().run_model(self.features)
        finally:
            # Where `after_all` was interrupted.
            hooks.parallel.close()
            hooks.settle(wait=True)
        return failed or hooks.failed

    def _to_run(self, features: Sequence[Any]) -> list[Scenario]:
        return [each for feature in features for each in feature.walk_scenarios() if each.should_run(self.config)]

    def _claim_results(self, suite: ValidationSession) -> None:
        """Prepares the Allure results of this session, also if no scenario will run."""
        self.results_dir = self._held.enter_context(claimed(ALLURE_RESULTS, suite.folder / ALLURE_RESULTS))
        clear_results(self.results_dir)
        facts = suite.evidence.session()
        shown = {"session": facts.session_id, "environment": facts.environment, "url": facts.url, **facts.versions}
        write_environment(self.results_dir, shown)

    def _unwritable(self, plan: SessionPlan, suite: ValidationSession, error: OSError) -> None:
        """Handles a failed write: without a last line the session is INCONCLUSIVE."""
        self._fault = f"the evidence cannot be written ({error.strerror or error})"
        log.error("%s", self._fault)
        if not suite.begun:
            raise Misconfigured(f"--output-dir {plan.output_dir}: {self._fault}") from error
        (self.progress or RunProgress.silent()).failed(self._fault)

    def _ended(self) -> None:
        """Closes the evidence, and writes Allure's environment and categories."""
        suite = self.suite
        if suite is None:
            return
        keys: tuple[str, ...] = ()
        if self._allure is not None:
            files = [self.results_dir / name for name in self._allure.files_written]
            keys = tuple(str(json.loads(file.read_bytes())["fullName"]) for file in files)
            write_categories(self.results_dir)
            write_executor(self.results_dir, suite.plan.environ)
        self._before_end(suite.folder)
        suite.evidence.measured(suite.own_load.so_far())
        suite.evidence.end(Ended(time.time(), self.interrupted, self._fault, keys, unjudged=self._unjudged))


def _output_dir_of(config: Configuration) -> Path:
    data: Any = config.userdata
    return Path(str(data.get("output_dir", "websocket_validation_reports")))


def _available(features: list[Any], categories: Sequence[str]) -> dict[str, int]:
    """How many scenarios these categories have in their folders, whatever was selected of them."""
    folders = {Path(feature.filename).parent for feature in features if own_place(feature) is None}
    return {
        folder.name: sum(
            len(feature.walk_scenarios()) for path in sorted(folder.glob("*.feature"))
            if (feature := parse_file(str(path))) is not None
        )
        for folder in sorted(folders) if folder.name in categories
    }  # fmt: skip


def _judges_the_suite(part: Any) -> bool:
    if isinstance(part, Scenario):
        part = part.feature
    return own_place(part) is None and Path(part.filename).parent.name == "assurance"


def _selected(scenario: Scenario) -> Selected:
    key = scenario_key(scenario)
    feature: Any = scenario.feature
    rule = scenario.parent if scenario.parent is not feature else None
    category, said = key.partition("/")[0], rule.name if rule is not None else ""
    return Selected(key, scenario.name, category, feature.name, said, repeat_of(scenario))


def _assert_unique(scenarios: list[Scenario]) -> None:
    """Raises Misconfigured for scenarios of the same name, which neither a report nor a waiver could tell apart."""
    names = Counter(scenario.name for scenario in scenarios)
    for name, count in names.items():
        if count > 1:
            files = dict.fromkeys(scenario.filename for scenario in scenarios if scenario.name == name)
            raise Misconfigured(
                f"{' and '.join(files)}: {count} scenarios are named {name!r}; give each a name of its own"
            )


def _plan_of(config: Configuration, keys: list[str]) -> SessionPlan:
    data: Any = config.userdata
    defects = tuple(name for name in str(data.get("defect", "")).split(",") if name)
    return SessionPlan(
        environment=str(data.get("environment", "embedded")),
        wanted=selected_categories(keys),
        tags=str(config.tag_expression or "") if config.tags else "",
        output_dir=_output_dir_of(config),
        defects=defects,
        scale=int(_number(data, "scale", 25)),
        soak_s=_number(data, "soak", 20),
        rules=all_rules(),
    )


def _number(data: Any, name: str, otherwise: float) -> float:
    try:
        value = float(data.get(name, otherwise))
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise Misconfigured(f"-D {name}={data.get(name)}: expected a number greater than 0")
    return value
