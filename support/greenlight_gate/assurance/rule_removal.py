"""For each rule, a defect that is not detected without it."""

from greenlight_gate.assurance.pool import Job
from greenlight_gate.assurance.proofs import PROOFS
from greenlight_gate.assurance.release import job_of

# The rule has the first finding. Defects that need loads are left out: loads have processes of their own.
_CHOSEN = {
    "LIFECYCLE-2": "completed_twice",
    "PAIRING-2": "second_tool_never_completed",
    "ISOLATION-1": "canary_in_metadata",
    "ISOLATION-2": "broadcast_to_all",
    "CONTINUITY-1": "replay_buffer_drops_oldest",
    "CONTINUITY-2": "replay_duplicates",
    "REFUSAL-2": "foreign_reach_met_with_silence",
}
_FIRST = {
    proof.rule: name for name, proof in reversed(PROOFS.items())
    if not (proof.crowded or proof.replicated or proof.rule == "SCENARIOS")
}  # fmt: skip
FIRST = {**_FIRST, **_CHOSEN}


def removal_of(rule: str) -> Job:
    """The session that runs this rule's defect without the rule."""
    return job_of(PROOFS[FIRST[rule]], without=rule)
