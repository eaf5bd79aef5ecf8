"""What a round of the monitor is, and who observes rounds: the page, the metrics, the notices."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from greenlight_gate.findings import Finding
from greenlight_gate.monitor.alerts import Alert


class RoundOutcome(StrEnum):
    """How a round ended.

    `passed`: played whole, and nothing was objected to. `failed`: a rule objected, or a user did not receive what the
    round is to show. `unreachable`: no user could connect, or sign in. `skipped`: maintenance. `broken`: the suite
    itself failed or stood still, or its machine was busy with other work, so that nothing is known of the target.
    """

    PASSED = "passed"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    SKIPPED = "skipped"
    BROKEN = "broken"


class Round(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One round, as it is kept in `rounds.jsonl` and reported to observers.

    `number`: from 1, and on through restarts on the same day. `began_epoch_s`: by the monitor's clock. `why`: of
    every outcome but `passed`, in words. `planned`: the names of the parts that it was to play (with_tool,
    without_tool, reconnect, isolation), `parts` of those that it played to their end. Latencies are samples in
    milliseconds: `acknowledgement_ms` from the request to agent_started, `delivery_ms` from the server's stamp to the
    receipt (none where the clocks are not known to agree), `silence_ms` the longest pause within each run, `run_ms`
    from the request to the end. `runs` counts runs by how they ended: agent_completed, agent_failed, agent_stopped,
    refused, unfinished. Of connections: `connections` were tried, `refused` not opened although they should,
    `dropped` lost without a reason; `reconnects` were resumed. `errors` and `troubles` say in words which failures no
    request had provoked, and which connections were refused or dropped. `evidence`: the trace, as a path from the
    output folder ("" where none is kept: nothing was found, or enough was kept on that day).
    """

    number: int
    began_epoch_s: float
    took_s: float
    outcome: RoundOutcome
    why: str = ""
    planned: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    acknowledgement_ms: tuple[float, ...] = ()
    delivery_ms: tuple[float, ...] = ()
    silence_ms: tuple[float, ...] = ()
    run_ms: tuple[float, ...] = ()
    runs: dict[str, int] = {}
    connections: int = 0
    refused: int = 0
    dropped: int = 0
    reconnects: int = 0
    errors: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()
    evidence: str = ""


class Watched(msgspec.Struct, frozen=True):
    """What is watched, for observers, before the first round.

    `folder` is `--output-dir`, `every_s` the interval in seconds. `lasting_url`: that of the same backend also after a
    restart; "" where the suite starts the backend at any port.
    """

    environment: str
    url: str
    folder: str
    every_s: float
    lasting_url: str = ""


class RoundObserver:
    """Gets each round and each alert, on the main thread and in order, the alerts of a round after it.

    It must not take long: what waits for a network does so on a thread of its own. What it raises is logged, and it is
    not called again. After a restart it is not called for the rounds before: `rounds.jsonl` of the day has them.
    """

    def on_restart(self, going_on: Sequence[Alert]) -> None:
        """The monitor was started again: the latest alert of each failure pattern that was going on before."""

    def on_round(self, one: Round) -> None:
        """A round is over and kept."""

    def on_alert(self, alert: Alert) -> None:
        """A failure pattern has begun, become worse or is over (`alert.change`)."""

    def on_notice(self, alert: Alert) -> None:
        """The same for whom quiet hours spare: once these are over, unless the pattern is over as well."""
