"""greenlight run: runs scenarios and shows the verdict."""

# mypy: allow-untyped-calls
# behave ships no types of its configuration.
import argparse
import contextlib
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenlight_gate.categories import CATEGORIES, OWN
from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import (
    INTERRUPTED,
    category,
    command_of,
    defect_option,
    for_programs,
    how_shown,
    metrics_push,
    otlp,
    output,
    positive,
    shard,
    signer_of,
    signing,
    target,
)
from greenlight_gate.cli.views.terminal import Terminal
from greenlight_gate.findings import duration, numbered
from greenlight_gate.own_rules import UnusableRule, all_rules
from greenlight_gate.rules.registry import Rule
from greenlight_gate.targets.sections import SuiteSection
from greenlight_gate.targets.settings import Misconfigured, load_target, suite_root

if TYPE_CHECKING:
    from greenlight_gate.bdd.runner.selection import Selection
    from greenlight_gate.session.validation_session import SessionPlan

_MOST_JOBS = 4
_LEAST_JUDGING_S = 60.0
_USUAL_TIMEOUT_S = 900


def usual_jobs() -> int:
    """The default number of parallel scenarios: the number of cores, at most 4."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_JOBS)


def add(commands: Any) -> None:
    """Adds the command."""
    run = command_of(
        commands, "run", SUMMARIES["run"],
        "greenlight run --categories functional integration",
    )  # fmt: skip
    what = run.add_argument_group("target and scenarios")
    target(what)
    what.add_argument(
        "--categories", nargs="+", action="extend", type=category, metavar="CATEGORY",
        help=f"any of {', '.join(CATEGORIES)}, and {OWN} for those of [suite] in the target file (default: all; "
        "example: --categories functional)",
    )  # fmt: skip
    what.add_argument(
        "--tags", default="", metavar="EXPR",
        help="only scenarios with these tags, as a behave tag expression (example: --tags '@functional and not @slow')",
    )  # fmt: skip
    what.add_argument(
        "--last-failed", action="store_true",
        help="only scenarios that failed, broke or did not end in the newest session of this target in --output-dir "
        "(example: greenlight run --last-failed)",
    )  # fmt: skip
    what.add_argument(
        "--shard", type=shard, metavar="K/N",
        help="only part K of N of the scenarios, for N jobs of a pipeline; all N together are the whole, and each has "
        "to be APPROVED (example: --shard 1/3)",
    )  # fmt: skip
    what.add_argument(
        "--list", action="store_true",
        help="print the scenarios that would run, and run none (example: greenlight run --list --categories security)",
    )  # fmt: skip
    defect_option(what.add_argument, "start the embedded backend with this defect", "thinking_missing")
    how = run.add_argument_group("thresholds and limits")
    how.add_argument(
        "--performance-threshold", type=positive(float), metavar="MS",
        help="highest accepted average event latency in milliseconds (default: that of the target, 100; "
        "example: --performance-threshold 50)",
    )  # fmt: skip
    how.add_argument(
        "--timeout", type=positive(float), metavar="SECONDS",
        help="time limit of scenarios and judging; beyond it the verdict is INCONCLUSIVE; judging has a minute in any "
        f"case (default: {_USUAL_TIMEOUT_S}, as many times as --repeat says; example: --timeout 300)",
    )  # fmt: skip
    how.add_argument(
        "--scale", type=positive(int), default=25, metavar="N",
        help="number of users in stress scenarios (default: 25; example: --scale 500)",
    )  # fmt: skip
    how.add_argument(
        "--soak", type=positive(float), default=20, metavar="SECONDS",
        help="how long memory is measured in stress scenarios; up to 20 seconds may end early, and growth is watched "
        "longer (default: 20; example: --soak 1800)",
    )  # fmt: skip
    how.add_argument(
        "--baseline", action="store_true",
        help="block if the target is slower than in its earlier sessions; three of the same scenarios that met all "
        "other criteria are needed; without this option that is only reported; scenarios then run one at a time "
        "(example: greenlight run --baseline)",
    )  # fmt: skip
    how.add_argument(
        "--skip-services-check", action="store_true",
        help="with --environment local: use the running services, start none (example: --skip-services-check)",
    )  # fmt: skip
    how.add_argument(
        "--jobs", type=positive(int), default=usual_jobs(), metavar="N",
        help="scenarios that run in parallel; those that measure time or memory run alone, at the end (default: the "
        "number of cores, at most 4; example: --jobs 1)",
    )  # fmt: skip
    how.add_argument(
        "--repeat", type=positive(int), default=1, metavar="N",
        help="run each scenario N times, and tell what passes always, sometimes and never; what fails once blocks "
        "(default: 1; example: --repeat 5)",
    )  # fmt: skip
    how.add_argument(
        "--strict-waivers", action="store_true",
        help="block if a [[waiver]] of the target file covers nothing any longer (example: greenlight run "
        "--strict-waivers)",
    )  # fmt: skip
    how.add_argument(
        "--fail-fast", action="store_true",
        help="stop at the first scenario that fails (example: greenlight run --fail-fast)",
    )  # fmt: skip
    out = run.add_argument_group("output")
    output(out)
    out.add_argument(
        "--allure", action="store_true",
        help="write allure-report.html, even if npx has to download Allure (example: greenlight run --allure)",
    )  # fmt: skip
    signing(out, "run")
    metrics_push(out, "run")
    otlp(out)
    how_shown(out, "run")


def run(options: argparse.Namespace) -> int:
    """Runs the scenarios, writes the session folder and prints the verdict. Raises Misconfigured."""
    return _listed(options) if options.list else _judged(options)


def _judged(options: argparse.Namespace) -> int:
    began = time.monotonic()
    signer = signer_of(options)
    # The stream is named, since behave replaces sys.stdout while a step runs.
    console = Terminal(file=sys.stderr if for_programs(options) else sys.stdout)
    console.print(f"Greenlight judges [bold]{options.environment}[/] ...", highlight=False)
    suite, rules = _of_the_team(options)
    wanted = _wanted(options.categories, suite)
    # Imported after the first line is printed: behave takes long to import.
    from greenlight_gate.bdd.runner.progress import RunProgress  # noqa: PLC0415
    from greenlight_gate.bdd.runner.suite_runner import SuiteRunner  # noqa: PLC0415
    from greenlight_gate.cli.allure_report import allure_page  # noqa: PLC0415
    from greenlight_gate.cli.metrics_push import pushed  # noqa: PLC0415
    from greenlight_gate.cli.otlp_option import traced  # noqa: PLC0415
    from greenlight_gate.cli.session_reports import hold_against  # noqa: PLC0415
    from greenlight_gate.cli.suite_faults import SuiteFaults  # noqa: PLC0415
    from greenlight_gate.cli.views.judgement import conclude, ended, show_verdict  # noqa: PLC0415

    push = pushed(options, "run")
    progress, selection = RunProgress(console), _selection(options)
    plan = replace(_plan(options, wanted), suite=suite, rules=rules)
    configuration = _configuration(options, [_folder_of(category, suite) for category in wanted])
    endings: list[SuiteFaults] = []

    def before_end(folder: Path) -> None:
        endings.append(SuiteFaults(folder, console))
        with endings[-1].costing("baseline"):
            hold_against(folder, gate=options.baseline)

    # behave prints to stdout, which must hold nothing but what a program reads, where one does.
    with contextlib.redirect_stdout(sys.stderr), contextlib.closing(progress), traced(options) as traces:
        observers = tuple(each for each in (push.measured if push is not None else None, traces) if each is not None)
        plan = replace(plan, observers=observers)
        runner = SuiteRunner(configuration, plan, progress, selection=selection, before_end=before_end)
        try:
            runner.run()
        except KeyboardInterrupt:
            runner.interrupted = runner.interrupted or "SIGINT"
    if runner.misconfigured:
        raise runner.mistake or Misconfigured(runner.misconfigured)
    if runner.suite is None:
        raise KeyboardInterrupt
    folder, ran_s = runner.suite.folder, time.monotonic() - began
    faults = endings[-1] if endings else SuiteFaults(folder, console)
    show = partial(show_verdict, folder=folder, console=console, verbose=options.verbose)
    # What the scenarios have left of the time limit, and some where they have left nothing: they are to be judged.
    left_s = began + (plan.timeout_s or 0.0) - time.monotonic()
    judgement = conclude(folder, console, faults, show, within_s=max(left_s, _LEAST_JUDGING_S))
    with faults.costing("HTML report of Allure"):
        allure_page(runner.results_dir, folder, console, options)
    if signer is not None:
        signer.sign(judgement, folder, console, faults)
    if push is not None:
        with faults.costing("metrics"):
            push.write(judgement, folder, faults)
    console.print(f"[dim]{_took(time.monotonic() - began, ran_s)}[/]", highlight=False)
    code = ended(judgement, folder, options, faults)
    return INTERRUPTED if runner.interrupted in ("SIGINT", "SIGTERM") else code


def _took(total_s: float, ran_s: float) -> str:
    return f"Took {duration(total_s)}: {duration(ran_s)} to run, {duration(total_s - ran_s)} to judge and report."


def _plan(options: argparse.Namespace, wanted: tuple[str, ...]) -> "SessionPlan":
    from greenlight_gate.session.validation_session import SessionPlan  # noqa: PLC0415 -- after the first line as well

    return SessionPlan(
        environment=options.environment, wanted=wanted, tags=options.tags, output_dir=options.output_dir,
        defects=tuple(options.defect), performance_threshold_ms=options.performance_threshold,
        timeout_s=options.timeout or float(_USUAL_TIMEOUT_S * options.repeat), repeat=options.repeat,
        scale=options.scale, soak_s=options.soak, environ=dict(os.environ),
        services_check=not options.skip_services_check, strict_waivers=options.strict_waivers,
        # A comparison with the baseline needs scenarios that run one at a time.
        jobs=1 if options.baseline else options.jobs,
    )  # fmt: skip


def _listed(options: argparse.Namespace) -> int:
    """Prints what would run. Raises Misconfigured."""
    if for_programs(options):
        raise Misconfigured(
            "--list: runs and judges nothing, so that a program has nothing to read; leave out --ci-mode"
        )
    from greenlight_gate.bdd.runner.selection import listed  # noqa: PLC0415 -- behave takes long to import

    suite = load_target(options.environment).suite
    paths = [_folder_of(category, suite) for category in _wanted(options.categories, suite)]
    found = listed(_configuration(options, paths), _selection(options), suite)
    for key, name in found:
        print(f"{key}  {name}")
    print(f"{numbered(len(found), 'scenario')} would run.")
    return 0


def _selection(options: argparse.Namespace) -> "Selection":
    """What narrows the scenarios further. Raises Misconfigured where nothing has failed."""
    from greenlight_gate.bdd.runner.selection import Selection, failed_in, newest_of  # noqa: PLC0415 -- as above

    if not options.last_failed:
        return Selection(options.shard)
    name = load_target(options.environment).name
    folder = newest_of(options.output_dir, name)
    if folder is None:
        raise Misconfigured(f"--last-failed: {options.output_dir} has no session of {name}; run without it first")
    try:
        failed = failed_in(folder)
    except OSError as error:
        raise Misconfigured(f"--last-failed: {folder}: {error}") from error
    if not failed:
        raise Misconfigured(f"--last-failed: no scenario of {folder} failed; run without it")
    return Selection(options.shard, failed)


def _of_the_team(options: argparse.Namespace) -> tuple[SuiteSection, Mapping[str, Rule]]:
    """The folders of the target's own scenarios, and all rules. Raises Misconfigured for what cannot be used."""
    try:
        return load_target(options.environment).suite, all_rules()
    except (Misconfigured, UnusableRule) as error:
        from greenlight_gate.evidence.session_folder import without_session  # noqa: PLC0415 -- as in `run`

        without_session(options.output_dir, str(error))
        raise error if isinstance(error, Misconfigured) else Misconfigured(str(error)) from error


def _wanted(categories: list[str] | None, suite: SuiteSection) -> tuple[str, ...]:
    available = [category for category in CATEGORIES if any(_folder_of(category, suite).glob("*.feature"))]
    available += [OWN] if suite.features else []
    wanted = tuple(dict.fromkeys(categories or available))
    if OWN in wanted and OWN not in available:
        raise Misconfigured(f"--categories {OWN}: the target file has no [suite] with features of its own")
    missing = [category for category in wanted if category not in available]
    if missing:
        raise Misconfigured(f"--categories {missing[0]}: has no features yet; those that have: {', '.join(available)}")
    return wanted


def _folder_of(category: str, suite: SuiteSection) -> Path:
    """Where the features of a category are."""
    return Path(suite.features) if category == OWN else suite_root() / "features" / category


def _configuration(options: argparse.Namespace, paths: list[Path]) -> Any:
    from behave.configuration import Configuration  # noqa: PLC0415
    from behave.model import ScenarioOutline  # noqa: PLC0415
    from cucumber_tag_expressions.parser import TagExpressionError  # noqa: PLC0415

    arguments = ["-f", "null", "--no-summary", "--no-color"]
    if options.tags:
        arguments.append(f"--tags={options.tags}")
    if options.fail_fast:
        arguments.append("--stop")
    try:
        configuration = Configuration([*arguments, *map(str, paths)], load_config=False)
    except TagExpressionError as error:
        complaint = str(error).splitlines()[0]
        raise Misconfigured(
            f"--tags {options.tags!r}: expected an expression like '@a and not @b': {complaint}"
        ) from error
    # The rows of an outline have names of their own, which need no numbers. Without its config files, behave takes this
    # from the class.
    ScenarioOutline.annotation_schema = "{name}"
    return configuration
