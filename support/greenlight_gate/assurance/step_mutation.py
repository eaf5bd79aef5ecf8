"""Removes each assertion of each step in turn: the matrix has to detect it."""

import concurrent.futures
import multiprocessing
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from greenlight_gate.assurance.assertions import assertions, without
from greenlight_gate.assurance.bench import BenchResult
from greenlight_gate.assurance.pool import init_worker, judge
from greenlight_gate.assurance.record import AssertionProof, job_for, read
from greenlight_gate.assurance.scenarios import scenarios
from greenlight_gate.targets.settings import suite_root

_AT_ONCE = 4


class Mutant(NamedTuple):
    """A removed assertion: whether it still fails as recorded when present, and whether its removal is detected.

    `alone`: without it, nothing blocks the release.
    """

    id: str
    objects: bool
    noticed: bool
    alone: bool


def mutants(tell: Callable[[Mutant], None], services: str) -> list[Mutant]:
    """Run each assertion with a recorded defect, with and without the assertion.

    `services`: the folder of a stack, "" if there can be none: then scenarios that need one are skipped.
    """
    steps, recorded = suite_root() / "steps", read().assertions
    known = {id_: each for id_, each in assertions(steps).items() if id_ in recorded}
    possible = [id_ for id_ in known if services or not needs_stack(recorded[id_].scenario)]
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="greenlight-mutants-") as folder,
        concurrent.futures.ProcessPoolExecutor(_AT_ONCE, multiprocessing.get_context("spawn"), init_worker) as benches,
    ):

        def tried(id_: str) -> Mutant:
            mutated = without(known[id_], steps, Path(folder))
            return _try(id_, recorded[id_], str(mutated), services, benches)

        for by_itself in (False, True):
            with concurrent.futures.ThreadPoolExecutor(1 if by_itself else _AT_ONCE) as threads:
                some = [id_ for id_ in possible if alone(recorded[id_].scenario) is by_itself]
                for mutant in threads.map(tried, some):
                    found.append(mutant)
                    tell(mutant)
    return found


def alone(scenario: str) -> bool:
    """Whether a scenario needs the machine to itself."""
    return scenario.startswith(("performance", "stress")) or needs_stack(scenario)


def needs_stack(scenario: str) -> bool:
    """Whether a scenario needs several replicas."""
    return "needs.replicas" in scenarios(suite_root() / "features")[scenario].tags


def _try(id_: str, recorded: AssertionProof, steps: str, services: str, benches: concurrent.futures.Executor) -> Mutant:
    place = scenarios(suite_root() / "features")[recorded.scenario]
    job = job_for(recorded.scenario, place, recorded.defect, services)
    there: BenchResult = benches.submit(judge, job).result()
    gone: BenchResult = benches.submit(judge, msgspec.structs.replace(job, steps=steps)).result()
    return Mutant(id_, id_ in there.assertions, id_ not in gone.assertions, gone.verdict != "BLOCKED")
