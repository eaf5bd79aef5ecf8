"""The Allure formatter: allure-behave's, with its faults corrected.

As shipped it loses scenarios under a Rule, shows a broken hook as skipped or passed, lets a skipped scenario's steps
leak into the next, fails on a lone surrogate, and merges scenarios of one name as retries. Here every scenario that was
selected and reached leaves exactly one `*-result.json`, whose `fullName` is its `scenario_key`.
"""
# mypy: allow-untyped-calls
# Neither behave nor allure-behave ships types.

from collections.abc import Callable
from typing import Any

import allure_commons
from allure_behave.formatter import AllureFormatter as StockFormatter
from allure_behave.listener import AllureListener, GroupContext
from allure_behave.utils import is_planned_scenario, scenario_links, scenario_parameters
from allure_commons import hookimpl
from allure_commons.mapping import labels_set
from allure_commons.model2 import ExecutableItem, Label, Status, StatusDetails, TestResult
from allure_commons.model2 import Parameter as ResultParameter
from allure_commons.reporter import AllureReporter
from allure_commons.utils import get_testplan, now, uuid4
from behave.configuration import Configuration
from behave.model import Feature, Scenario, Step

from greenlight_gate.bdd.runner.allure_outcome import (
    hook_fault,
    identities_of,
    labels_of,
    outcome_of,
    place_of,
    rule_of,
    scenario_key,
    step_outcome,
)
from greenlight_gate.bdd.runner.repeats import repeat_of
from greenlight_gate.report.allure_results import AllureResults

# When a scenario or step ran in a thread, from and to (epoch seconds); None if behave's own thread ran it.
When = Callable[[Scenario | Step], tuple[float, float] | None]


class _Items(dict[str, Any]):
    """The open items of one run. The original store belongs to the process and to each thread, and outlives the run."""

    def cleanup(self) -> None:
        """Does nothing: no state is kept per thread."""


class _Reporter(AllureReporter):
    _items: Any

    def __init__(self) -> None:
        super().__init__()
        self._items = _Items()

    def idle(self) -> bool:
        """Whether no item is open that an attachment could belong to."""
        return self._last_executable() is None

    def _last_executable(self) -> str | None:
        # A snapshot, since another thread may attach while a step starts or ends.
        newest_first = reversed(list(self._items.items()))
        return next((uuid for uuid, item in newest_first if isinstance(item, ExecutableItem)), None)

    def unwind(self, keep: str) -> None:
        """Drop the steps that an interruption left open, so that nothing later is attached to them."""
        for uuid in [each for each, item in self._items.items() if isinstance(item, ExecutableItem) and each != keep]:
            self._items.pop(uuid)


class _Listener(AllureListener):
    logger: Any

    def __init__(self, config: Configuration) -> None:
        super().__init__(config)
        self.group_context.exit()
        self.logger = _Reporter()
        self.group_context = GroupContext(self.logger)
        self.group_context.enter()
        self.when: When = lambda _: None
        self.identities: dict[int, str] = {}
        self.waiting: dict[int, Scenario] = {}
        self.started: set[int] = set()

    def has_run(self, container: Any) -> bool:
        """Whether any scenario of this feature or rule was started."""
        return any(id(each) in self.started for each in container.walk_scenarios())

    def start_scenario(self, scenario: Scenario) -> None:
        self.steps.clear()
        self.waiting.pop(id(scenario), None)
        self.group_context.enter()
        self.current_scenario_uuid = uuid4()
        rule, identity = rule_of(scenario), self.identities[id(scenario)]
        feature: Any = scenario.feature
        places = [*place_of(scenario)[:-1], feature.name or feature.keyword]
        result = TestResult(
            uuid=self.current_scenario_uuid,
            start=now(),
            name=_name_of(scenario),
            fullName=scenario_key(scenario),
            # Allure 3 computes the history from testCaseId and the parameters, and ignores historyId.
            historyId=identity,
            testCaseId=identity,
            titlePath=[*places, rule.name] if rule else places,
            description="\n".join(scenario.description),
            parameters=scenario_parameters(scenario) or [],
            labels=labels_of(scenario),
            links=list(scenario_links(scenario, self.issue_pattern, self.link_pattern)),
        )
        self.logger.schedule_test(self.current_scenario_uuid, result)

    @hookimpl
    def start_test(self, parent_uuid: Any, uuid: Any, name: Any, parameters: Any, context: Any) -> None:
        self.started.add(id(context["scenario"]))
        self.start_scenario(context["scenario"])

    @hookimpl
    def stop_test(  # noqa: PLR0917  (the hook's own signature)
        self, parent_uuid: Any, uuid: Any, name: Any, context: Any, exc_type: Any, exc_val: Any, exc_tb: Any
    ) -> None:
        self.stop_scenario(context["scenario"], exc_val)

    def stop_scenario(self, scenario: Scenario, error: BaseException | None = None) -> None:
        uuid = self.current_scenario_uuid
        self.logger.unwind(keep=uuid)
        self.flush_steps()
        result = self.logger.get_test(uuid)
        ran = self.when(scenario)
        result.start, result.stop = (_ms(ran[0]), _ms(ran[1])) if ran is not None else (result.start, now())
        result.status, result.statusDetails = outcome_of(scenario, error)
        self.group_context.append_test(uuid)
        self.logger.close_test(uuid)
        self.group_context.exit()
        self.current_step_uuid = self.current_scenario_uuid = None

    def report_unrun(self, scenario: Scenario, details: StatusDetails) -> None:
        self.start_scenario(scenario)
        result = self.logger.get_test(self.current_scenario_uuid)
        result.stop, result.status, result.statusDetails = result.start, Status.BROKEN, details
        self.logger.close_test(self.current_scenario_uuid)
        self.group_context.exit()
        self.current_scenario_uuid = None

    def stop_behave_step(self, result: Step) -> None:
        status, details = step_outcome(result)
        ran = self.when(result)
        times = {"stop": now()} if ran is None else {"start": _ms(ran[0]), "stop": _ms(ran[1])}
        self.logger.stop_step(self.current_step_uuid, **times, status=status, statusDetails=details)

    @hookimpl
    def attach_data(self, body: Any, name: Any, attachment_type: Any, extension: Any) -> None:
        attach = self.logger.global_attach_data if self.logger.idle() else self.logger.attach_data
        attach(uuid4(), body, name=name, attachment_type=attachment_type, extension=extension)

    @hookimpl
    def attach_file(self, source: Any, name: Any, attachment_type: Any, extension: Any) -> None:
        attach = self.logger.global_attach_file if self.logger.idle() else self.logger.attach_file
        attach(uuid4(), source, name=name, attachment_type=attachment_type, extension=extension)

    @hookimpl
    def add_title(self, test_title: str) -> None:
        if test := self.logger.get_test(None):
            test.name = test_title

    @hookimpl
    def add_label(self, label_type: str, labels: tuple[Any, ...]) -> None:
        if test := self.logger.get_test(None):
            test.labels = labels_set([*test.labels, *(Label(str(label_type), value) for value in labels)])

    @hookimpl
    def add_parameter(self, name: str, value: Any, excluded: Any, mode: Any) -> None:
        if test := self.logger.get_test(None):
            test.parameters.append(ResultParameter(name, str(value), excluded, mode.value if mode else None))


class AllureFormatter(StockFormatter):
    """Writes one correct Allure result for every scenario that was selected and reached.

    `stream_opener.name` is the results folder (`allure-results` without one). `results` holds and fails finished
    results, see `AllureResults`. A scenario that a hook or step skipped is a skipped result with its reason, whatever
    `show_skipped` says; one that tags, a name or a line deselected leaves none. Raises nothing of its own.
    """

    listener: Any

    def __init__(self, stream_opener: Any, config: Configuration) -> None:
        # The original constructor would register its own listener and logger, so it is not called.
        super(StockFormatter, self).__init__(stream_opener, config)
        self.listener = _Listener(config)
        self.file_logger = self.results = AllureResults(stream_opener.name or "allure-results")
        self.testplan = get_testplan()
        allure_commons.plugin_manager.register(self.listener)
        allure_commons.plugin_manager.register(self.file_logger)

    @property
    def when(self) -> When:
        """The function that returns when a scenario or step ran in a thread."""
        when: When = self.listener.when
        return when

    @when.setter
    def when(self, when: When) -> None:
        self.listener.when = when

    @property
    def files_written(self) -> list[str]:
        """Names of the `*-result.json` files that this session wrote so far; held results are not among them."""
        return list(self.results.files_written)

    def uri(self, uri: str) -> None:
        """Does nothing: behave also announces files whose features it then skips, and a group would stay open."""

    def feature(self, feature: Feature) -> None:
        """Expect a result of each selected scenario, in any Rule or Outline."""
        self._feature = feature
        self.listener.start_file()
        self.listener.identities = identities_of(feature)
        self.listener.waiting, self.listener.started = {}, set()
        for scenario in feature.walk_scenarios():
            is_planned_scenario(scenario, self.testplan)
            if scenario.should_run(self.config):
                self.listener.waiting[id(scenario)] = scenario
                scenario.run = allure_commons.test(scenario.run, context={"scenario": scenario})

    def match(self, match: Any) -> None:
        """Open the next step, except in a dry run, where behave skips undefined steps silently."""
        if not self.config.dry_run:
            super().match(match)

    def result(self, result: Step) -> None:
        """Close the step that was opened last."""
        if not self.config.dry_run:
            super().result(result)

    def eof(self) -> None:
        """Report failed hooks of a feature or rule: as failures of its scenarios, or of the session."""
        for container in (*self._feature.rules, self._feature):
            if fault := hook_fault(container):
                unrun = [each for each in container.walk_scenarios() if id(each) in self.listener.waiting]
                if container.hook_failed and unrun and not self.listener.has_run(container):
                    for scenario in unrun:
                        self.listener.report_unrun(scenario, fault)
                else:
                    self.listener.logger.global_error(message=fault.message, trace=fault.trace)
        super().eof()


def _name_of(scenario: Scenario) -> str:
    name, repeat = scenario.name.strip() or scenario.keyword, repeat_of(scenario)
    return str(name) if repeat == 1 else f"{name} (repeat {repeat})"


def _ms(epoch_s: float) -> int:
    return int(epoch_s * 1000)
