"""A run that is interrupted, wherever: a scenario is finished in the ledger and in Allure, or in neither."""

import json
from pathlib import Path

import pytest

from support.tests.bdd.feature_sets import run
from support.tests.bdd.test_parallel import SEVERAL

ENOUGH = "[limits]\nmax_connections = 200\n"


MOMENTS = 12


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_ledger_and_allure_agree_wherever_a_run_is_interrupted(tmp_path: Path, jobs: int) -> None:
    ran = run(
        tmp_path, {"several.feature": SEVERAL}, str(MOMENTS), jobs=jobs, target_toml=ENOUGH,
        module="support.tests.bdd.run_interrupted",
    ).ran  # fmt: skip
    assert ran.code == 0, ran.err
    tried = [json.loads(line) for line in ran.out.splitlines() if line.startswith("{")]

    assert len(tried) == MOMENTS
    for each in tried:
        assert len(each["finished"]) == len(set(each["finished"])), each
        assert (each["ended"], each["allure"]) == ([each["finished"]], sorted(each["finished"])), each
    # Beside others a run comes to some places less often than when they were counted, and is then not interrupted.
    assert sum(each["interrupted"] == ["SIGINT"] for each in tried) >= 3, tried
    # Something had been told by then, and something had not.
    assert {1, 2, 3} & {len(each["finished"]) for each in tried}
