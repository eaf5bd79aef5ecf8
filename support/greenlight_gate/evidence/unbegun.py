"""A session folder in which nothing stands yet: its run was killed before it had said what it was going to judge."""

import re
from pathlib import Path

from greenlight_gate.evidence.session_folder import Evidence, JudgedTarget
from greenlight_gate.rules.engine.run_state import TimeBudgets

_NAME = re.compile(r"validation_session_(\d+)(-\d+)?")
UNKNOWN = "unknown"
_WHY = "the run was ended before it had said what it was going to judge, so it has to run again"
# There is no frame that it would have to read.
_PROFILE = """name = "unknown"
frame.kind = ["type"]
events.agent_started.kinds = ["agent_started"]
events.agent_completed.kinds = ["agent_completed"]
send.start.ask = "{prompt}"
"""


def unbegun(folder: Path) -> JudgedTarget | None:
    """What can be said of such a folder, which never approves; None for a folder that is no session, or has begun."""
    name, evidence = _NAME.fullmatch(folder.absolute().name), Evidence(folder)
    begun = evidence.ledger.exists() or any(evidence.traces.glob("*"))
    if name is None or not folder.is_dir() or begun or (evidence.folder / "session.json").exists():
        return None
    return JudgedTarget(
        session_id=name[0], started_epoch_s=float(name[1]), environment=UNKNOWN, url="", profile_toml=_PROFILE,
        budgets=TimeBudgets(), clock=UNKNOWN, wanted=(), tags="", absent={}, accepted={}, success_percent=95.0,
        latency_ms_avg=100.0, caveats=(_WHY,),
    )  # fmt: skip
