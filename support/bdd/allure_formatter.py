"""Allure results that tell the truth: allure-behave's formatter, mended.

As shipped it loses scenarios under a Rule, shows a broken hook as skipped or passed, lets a skipped scenario's steps
leak into the next, dies of a lone surrogate, and merges scenarios of one name as retries. Here every scenario that was
selected and reached leaves exactly one `*-result.json`, whose `fullName` is its `scenario_key`.
"""
# mypy: allow-untyped-calls
# Neither behave nor allure-behave ships types.

from collections import Counter
from pathlib import PurePath
from traceback import format_exception_only
from typing import Any

import allure_commons
from allure_behave.formatter import AllureFormatter as StockFormatter
from allure_behave.listener import AllureListener, GroupContext
from allure_behave.utils import is_planned_scenario, scenario_links, scenario_parameters, step_status_details
from allure_commons import hookimpl
from allure_commons.mapping import labels_set, parse_tag
from allure_commons.model2 import ExecutableItem, Label, Status, StatusDetails, TestResult
from allure_commons.model2 import Parameter as ResultParameter
from allure_commons.reporter import AllureReporter
from allure_commons.types import LabelType, Severity
from allure_commons.utils import format_traceback, get_testplan, md5, now, platform_label, uuid4
from behave.configuration import Configuration
from behave.model import Feature, Rule, Scenario, Step

from support.report.allure import AllureResults, clear_results, scrub

__all__ = ["AllureFormatter", "clear_results", "scenario_key"]

_QUIET = {"passed": Status.PASSED, "pending_warn": Status.PASSED, "undefined": Status.BROKEN}


def scenario_key(scenario: Scenario) -> str:
    """Name a scenario the same way on every machine: `"functional/answers.feature:12"`.

    The path is relative to the innermost folder `features` and has forward slashes; a file outside such a folder keeps
    the path that behave knows it by. The line is the Example's, or the row's of a Scenario Outline.
    """
    return scrub(f"{'/'.join(_parts(scenario))}:{scenario.line}")


def _parts(scenario: Scenario) -> tuple[str, ...]:
    parts = PurePath(scenario.filename).parts
    behind = [n for n, part in enumerate(parts[:-1], start=1) if part == "features"]
    return parts[behind[-1] :] if behind else parts


def _ancestry(scenario: Scenario) -> list[Any]:
    chain = [scenario]
    while chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    return chain[::-1]


def _rule_of(scenario: Scenario) -> Rule | None:
    return next((each for each in _ancestry(scenario) if isinstance(each, Rule)), None)


def _labels(scenario: Scenario) -> list[Label]:
    """Labels by tag, the nearest severity winning; what no tag names follows from where the scenario stands."""
    tags = [tag for each in _ancestry(scenario) for tag in each.tags]
    severities = {f"severity.{each.value}": each.value for each in Severity}
    parsed = [parse_tag(severities.get(tag, tag)) for tag in tags]
    labels = [Label(LabelType.SEVERITY, Severity.NORMAL), *(each for each in parsed if isinstance(each, Label))]
    folders, rule = _parts(scenario)[:-1], _rule_of(scenario)
    feature: Any = scenario.feature
    defaults = {
        LabelType.EPIC: folders[0].replace("_", " ").replace("-", " ").title() if folders else None,
        LabelType.FEATURE: feature.name,
        LabelType.STORY: rule.name if rule else feature.name,
    }
    tagged = {each.name for each in labels}
    labels += [Label(name, value) for name, value in defaults.items() if value and name not in tagged]
    labels += [Label(LabelType.FRAMEWORK, "behave"), Label(LabelType.LANGUAGE, platform_label())]
    return list(labels_set(labels))


def _identities(feature: Feature) -> dict[int, str]:
    """One identity for each scenario by `id()`: path, Rule and name, and a count where these repeat.

    A count and not the line, so that history survives an edit further up in the file.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    identities = {}
    for scenario in feature.walk_scenarios():
        rule = _rule_of(scenario)
        name = (*_parts(scenario), rule.name if rule else "", scenario.name)
        seen[name] += 1
        identities[id(scenario)] = md5(scrub("\0".join((*name, str(seen[name])))))
    return identities


def _step_outcome(step: Step) -> tuple[str, StatusDetails | None]:
    status = step.status.name
    if status == "hook_error" and not step.error_message:
        # behave keeps a step's own message, but not a step hook's: without one, it was the hook that raised.
        return Status.BROKEN, _details(f"Suite fault: HOOK-ERROR at this step: {_text(step.exception)}", step)
    if step.exception:
        failed = isinstance(step.exception, AssertionError)
        return Status.FAILED if failed else Status.BROKEN, _details(_text(step.exception), step)
    return _QUIET.get(status, Status.SKIPPED), step_status_details(step)


def _text(error: BaseException | None) -> str:
    if isinstance(error, AssertionError) and error.args:
        return str(error).strip()
    return "".join(format_exception_only(error)).strip() if error else "interrupted"


def _details(message: str, raised: Any) -> StatusDetails:
    return StatusDetails(message=message, trace=format_traceback(raised.exc_traceback))


def _hook_fault(statement: Any) -> StatusDetails | None:
    """What a hook or a cleanup did wrong around a scenario, rule or feature, or None."""
    if statement.hook_failed:
        return _details(f"Suite fault: {statement.error_message or 'HOOK-ERROR: interrupted'}", statement)
    if statement.status.name == "cleanup_error":
        return StatusDetails(message="Suite fault: a cleanup raised; behave keeps its message in the captured output")
    return None


def _outcome(scenario: Scenario, error: BaseException | None) -> tuple[str, StatusDetails | None]:
    steps = [_step_outcome(step) for step in scenario.all_steps]
    bad = next((each for each in steps if each[0] in {Status.FAILED, Status.BROKEN}), None)
    fault = _hook_fault(scenario)
    if error is not None:
        fault = StatusDetails(message=f"Suite fault: {_text(error)}", trace=format_traceback(error.__traceback__))
    if bad and fault:
        # The step's own failure came first and may be the target's; the hook's is told beside it.
        status, details = bad
        message = "\n".join(each.message for each in (details, fault) if each)
        return status, StatusDetails(message=message, trace=details.trace if details else None)
    if fault:
        return Status.BROKEN, fault
    if bad:
        return bad
    if scenario.should_skip:
        return Status.SKIPPED, StatusDetails(message=scenario.skip_reason or "skipped")
    idle = next((each for each in steps if each[0] != Status.PASSED), None)
    return idle or (Status.PASSED, None)


class _Items(dict[str, Any]):
    """The open items of one run. The stock store belongs to the process and to each thread, and outlives the run."""

    def cleanup(self) -> None:
        """Nothing is kept for each thread, so nothing is stale."""


class _Reporter(AllureReporter):
    _items: Any

    def __init__(self) -> None:
        super().__init__()
        self._items = _Items()

    def idle(self) -> bool:
        """Tell whether nothing is open that an attachment could hang on."""
        return self._last_executable() is None

    def _last_executable(self) -> str | None:
        # One snapshot, since another thread may attach while a step starts or ends.
        newest_first = reversed(list(self._items.items()))
        return next((uuid for uuid, item in newest_first if isinstance(item, ExecutableItem)), None)

    def unwind(self, keep: str) -> None:
        """Drop the steps that an interruption left open, so that nothing later hangs on them."""
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
        self.identities: dict[int, str] = {}
        self.waiting: dict[int, Scenario] = {}
        self.started: set[int] = set()

    def has_run(self, container: Any) -> bool:
        """Tell whether any scenario of this feature or rule was started."""
        return any(id(each) in self.started for each in container.walk_scenarios())

    def start_scenario(self, scenario: Scenario) -> None:
        self.steps.clear()
        self.waiting.pop(id(scenario), None)
        self.group_context.enter()
        self.current_scenario_uuid = uuid4()
        rule, identity = _rule_of(scenario), self.identities[id(scenario)]
        feature: Any = scenario.feature
        places = [*_parts(scenario)[:-1], feature.name or feature.keyword]
        result = TestResult(
            uuid=self.current_scenario_uuid,
            start=now(),
            name=scenario.name.strip() or scenario.keyword,
            fullName=scenario_key(scenario),
            # Allure 3 computes the history from testCaseId and the parameters, and ignores historyId.
            historyId=identity,
            testCaseId=identity,
            titlePath=[*places, rule.name] if rule else places,
            description="\n".join(scenario.description),
            parameters=scenario_parameters(scenario) or [],
            labels=_labels(scenario),
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
        result.stop = now()
        result.status, result.statusDetails = _outcome(scenario, error)
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
        status, details = _step_outcome(result)
        self.logger.stop_step(self.current_step_uuid, stop=now(), status=status, statusDetails=details)

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
    """Give Allure one truthful result for every scenario that was selected and reached.

    `stream_opener.name` is the results folder (`allure-results` without one). `results` holds and fails finished
    results, see `AllureResults`. A scenario that a hook or step skipped is a skipped result with its reason, whatever
    `show_skipped` says; one that tags, a name or a line deselected leaves none. Raises nothing of its own.
    """

    listener: Any

    def __init__(self, stream_opener: Any, config: Configuration) -> None:
        # The stock constructor registers its own listener and logger, so it is passed over.
        super(StockFormatter, self).__init__(stream_opener, config)
        self.listener = _Listener(config)
        self.file_logger = self.results = AllureResults(stream_opener.name or "allure-results")
        self.testplan = get_testplan()
        allure_commons.plugin_manager.register(self.listener)
        allure_commons.plugin_manager.register(self.file_logger)

    @property
    def files_written(self) -> list[str]:
        """Names of the `*-result.json` files that this session wrote so far; held results are not among them."""
        return list(self.results.files_written)

    def uri(self, uri: str) -> None:
        """Do nothing: behave names files here whose features it then skips, and a group would stay open."""

    def feature(self, feature: Feature) -> None:
        """Expect a result of each scenario that was selected, under whatever Rule or Outline it stands."""
        self._feature = feature
        self.listener.start_file()
        self.listener.identities = _identities(feature)
        self.listener.waiting, self.listener.started = {}, set()
        for scenario in feature.walk_scenarios():
            is_planned_scenario(scenario, self.testplan)
            if scenario.should_run(self.config):
                self.listener.waiting[id(scenario)] = scenario
                scenario.run = allure_commons.test(scenario.run, context={"scenario": scenario})

    def match(self, match: Any) -> None:
        """Open the next step, except in a dry run, where behave passes over undefined steps in silence."""
        if not self.config.dry_run:
            super().match(match)

    def result(self, result: Step) -> None:
        """Close the step that was opened last."""
        if not self.config.dry_run:
            super().result(result)

    def eof(self) -> None:
        """Report what a feature's or a rule's hooks broke: its scenarios, or, once these ran, the session."""
        for container in (*self._feature.rules, self._feature):
            if fault := _hook_fault(container):
                unrun = [each for each in container.walk_scenarios() if id(each) in self.listener.waiting]
                if container.hook_failed and unrun and not self.listener.has_run(container):
                    for scenario in unrun:
                        self.listener.report_unrun(scenario, fault)
                else:
                    self.listener.logger.global_error(message=fault.message, trace=fault.trace)
        super().eof()

    def close(self) -> None:
        """Write what is still held, and leave the process as it was."""
        try:
            self.results.release_all()
        finally:
            super().close()
