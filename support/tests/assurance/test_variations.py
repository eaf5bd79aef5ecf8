"""What a varied session asks: questions that the reference set has, and that belong to the seed."""

import tomllib
from pathlib import Path

from greenlight_gate.assurance.variations import write_target
from greenlight_gate.backend.variation import Variation
from greenlight_gate.targets.settings import suite_root


def questions(seed: int, folder: Path) -> dict[str, dict[str, object]]:
    target = write_target(seed, folder)
    assert target == folder / f"varied-{seed}.toml"
    assert tomllib.loads(target.read_text(encoding="utf-8"))["prompts"] == f"questions-{seed}.toml"
    return tomllib.loads((folder / f"questions-{seed}.toml").read_text(encoding="utf-8"))


def test_a_target_is_the_embedded_one_with_other_questions(tmp_path: Path) -> None:
    write_target(7, tmp_path)
    usual = (suite_root() / "support/greenlight_gate/targets/embedded.toml").read_text(encoding="utf-8")
    varied = (tmp_path / "varied-7.toml").read_text(encoding="utf-8")
    assert varied == usual.replace('prompts = "reference"', 'prompts = "questions-7.toml"')
    assert varied != usual


def test_the_chat_by_http_is_varied_in_the_same_way(tmp_path: Path) -> None:
    target = tomllib.loads(write_target(7, tmp_path, "embedded-sse").read_text(encoding="utf-8"))
    assert (target["profile"], target["prompts"]) == ("agent-events-sse", "questions-7.toml")


def test_the_questions_of_a_seed(tmp_path: Path) -> None:
    asked = questions(7, tmp_path)
    reference = suite_root() / "support/greenlight_gate/targets/prompts/reference.toml"
    assert asked.keys() == tomllib.loads(reference.read_text(encoding="utf-8")).keys()
    sums = [str(text) for text in asked["two_tools"]["contains"][:-1]]  # type: ignore[index]
    assert asked["two_tools"]["tools"] == ["calculator"] * len(sums) + ["notes"]
    assert asked["remember"] == {
        "ask": "Please remember that my secret word is {canary}.", "contains": ["{canary}"], "tools": ["notes"],
        "thinking": True,
    }  # fmt: skip
    assert asked == questions(7, tmp_path)
    assert asked != questions(8, tmp_path)


def test_what_is_expected_of_a_sum_is_its_result(tmp_path: Path) -> None:
    for seed in range(20):
        asked = questions(seed, tmp_path)
        left, right = str(asked["with_tool"]["ask"]).removeprefix("What is ").removesuffix("?").split("*")
        assert asked["with_tool"]["contains"] == [str(int(left) * int(right))]
        assert 2 <= len(asked["parallel_tools"]["tools"]) <= 5  # type: ignore[arg-type]


def test_no_thoughts_are_owed_of_a_backend_that_thinks_in_silence(tmp_path: Path) -> None:
    quiet = next(seed for seed in range(99) if Variation.drawn(seed).quiet)
    aloud = next(seed for seed in range(99) if not Variation.drawn(seed).quiet)
    told = [
        questions(seed, tmp_path)[name]["thinking"] for seed in (quiet, aloud) for name in ("without_tool", "with_tool")
    ]
    assert told == [False, True, True, True]
