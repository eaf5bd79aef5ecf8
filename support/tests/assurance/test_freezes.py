"""A suite that is stopped in the middle of a healthy run blames nobody."""

from pathlib import Path

import pytest
from greenlight_gate.assurance.freezes import Frozen, freeze


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2], ids=["suite", "suite and backend"])
def test_a_run_that_is_frozen_is_never_blocked(seed: int, tmp_path: Path) -> None:
    frozen = freeze(seed, ("functional", "integration"), tmp_path)
    assert frozen.verdict in ("APPROVED", "INCONCLUSIVE"), frozen
    assert frozen.is_noticed, frozen


@pytest.mark.parametrize(
    ("verdict", "noticed_s", "is_sound", "is_noticed"),
    [("APPROVED", 7.0, True, True), ("INCONCLUSIVE", 0.0, True, False), ("BLOCKED", 7.0, False, True)],
)
def test_a_freeze_that_blames_somebody_is_not_sound(
    verdict: str, noticed_s: float, is_sound: bool, is_noticed: bool
) -> None:
    frozen = Frozen(1, "suite", 1.0, 7.0, noticed_s, verdict, "", 20.0, "")
    assert (frozen.is_sound, frozen.is_noticed) == (is_sound, is_noticed)
