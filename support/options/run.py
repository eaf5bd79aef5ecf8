"""greenlight run: its options."""

import os
from typing import Any

from support.options.common import CATEGORIES, category, command_of, how_shown, output, positive, target

_MOST_JOBS = 4


def usual_jobs() -> int:
    """How many scenarios run side by side where nobody says it: as many as there are cores, and 4 at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_JOBS)


def add(commands: Any) -> None:
    """Adds the command."""
    run = command_of(
        commands, "run", "judge a backend: run the scenarios, keep the evidence, give the verdict",
        "greenlight run --categories functional integration",
    )  # fmt: skip
    what = run.add_argument_group("what is judged")
    target(what)
    what.add_argument(
        "--categories", nargs="+", action="extend", type=category, metavar="CATEGORY",
        help=f"any of {', '.join(CATEGORIES)} (default: all that have features; example: --categories functional)",
    )  # fmt: skip
    what.add_argument(
        "--tags", default="", metavar="EXPR",
        help="behave tag expression within the categories (example: --tags '@functional and not @slow')",
    )  # fmt: skip
    what.add_argument(
        "--defect", action="append", default=[], metavar="NAME[=VALUE]",
        help="start the embedded backend with a seeded defect, to see it caught (example: --defect thinking_missing)",
    )  # fmt: skip
    how = run.add_argument_group("how it is judged")
    how.add_argument(
        "--performance-threshold", type=positive(float), metavar="MS",
        help="largest average event latency in milliseconds (default: the target's, 100; "
        "example: --performance-threshold 50)",
    )  # fmt: skip
    how.add_argument(
        "--timeout", type=positive(float), default=900, metavar="SECONDS",
        help="for the whole run; past it the verdict is INCONCLUSIVE (default: 900; example: --timeout 300)",
    )  # fmt: skip
    how.add_argument(
        "--scale", type=positive(int), default=25, metavar="N",
        help="people at once in stress scenarios (default: 25; example: --scale 500)",
    )  # fmt: skip
    how.add_argument(
        "--soak", type=positive(float), default=20, metavar="SECONDS",
        help="how long the memory is watched in stress scenarios (default: 20; example: --soak 1800)",
    )  # fmt: skip
    how.add_argument(
        "--baseline", action="store_true",
        help="block if it is slower than the sessions of this target that were approved before; without it that is "
        "only shown; scenarios then run one at a time (example: greenlight run --baseline)",
    )  # fmt: skip
    how.add_argument(
        "--skip-services-check", action="store_true",
        help="with --environment local: take the stack as it is, start nothing (example: --skip-services-check)",
    )  # fmt: skip
    how.add_argument(
        "--jobs", type=positive(int), default=usual_jobs(), metavar="N",
        help="scenarios side by side; what measures time or memory runs alone, at the end (default: the number of "
        "cores, at most 4; example: --jobs 1)",
    )  # fmt: skip
    how.add_argument(
        "--fail-fast", action="store_true",
        help="stop at the first scenario that fails (example: greenlight run --fail-fast)",
    )  # fmt: skip
    out = run.add_argument_group("what comes out")
    output(out)
    out.add_argument(
        "--allure", action="store_true",
        help="make allure-report.html, even if npx has to fetch Allure (example: greenlight run --allure)",
    )  # fmt: skip
    how_shown(out, "run")
