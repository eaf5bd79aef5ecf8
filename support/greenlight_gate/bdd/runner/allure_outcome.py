"""The name, place and outcome of a scenario in a report."""
# mypy: allow-untyped-calls
# Neither behave nor allure-behave ships types.

from collections import Counter
from pathlib import PurePath
from traceback import format_exception_only
from typing import Any

from allure_behave.utils import step_status_details
from allure_commons.mapping import labels_set, parse_tag
from allure_commons.model2 import Label, Status, StatusDetails
from allure_commons.types import LabelType, Severity
from allure_commons.utils import format_traceback, md5, platform_label
from behave.model import Feature, Rule, Scenario, Step

from greenlight_gate.bdd.runner.own_suite import own_place
from greenlight_gate.bdd.runner.repeats import repeat_of
from greenlight_gate.evidence.session_folder import key_of_repeat
from greenlight_gate.report.allure_results import scrub

_QUIET = {"passed": Status.PASSED, "pending_warn": Status.PASSED, "undefined": Status.BROKEN}


def scenario_key(scenario: Scenario) -> str:
    """Name a scenario the same way on every machine: `"functional/answers.feature:12"`.

    The path is relative to the innermost folder `features` and has forward slashes; a file outside such a folder keeps
    the path that behave uses. That of a team's own feature begins with `own/` (`own_suite`). The line is the Example's,
    or the row's of a Scenario Outline. Of a scenario that runs several times, the second time is
    `"functional/answers.feature:12#2"`.
    """
    return key_of_repeat(scrub(f"{'/'.join(place_of(scenario))}:{scenario.line}"), repeat_of(scenario))


def place_of(scenario: Scenario) -> tuple[str, ...]:
    """The parts of a scenario's path below the innermost folder `features`; of a team's own, what `own_suite` says."""
    own = own_place(scenario.feature)
    if own is not None:
        return own
    parts = PurePath(scenario.filename).parts
    behind = [n for n, part in enumerate(parts[:-1], start=1) if part == "features"]
    return parts[behind[-1] :] if behind else parts


def _ancestry(scenario: Scenario) -> list[Any]:
    chain = [scenario]
    while chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    return chain[::-1]


def rule_of(scenario: Scenario) -> Rule | None:
    """The Rule that contains a scenario, if any."""
    return next((each for each in _ancestry(scenario) if isinstance(each, Rule)), None)


def labels_of(scenario: Scenario) -> list[Label]:
    """Labels from tags, the nearest severity first; others follow from the place of the scenario."""
    tags = [tag for each in _ancestry(scenario) for tag in each.tags]
    severities = {f"severity.{each.value}": each.value for each in Severity}
    parsed = [parse_tag(severities.get(tag, tag)) for tag in tags]
    labels = [Label(LabelType.SEVERITY, Severity.NORMAL), *(each for each in parsed if isinstance(each, Label))]
    folders, rule = place_of(scenario)[:-1], rule_of(scenario)
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


def identities_of(feature: Feature) -> dict[int, str]:
    """One identity for each scenario by `id()`: path, Rule and name, and a number where these repeat.

    Each repeat has one of its own: of several results of one identity, Allure shows only the last. A number instead of
    the line, so that history survives an edit further up in the file.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    identities = {}
    for scenario in feature.walk_scenarios():
        rule = rule_of(scenario)
        name = (*place_of(scenario), rule.name if rule else "", scenario.name)
        seen[name] += 1
        repeat = [f"repeat {repeat_of(scenario)}"] if repeat_of(scenario) > 1 else []
        identities[id(scenario)] = md5(scrub("\0".join((*name, str(seen[name]), *repeat))))
    return identities


def step_outcome(step: Step) -> tuple[str, StatusDetails | None]:
    """The outcome of a step in Allure's words, with its message."""
    status = step.status.name
    if status == "hook_error" and not step.error_message:
        # behave keeps the message of a step, but not of a step hook: without a message, the hook raised.
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


def hook_fault(statement: Any) -> StatusDetails | None:
    """The error of a hook or a cleanup of a scenario, rule or feature, or None."""
    if statement.hook_failed:
        return _details(f"Suite fault: {statement.error_message or 'HOOK-ERROR: interrupted'}", statement)
    if statement.status.name == "cleanup_error":
        return StatusDetails(message="Suite fault: a cleanup raised; behave keeps its message in the captured output")
    return None


def outcome_of(scenario: Scenario, error: BaseException | None) -> tuple[str, StatusDetails | None]:
    """The outcome of a scenario, with hooks and cleanups; `error` is the exception that its run raised, if any."""
    steps = [step_outcome(step) for step in scenario.all_steps]
    bad = next((each for each in steps if each[0] in {Status.FAILED, Status.BROKEN}), None)
    fault = hook_fault(scenario)
    if error is not None:
        fault = StatusDetails(message=f"Suite fault: {_text(error)}", trace=format_traceback(error.__traceback__))
    if bad and fault:
        # The step's own failure came first and may be the target's; that of the hook is added.
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
