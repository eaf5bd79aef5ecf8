"""The detection limit of each defect with a value: the smallest delay, leak or loss that is detected."""

from collections.abc import Callable

from greenlight_gate.assurance.bench import Bench
from greenlight_gate.assurance.measured import Limit
from greenlight_gate.assurance.pool import judge
from greenlight_gate.assurance.proofs import PROOFS
from greenlight_gate.assurance.release import job_of
from greenlight_gate.backend.defects import REGISTRY

# The direction in which a defect is harder to detect. A close code has none.
_LESS, _MORE = 0.5, 2.0
HARDER = {
    "every_event_delayed": _LESS, "latency_grows_with_connections": _LESS, "blocking_sleep_stalls_everyone": _LESS,
    "slow_start": _LESS, "silent_gap": _LESS, "handshake_slow": _LESS, "timestamp_runs_backwards": _LESS,
    "replay_buffer_drops_oldest": _LESS, "memory_leak_per_run": _LESS, "memory_leak_per_connection": _LESS,
    "events_after_completed": _MORE, "throughput_capped": _MORE, "reconnect_refused_after": _MORE,
    "idle_cut_after": _MORE, "cross_leak_only_under_load": _MORE, "connections_capped": _MORE,
    "refuses_after_churn": _MORE, "drops_one_in": _MORE, "canary_letter_by_letter_once_in": _MORE,
}  # fmt: skip
NO_SIZE = {"illegal_close_code"}
_COUNTED = {"events", "connections", "runs"}
_MOST_STEPS = 10
_CLOSER = 3


def limit_of(name: str, bench: Bench, tell: Callable[[str], None]) -> Limit | None:
    """Make a defect harder to detect until it is not detected; None if not even its default is.

    Each value is tried once: a value near the limit may be detected in one run and not in another.
    """
    default = REGISTRY[name].default
    assert isinstance(default, float)
    counted = REGISTRY[name].unit in _COUNTED

    def caught(value: float) -> bool:
        judged = judge(job_of(PROOFS[name], value=f"{value:g}"), bench)
        seen = PROOFS[name].rule in judged.objections and judged.verdict == "BLOCKED" and not judged.faults
        tell(f"{name}={value:g}: {'caught' if seen else 'unseen'} in {judged.took_s:.1f} s")
        return seen

    if not caught(default):
        return None
    good, value, bad = default, default, None
    for _ in range(_MOST_STEPS):
        value = _rounded(good * HARDER[name], counted)
        if value in (good, 0):
            return Limit(good)
        if not caught(value):
            bad = value
            break
        good = value
    for _ in range(_CLOSER if bad is not None else 0):
        assert bad is not None
        value = _rounded((good + bad) / 2, counted)
        if value in (good, bad):
            break
        good, bad = (value, bad) if caught(value) else (good, value)
    return Limit(good, bad)


def _rounded(value: float, counted: bool) -> float:
    return float(round(value)) if counted else float(f"{value:.3g}")
