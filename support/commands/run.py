"""greenlight run: from the wish to the verdict."""

import argparse
import contextlib
import os
import sys
from pathlib import Path

from rich.console import Console

from support.cli import CATEGORIES, INTERRUPTED
from support.settings import Misconfigured, suite_root


def run(options: argparse.Namespace) -> int:
    """Runs the scenarios, writes the session folder and prints the verdict. Raises Misconfigured."""
    console = Console(stderr=options.ci_mode)
    console.print(f"Greenlight judges [bold]{options.environment}[/] ...", highlight=False)
    features = suite_root() / "features"
    wanted = _wanted(options.categories, features)
    # Imported after the first line is on the screen: behave and its friends take their time.
    from support.bdd.progress import Progress  # noqa: PLC0415
    from support.bdd.runner import SuiteRunner  # noqa: PLC0415
    from support.bdd.suite import Plan  # noqa: PLC0415
    from support.commands.show import conclude  # noqa: PLC0415

    plan = Plan(
        environment=options.environment, wanted=wanted, tags=options.tags, output_dir=options.output_dir,
        defects=tuple(options.defect), performance_threshold_ms=options.performance_threshold,
        timeout_s=options.timeout, environ=dict(os.environ),
    )  # fmt: skip
    runner = SuiteRunner(_configuration(options, [features / category for category in wanted]), plan, Progress(console))
    # behave prints some of its own on stdout; in CI mode that belongs to three lines only.
    with contextlib.redirect_stdout(sys.stderr):
        runner.run()
    if runner.misconfigured:
        raise Misconfigured(runner.misconfigured)
    if runner.suite is None:
        return INTERRUPTED
    code = conclude(runner.suite.folder, console, options, may_download=options.allure)
    return INTERRUPTED if runner.interrupted in ("SIGINT", "SIGTERM") else code


def _wanted(categories: list[str] | None, features: Path) -> tuple[str, ...]:
    available = [category for category in CATEGORIES if any((features / category).glob("*.feature"))]
    wanted = tuple(dict.fromkeys(categories or available))
    missing = [category for category in wanted if category not in available]
    if missing:
        raise Misconfigured(f"--categories {missing[0]}: has no features yet; those that have: {', '.join(available)}")
    return wanted


def _configuration(options: argparse.Namespace, paths: list[Path]) -> "Configuration":  # noqa: F821
    from behave.configuration import Configuration  # noqa: PLC0415
    from behave.tag_expression import TagExpressionError  # noqa: PLC0415

    arguments = ["-f", "null", "--no-summary", "--no-color"]
    if options.tags:
        arguments.append(f"--tags={options.tags}")
    if options.fail_fast:
        arguments.append("--stop")
    try:
        return Configuration([*arguments, *map(str, paths)], load_config=False)
    except TagExpressionError as error:
        raise Misconfigured(f"--tags {options.tags!r}: not a tag expression ({error})") from error
