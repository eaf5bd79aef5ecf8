"""Runs the features of a folder again and again, each time interrupted at another moment of what tells their results.

Takes how many scenarios run side by side, and how many moments are tried. Prints a line of JSON for each run: the
moment, and the keys of the scenarios that are finished in the ledger, in its last line, and in Allure's folder.
"""
# mypy: allow-untyped-calls

import contextlib
import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from behave.configuration import Configuration
from greenlight_gate.bdd.runner.suite_runner import SuiteRunner
from greenlight_gate.session.validation_session import SessionPlan

# Where a scenario's result is made, held and written, and what calls that.
_FILES = (
    "bdd/runner/hooks.py", "bdd/runner/allure_formatter.py", "bdd/runner/parallel.py", "report/allure_results.py",
    "evidence/session_folder.py", "behave/model.py", "behave/runner.py", "allure_behave/listener.py",
    "allure_commons/reporter.py", "allure_commons/_allure.py",
)  # fmt: skip


class Moments:
    """Counts how often behave's thread came to each place, and interrupts where it comes to one for the nth time."""

    def __init__(self, place: str = "", times: int = 0) -> None:
        self.counts: dict[str, int] = {}
        self._begun = False
        self._place = place
        self._times = times

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """A profile function: it is told of each call and each return."""
        path = frame.f_code.co_filename
        # From when the first scenario is begun.
        self._begun = self._begun or frame.f_code.co_name == "before_all"
        if not self._begun or not path.endswith(_FILES):
            return
        called = f" {argument.__name__}" if event.startswith("c_") else ""
        place = f"{Path(path).name}:{frame.f_lineno} {frame.f_code.co_name} {event}{called}"
        self.counts[place] = self.counts.get(place, 0) + 1
        if place == self._place and self.counts[place] == self._times:
            signal.raise_signal(signal.SIGINT)


def _run(jobs: int, moments: Moments) -> dict[str, Any]:
    plan = SessionPlan(
        environment="hostile.toml", wanted=("functional",), output_dir=Path("reports"), environ=dict(os.environ),
        jobs=jobs,
    )  # fmt: skip
    runner = SuiteRunner(Configuration(["-f", "null", "--no-summary", "features"], load_config=False), plan)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(KeyboardInterrupt):
        sys.setprofile(moments)
        try:
            runner.run()
        finally:
            sys.setprofile(None)
    (folder,) = Path("reports").glob("validation_session_*/")
    lines = [json.loads(line) for line in (folder / "evidence/ledger.jsonl").read_bytes().splitlines()]
    told = [json.loads(path.read_bytes())["fullName"] for path in Path("allure-results").glob("*-result.json")]
    shutil.rmtree(folder)
    return {
        "finished": [line["key"] for line in lines if line["entry"] == "finished"],
        "ended": [line["allure"] for line in lines if line["entry"] == "ended"],
        "allure": sorted(told),
        "interrupted": [line["interrupted"] for line in lines if line["entry"] == "ended"],
    }


def main(arguments: Sequence[str]) -> int:
    """Returns 0 once all moments were tried."""
    jobs, wanted = map(int, arguments)
    _run(jobs, Moments())  # what is imported only once
    whole = Moments()
    _run(jobs, whole)
    places = list(whole.counts.items())
    for number in range(wanted):
        place, times = places[number * len(places) // wanted]
        # In the middle: something has been told by then, and something has not.
        outcome = _run(jobs, Moments(place, (times + 1) // 2))
        print(json.dumps({"moment": place, **outcome}), flush=True)
    return 0
