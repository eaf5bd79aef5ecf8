"""greenlight run: from the wish to the verdict."""
# mypy: allow-untyped-calls
# behave ships no types of its configuration.

import argparse
import contextlib
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from support.commands.terminal import Terminal
from support.options.common import CATEGORIES, INTERRUPTED
from support.settings import Misconfigured, suite_root


def run(options: argparse.Namespace) -> int:
    """Runs the scenarios, writes the session folder and prints the verdict. Raises Misconfigured."""
    # The stream is named, since behave captures whatever sys.stdout is while a step runs.
    console = Terminal(file=sys.stderr if options.ci_mode else sys.stdout)
    console.print(f"Greenlight judges [bold]{options.environment}[/] ...", highlight=False)
    features = suite_root() / "features"
    wanted = _wanted(options.categories, features)
    # Imported after the first line is on the screen: behave and its friends take their time.
    from support.bdd.progress import Progress  # noqa: PLC0415
    from support.bdd.runner import SuiteRunner  # noqa: PLC0415
    from support.bdd.suite import Plan  # noqa: PLC0415
    from support.commands.allure import allure_page  # noqa: PLC0415
    from support.commands.own_fault import OwnFaults  # noqa: PLC0415
    from support.commands.reports import hold_against  # noqa: PLC0415
    from support.commands.show import conclude, ended, show_verdict  # noqa: PLC0415

    plan = Plan(
        environment=options.environment, wanted=wanted, tags=options.tags, output_dir=options.output_dir,
        defects=tuple(options.defect), performance_threshold_ms=options.performance_threshold,
        timeout_s=options.timeout, scale=options.scale, soak_s=options.soak, environ=dict(os.environ),
        services_check=not options.skip_services_check,
    )  # fmt: skip
    progress = Progress(console)
    runner = SuiteRunner(_configuration(options, [features / category for category in wanted]), plan, progress)
    # behave prints some of its own on stdout; in CI mode that belongs to three lines only.
    with contextlib.redirect_stdout(sys.stderr), contextlib.closing(progress):
        try:
            runner.run()
        except KeyboardInterrupt:
            runner.interrupted = runner.interrupted or "SIGINT"
    if runner.misconfigured:
        raise Misconfigured(runner.misconfigured)
    if runner.suite is None:
        raise KeyboardInterrupt
    folder = runner.suite.folder
    faults = OwnFaults(folder, console)
    with faults.costing("baseline"):
        hold_against(folder, gate=options.baseline)
    show = partial(show_verdict, folder=folder, console=console, verbose=options.verbose)
    judgement = conclude(folder, console, faults, show)
    with faults.costing("HTML report of Allure"):
        allure_page(runner.results_dir, folder, console, options)
    code = ended(judgement, folder, options, faults)
    return INTERRUPTED if runner.interrupted in ("SIGINT", "SIGTERM") else code


def _wanted(categories: list[str] | None, features: Path) -> tuple[str, ...]:
    available = [category for category in CATEGORIES if any((features / category).glob("*.feature"))]
    wanted = tuple(dict.fromkeys(categories or available))
    missing = [category for category in wanted if category not in available]
    if missing:
        raise Misconfigured(f"--categories {missing[0]}: has no features yet; those that have: {', '.join(available)}")
    return wanted


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
    # The rows of an outline bear names of their own, which need no numbers. Without its config files, behave takes this
    # from the class.
    ScenarioOutline.annotation_schema = "{name}"
    return configuration
