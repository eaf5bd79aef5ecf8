"""Runs the features of a folder so many at a time, as `greenlight run --jobs N` does with its own: takes N."""
# mypy: allow-untyped-calls

import os
from collections.abc import Sequence
from pathlib import Path

from behave.configuration import Configuration
from greenlight_gate.bdd.runner.suite_runner import SuiteRunner
from greenlight_gate.session.validation_session import SessionPlan


def main(arguments: Sequence[str]) -> int:
    """Returns behave's exit code. `arguments`: N, then options of behave; `-D repeat=N` as `--repeat`."""
    jobs, *options = arguments
    config = Configuration(["-f", "null", "--no-summary", *options, "features"], load_config=False)
    plan = SessionPlan(
        environment="hostile.toml", wanted=("functional",), output_dir=Path("reports"), environ=dict(os.environ),
        jobs=int(jobs), repeat=int(dict(config.userdata or {}).get("repeat", 1)),
    )  # fmt: skip
    return int(SuiteRunner(config, plan).run())
