"""Runs features/assurance with behave, and a pool that judges releases instead of a session against a target."""
# mypy: allow-untyped-calls
# behave ships types only of what steps need.

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from behave.configuration import Configuration
from behave.model import Scenario, ScenarioOutline
from behave.runner import Runner

from greenlight_gate.assurance.features import defect_of, title_of
from greenlight_gate.assurance.pool import Job, Pool
from greenlight_gate.assurance.proofs import PROOFS
from greenlight_gate.assurance.release import Release, forgetful_job, healthy_jobs, jobs_of
from greenlight_gate.bdd import parameters
from greenlight_gate.services.programs import postgres_folder, redis_program
from greenlight_gate.targets.settings import Misconfigured, suite_root


class MatrixRow(NamedTuple):
    """The result of one scenario of the matrix. `defect`: "" if it has none; `status` is that of behave."""

    name: str
    defect: str
    status: str
    said: str
    took_s: float
    rules: tuple[str, ...]
    verdict: str


class AssuranceRunner(Runner):
    """Runs scenarios of features/assurance; `rows` are their results, in order.

    `pool` runs the sessions; `services`: the folder of stacks, "" if there can be none.
    """

    def __init__(
        self, config: Configuration, pool: Pool, services: str, watch: Callable[[MatrixRow], None] = lambda _: None
    ) -> None:
        super().__init__(config)
        self.rows: list[MatrixRow] = []
        self._pool = pool
        self._services = services
        self._watch = watch

    def load_hooks(self, filename: str | None = None) -> None:
        """Load no configuration file."""
        del filename
        parameters.register()
        self.hooks = {"before_scenario": self._before, "after_scenario": self._after}

    def _before(self, context: Any, scenario: Scenario) -> None:
        context.release = Release(self._pool, self._services)
        if not self._services and PROOFS.get(defect_of(scenario.name)) in _replicated():
            scenario.skip("it needs several replicas, and PostgreSQL or Redis is not installed")

    def _after(self, context: Any, scenario: Scenario) -> None:
        release: Release = context.release
        steps = [step for step in scenario.all_steps if step.exception is not None]
        said = "; ".join(str(step.exception) for step in steps) or str(scenario.skip_reason or "")
        defect = defect_of(scenario.name)
        row = MatrixRow(
            defect or scenario.name, defect, scenario.status.name, said,
            sum(each.took_s for each in release.judged),
            tuple(dict.fromkeys(rule for each in release.judged for rule in each.objections)),
            ", ".join(sorted(release.verdicts)),
        )  # fmt: skip
        self.rows.append(row)
        self._watch(row)


def _replicated() -> list[Any]:
    return [proof for proof in PROOFS.values() if proof.replicated]


class Matrix:
    """One run of the matrix: of these defects, or of all and of the healthy backend.

    `more` are further jobs for the same pool. On exit, everything is stopped.
    """

    def __init__(self, defects: Sequence[str] = (), more: Sequence[Job] = ()) -> None:
        self.defects = list(defects or PROOFS)
        self._folder = contextlib.ExitStack()
        self.services = self._folder.enter_context(stack_folder())
        jobs = jobs_of(self.defects, self.services)
        self._all = not defects
        if self._all:
            jobs += [*healthy_jobs(), forgetful_job()]
        self.pool = Pool([*jobs, *more])
        self.took_s = 0.0

    def __enter__(self) -> "Matrix":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.close()
        self._folder.close()

    def run(self, watch: Callable[[MatrixRow], None] = lambda _: None) -> list[MatrixRow]:
        """Run the features; returns the result of each scenario, also of failed ones. Raises KeyboardInterrupt."""
        began = time.monotonic()
        runner = AssuranceRunner(self._configuration(), self.pool, self.services, watch)
        runner.run()
        if runner.aborted:
            # behave only ends its run for it.
            raise KeyboardInterrupt
        self.took_s = time.monotonic() - began
        return runner.rows

    def _configuration(self) -> Any:
        folder = str(suite_root() / "features" / "assurance")
        arguments = ["-f", "null", "--no-summary", "--no-color", "--no-capture", folder]
        arguments += [] if self._all else ["--name", f"^({'|'.join(map(title_of, self.defects))})$"]
        configuration = Configuration(arguments, load_config=False)
        ScenarioOutline.annotation_schema = "{name}"
        return configuration


@contextlib.contextmanager
def stack_folder() -> Iterator[str]:
    """The folder of a stack; "", with the reason on stderr, if PostgreSQL or Redis is not installed."""
    try:
        postgres_folder()
        redis_program()
    except Misconfigured as error:
        print(f"assurance: scenarios with several replicas are skipped: {error}", file=sys.stderr)
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="greenlight-stacks-") as folder:
        # For root, PostgreSQL runs as another user, who has to be able to enter the folder.
        Path(folder).chmod(0o755)
        yield folder
