"""Two runs at once do not write into each other's results."""

from pathlib import Path

from greenlight_gate.bdd.runner.results_folder import claimed


def test_a_second_run_gets_a_folder_of_its_own_while_the_first_goes_on(tmp_path: Path) -> None:
    shared, own = tmp_path / "shared", tmp_path / "session" / "own"

    with claimed(shared, own) as first, claimed(shared, own) as second:
        assert (first, second) == (shared, own)
        assert own.is_dir()
    with claimed(shared, own) as later:
        assert later == shared
