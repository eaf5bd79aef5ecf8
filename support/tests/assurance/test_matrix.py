"""The matrix: every defect is caught by the rule that it names, and goes unseen where that rule is removed."""

from collections.abc import Callable, Iterator

import msgspec
import pytest
from greenlight_gate.assurance import shown
from greenlight_gate.assurance.features import promise_of
from greenlight_gate.assurance.pool import Job, Pool
from greenlight_gate.assurance.proofs import PROOFS
from greenlight_gate.assurance.release import forgetful_job, job_of
from greenlight_gate.assurance.rule_removal import FIRST, removal_of
from greenlight_gate.assurance.runner import Matrix, MatrixRow
from greenlight_gate.rules.registry import RULES

from support.tests.needs import skip_without_services

pytestmark = [pytest.mark.assurance, pytest.mark.timeout(900)]
Record = Callable[[str, object], None]
# No user received their own secret, and the check does not notice.
UNPROVEN = msgspec.structs.replace(forgetful_job(), without="ISOLATION-3")
REMOVABLE = sorted(RULES.keys() & FIRST.keys())


class Judged:
    """The rows of the matrix by scenario, and the pool with what was judged without a rule."""

    def __init__(self, rows: list[MatrixRow], pool: Pool, took_s: float) -> None:
        self.rows = {row.name: row for row in rows}
        self.pool = pool
        self.took_s = took_s


@pytest.fixture(scope="module")
def judged() -> Iterator[Judged]:
    removals: list[Job] = [*(removal_of(rule) for rule in REMOVABLE), UNPROVEN]
    with Matrix(more=removals) as matrix:
        rows = matrix.run()
        yield Judged(rows, matrix.pool, matrix.took_s)


@pytest.mark.parametrize("defect", PROOFS)
def test_a_defect_is_caught_by_the_rule_that_it_names(judged: Judged, record_property: Record, defect: str) -> None:
    row = judged.rows[defect]
    record_property("matrix", shown.line(row))
    if row.status == "skipped":
        skip_without_services()
    assert row.status == "passed", f"{defect} goes unseen by {PROOFS[defect].rule}: {row.said}"
    assert PROOFS[defect].rule in row.rules
    assert row.verdict == "BLOCKED"


def test_a_healthy_backend_is_approved_and_nothing_is_guessed(judged: Judged, record_property: Record) -> None:
    sound = [row for row in judged.rows.values() if not row.defect]
    for row in sound:
        record_property("matrix", shown.line(row))
    record_property("matrix", shown.total(list(judged.rows.values()), judged.took_s))
    assert [(row.status, row.verdict) for row in sound] == [("passed", "APPROVED"), ("passed", "INCONCLUSIVE")]


@pytest.mark.parametrize("rule", REMOVABLE)
def test_every_rule_is_the_first_to_object_to_some_defect(judged: Judged, rule: str) -> None:
    first = {row.rules[0] for row in judged.rows.values() if row.defect and row.rules}
    assert rule in first, f"whatever {rule} objects to, another rule has objected to before"


@pytest.mark.parametrize("rule", REMOVABLE)
def test_without_a_rule_its_defect_goes_unseen(judged: Judged, rule: str) -> None:
    defect = FIRST[rule]
    assert rule in judged.rows[defect].rules
    without = judged.pool.result(removal_of(rule))
    assert rule not in without.rules, f"{rule} was removed and objects to {defect} all the same"
    # Else it was removed from the scenarios and not from the replay, or the other way round.
    assert "EVIDENCE" not in without.inconclusive, without.reason
    assert job_of(PROOFS[defect]).defects == (defect,)
    assert promise_of(rule)


def test_without_isolation_3_a_release_would_be_approved_of_which_nothing_is_known(judged: Judged) -> None:
    assert judged.pool.result(forgetful_job()).verdict == "INCONCLUSIVE"
    assert judged.pool.result(UNPROVEN).verdict == "APPROVED"
