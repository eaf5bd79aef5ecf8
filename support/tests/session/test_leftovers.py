"""What killed runs left behind is removed by the next one; what is in use, or young, is not."""

import fcntl
import os
import tempfile
import time
from pathlib import Path

import pytest
from greenlight_gate.session.leftovers import PREFIX, data_folder


def left(folder: Path, name: str, age_s: float) -> Path:
    path = folder / name / "lock"
    path.parent.mkdir()
    path.touch()
    os.utime(path, (time.time() - age_s, time.time() - age_s))
    return path


def test_only_what_is_old_and_nobodys_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old, young = left(tmp_path, f"{PREFIX}old", 2 * 86_400), left(tmp_path, f"{PREFIX}young", 60)
    used, other = left(tmp_path, f"{PREFIX}used", 2 * 86_400), left(tmp_path, "somebody-elses", 2 * 86_400)
    (tmp_path / f"{PREFIX}without-a-lock").mkdir()

    with used.open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        new = data_folder()

    assert new.is_dir()
    assert [path.exists() for path in (old.parent, young, used, other)] == [False, True, True, True]
    assert (tmp_path / f"{PREFIX}without-a-lock").is_dir()
