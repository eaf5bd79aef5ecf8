"""A defect that breaks what a profile has to promise first is judged with that promise."""

from pathlib import Path

import pytest
from greenlight_gate.session.validation_session import SessionPlan, ValidationSession

from support.tests.cli.process import environ


@pytest.mark.parametrize(
    ("defect", "promise"),
    [
        ("disconnect_leaves_the_model_running", "runs_end_with_connection"),
        ("token_expiry_ends_a_running_answer", "runs_outlive_tokens"),
        ("started_missing", ""),
    ],
)
def test_the_profile_of_the_run_promises_it(tmp_path: Path, defect: str, promise: str) -> None:
    suite = ValidationSession(SessionPlan(defects=(defect,), output_dir=tmp_path, environ=environ()))
    try:
        suite.prepare()
        for name in ("runs_end_with_connection", "runs_outlive_tokens"):
            assert getattr(suite.profile.promises, name) == (name == promise)
        said = f"--defect: it breaks what the profile promises with {promise} = true, as it does in this run"
        assert suite.notices == ((said,) if promise else ())
    finally:
        suite.stop()
