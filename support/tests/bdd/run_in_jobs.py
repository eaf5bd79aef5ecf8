"""Runs the features of a folder so many at a time, as `greenlight run --jobs N` does with its own: takes N."""
# mypy: allow-untyped-calls

import os
import sys
from pathlib import Path

from behave.configuration import Configuration
from greenlight_gate.bdd.runner.suite_runner import SuiteRunner
from greenlight_gate.session.validation_session import SessionPlan

jobs, *options = sys.argv[1:]
plan = SessionPlan(
    environment="hostile.toml", wanted=("functional",), output_dir=Path("reports"), environ=dict(os.environ),
    jobs=int(jobs),
)  # fmt: skip
config = Configuration(["-f", "null", "--no-summary", *options, "features"], load_config=False)
raise SystemExit(SuiteRunner(config, plan).run())
