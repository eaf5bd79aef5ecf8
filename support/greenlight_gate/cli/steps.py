"""greenlight steps: lists the steps that scenarios can use, and writes the page of them all."""

import argparse
import contextlib
import re
from itertools import groupby
from pathlib import Path
from typing import Any

from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import command_of, new_file, target
from greenlight_gate.targets.settings import Misconfigured, load_target, suite_root
from greenlight_gate.targets.suggestions import nearest


def add(commands: Any) -> None:
    """Adds the command."""
    steps = command_of(
        commands, "steps", SUMMARIES["steps"],
        "greenlight steps tool thinking",
        "exit codes: 0 listed, 3 misconfigured",
    )  # fmt: skip
    steps.add_argument(
        "words", nargs="*", metavar="WORD",
        help="only the steps in which all these words stand (default: all; example: greenlight steps reconnect)",
    )  # fmt: skip
    steps.add_argument(
        "--page", type=new_file, metavar="FILE.html",
        help="write a page of all steps that can be searched (example: greenlight steps --page steps.html)",
    )  # fmt: skip
    target(steps)


def steps(options: argparse.Namespace) -> int:
    """Lists the steps, or writes the page. Raises Misconfigured."""
    # behave takes long to import.
    from greenlight_gate.bdd.step_catalogue import catalogue  # noqa: PLC0415
    from greenlight_gate.bdd.steps_page import render_steps  # noqa: PLC0415

    suite = load_target(options.environment).suite
    known = catalogue(suite)
    found = [step for step in known if step.has(options.words)]
    if not found:
        vocabulary = {word for step in known for word in re.findall(r"\w+", f"{step.wording} {step.topic}".lower())}
        unknown = [word for word in options.words if not any(step.has([word]) for step in known)]
        hint = nearest(unknown[0].lower(), sorted(vocabulary)) if unknown else ""
        raise Misconfigured(f"no step has {' and '.join(options.words)}{hint if 'nearest' in hint else ''}")
    if options.page is not None:
        return _written(options.page, render_steps(found))
    with contextlib.suppress(BrokenPipeError):  # the reader has closed the pipe
        for topic, group in groupby(found, key=lambda step: step.topic):
            print(f"\n{topic}")
            for step in group:
                print(f"  {step.keyword:5} {step.wording}")
                print("".join(f"          {line}\n" for line in step.examples[0].splitlines()), end="")
        folders = " and ".join(filter(None, (str(suite_root() / "steps"), suite.steps)))
        print(f"\n{len(found)} of {len(known)} steps; an editor finds them in {folders}", flush=True)
    return 0


def _written(page: Path, html: str) -> int:
    try:
        page.write_text(html, encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"--page {page}: it cannot be written ({error.strerror})") from error
    print(f"greenlight: {page} lists the steps")
    return 0
