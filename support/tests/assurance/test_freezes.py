"""A suite that is stopped in the middle of a healthy run blames nobody."""

from pathlib import Path

import pytest
from greenlight_gate.assurance.freezes import Frozen, freeze


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2], ids=["suite", "suite and backend"])
def test_a_run_that_is_frozen_is_never_blocked(seed: int, tmp_path: Path) -> None:
    frozen = freeze(seed, ("functional",), tmp_path)
    assert frozen.verdict in ("APPROVED", "INCONCLUSIVE"), frozen
    assert frozen.noticed_s > 5, frozen


@pytest.mark.parametrize(
    ("verdict", "noticed_s", "is_sound"),
    [("APPROVED", 7.0, True), ("INCONCLUSIVE", 6.9, True), ("BLOCKED", 7.0, False), ("APPROVED", 0.0, False)],
)
def test_a_freeze_that_blames_somebody_or_was_not_noticed_is_not_sound(
    verdict: str, noticed_s: float, is_sound: bool
) -> None:
    assert Frozen(1, "suite", 1.0, 7.0, noticed_s, verdict, "", 20.0, "").is_sound is is_sound
