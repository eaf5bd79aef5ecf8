"""The table of speeds that a benchmark writes into the README."""

import pytest

from support.benchmarks.speed_table import README, Speeds, machine, replaced, table

MEASURED = Speeds(
    {"Greenlight": [44_011.0, 52_040.0, 40_000.0], "k6": [11_000.0, 13_000.0, 20_000.0]}, 8.0, "a machine, 2 cores",
    "2026-11-29", {"k6": "1.1"},
)  # fmt: skip


def test_it_names_the_machine_and_the_spread() -> None:
    head, _, *rows = table(MEASURED).splitlines()

    assert head.startswith("Checked events per CPU-second (a machine, 2 cores; 2026-11-29, 3 rounds of 8 s; ")
    assert rows[2:] == [
        "| Greenlight | every rule | 44,000 | 40,000 to 52,000 |  |",
        "| k6 1.1 | run id and sequence | 13,000 | 11,000 to 20,000 | 4.00 times as fast |",
    ]
    assert machine()


def test_it_takes_the_place_of_the_one_in_the_readme_and_of_nothing_else() -> None:
    readme = README.read_text(encoding="utf-8")

    changed = replaced(readme, table(MEASURED))

    assert replaced(changed, table(MEASURED)) == changed
    assert changed.count("Checked events per CPU-second") == readme.count("Checked events per CPU-second") == 1
    assert {*readme.splitlines()} - {*changed.splitlines()} == {
        line for line in readme.splitlines() if line.startswith("Checked events") or " times as fast |" in line
        or line.startswith("| Greenlight |")
    }  # fmt: skip


def test_a_readme_without_one_is_refused() -> None:
    with pytest.raises(ValueError, match="found 0"):
        replaced("# Greenlight\n", table(MEASURED))
