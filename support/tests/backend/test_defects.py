"""Each defect is visible on the wire, and the healthy backend shows nothing of the kind."""

import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from queue import SimpleQueue

import pytest
from greenlight_gate.backend.defects import REGISTRY, ConflictError, UnknownDefectError, activate
from greenlight_gate.backend.defects.registry import HIDING
from greenlight_gate.backend.launch import BackendProcess

from support.tests.backend.broken_access import ACCESS, answered_beyond_the_token
from support.tests.backend.broken_channels import CHANNELS
from support.tests.backend.broken_connections import LINES
from support.tests.backend.broken_conversations import QUIET_S, SUM, Scenario, Seen
from support.tests.backend.broken_conversations import SHOWN as CONVERSATIONS
from support.tests.backend.broken_inputs import INPUTS
from support.tests.backend.broken_model_calls import SHOWN as MODEL_CALLS
from support.tests.backend.broken_stops import STOPS
from support.tests.backend.broken_streams import STREAMS, heard_while_asked, left
from support.tests.backend.changing import Changing
from support.tests.backend.users import DEADLINE_S, ENVIRONMENT, is_end, kinds, tab

# With the usual settings a running answer ends with its token: `test_a_run_may_outlive_its_token`.
OUTLIVES = "token_expiry_ends_a_running_answer"
# With the usual settings a run goes on without its stream: `test_a_run_may_end_with_its_stream`.
LEAVES = "closed_stream_leaves_its_run"
# With the usual settings no heartbeat is due while a test waits: `test_heartbeats_come_while_a_user_is_asked`.
SILENT = "no_heartbeats_while_a_user_is_asked"
SHOWN = {**CONVERSATIONS, **ACCESS, **LINES, **STOPS, **INPUTS, **STREAMS, **CHANNELS}
AT_ONCE = 6
TRIES = 3
# With these nobody can say or hear anything.
SHUT_DOORS = {"closes_1011_at_start", "accepted_then_closed_1000"}


def test_every_defect_of_these_families_has_a_check() -> None:
    families = {"functional", "integration", "security", "resilience"}
    assert {*SHOWN, OUTLIVES, LEAVES, SILENT, *MODEL_CALLS} == {
        name for name, found in REGISTRY.items() if found.family in families
    }


@dataclass(frozen=True)
class Observations:
    """What a scenario shows on a backend with a defect, and with none: each has a backend to itself meanwhile."""

    free: "SimpleQueue[Changing]"
    broken: dict[str, Future[Seen]] = field(default_factory=dict)
    healthy: dict[Scenario, Future[Seen]] = field(default_factory=dict)

    def observe(self, scenario: Scenario, *defects: str) -> Seen:
        changing = self.free.get()
        try:
            with changing.broken(*defects) as backend:
                return scenario(backend.url)
        finally:
            self.free.put(changing)


@pytest.fixture(scope="module")
def observations(request: pytest.FixtureRequest) -> Iterator[Observations]:
    """What the backends show. Several run at a time, for each one mostly waits for what does not come."""
    items = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = {params["shown_defect"] for params in items if "shown_defect" in params}
    free: SimpleQueue[Changing] = SimpleQueue()
    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            free.put(stack.enter_context(Changing()))
        pool, observations = stack.enter_context(ThreadPoolExecutor(AT_ONCE)), Observations(free)
        for name, (scenario, _) in SHOWN.items():
            if name in wanted:
                observations.broken[name] = pool.submit(observations.observe, scenario, name)
                if scenario not in observations.healthy:
                    observations.healthy[scenario] = pool.submit(observations.observe, scenario)
        yield observations


@pytest.mark.parametrize("shown_defect", SHOWN)
def test_a_defect_shows_and_the_healthy_backend_does_not(observations: Observations, shown_defect: str) -> None:
    scenario, shown = SHOWN[shown_defect]
    seen, healthy = observations.broken[shown_defect].result(), observations.healthy[scenario].result()
    for _ in range(TRIES):
        if shown(seen):
            break
        # On a busy machine, what is to be done in the middle of a run may be done too late to show anything.
        seen = observations.observe(scenario, shown_defect)
    assert shown(seen), seen.frames
    assert not shown(healthy), healthy.frames


def test_a_run_may_outlive_its_token() -> None:
    environment = {**ENVIRONMENT, "CHAT_RUNS_OUTLIVE_TOKENS": "on"}
    for defects, ends in ([], ["agent_completed"]), ([OUTLIVES], []):
        with BackendProcess.start(defects, env=environment) as backend:
            seen = answered_beyond_the_token(backend.url)
        assert [event["type"] for event in seen.events if is_end(event)] == ends
        assert "UNAUTHENTICATED" in str(seen.frames[-2])
        assert "received 4401" in str(seen.frames[-1])


def test_a_run_may_end_with_its_stream() -> None:
    environment = {**ENVIRONMENT, "CHAT_RUNS_END_WITH_CONNECTION": "on"}
    for defects, ends in ([], ["agent_stopped"]), ([LEAVES], ["agent_completed"]):
        with BackendProcess.start(defects, env=environment) as backend:
            seen = left(backend.url)
        assert [event["type"] for event in seen.events if is_end(event)] == ends


def test_heartbeats_come_while_a_user_is_asked() -> None:
    environment = {**ENVIRONMENT, "CHAT_HEARTBEAT_S": "0.05"}
    for defects, comes in ([], True), ([SILENT], False):
        with BackendProcess.start(defects, env=environment) as backend:
            seen = heard_while_asked(backend.url)
        assert str(seen.frames[0]).startswith(":") is comes, seen.frames


@pytest.mark.parametrize("name", sorted(set(REGISTRY) - set(SHOWN)))
def test_a_defect_of_a_later_family_lets_the_backend_serve(changing: Changing, name: str) -> None:
    with (
        changing.broken(name) as broken,
        urllib.request.urlopen(f"{broken.http_url}/health", timeout=DEADLINE_S) as answer,
    ):
        assert answer.status == 200


def test_defects_act_on_every_run_and_together() -> None:
    defects = ["thinking_missing", "result_renamed=words"]
    with BackendProcess.start(defects, env=ENVIRONMENT) as broken, tab(broken.url) as ada:
        for _ in range(2):
            events = ada.run(SUM)
            assert kinds(events) == ["agent_started", "tool_executing", "tool_completed", "agent_completed"]
            assert "391" in events[-1]["payload"]["words"]


def as_many_as_go_together() -> list[str]:
    kept: list[str] = []
    for name in sorted(set(REGISTRY) - SHUT_DOORS):
        try:
            activate([*kept, name])
        except ConflictError:
            continue
        kept.append(name)
    return kept


def test_all_at_once_break_the_conversation_but_not_the_process() -> None:
    # Those that take six seconds of their own accord take no longer than is needed here.
    short = {name: f"{name}=0.1" for name in ("handshake_slow", "slow_start", "silent_gap")}
    together = [short.get(name, name) for name in as_many_as_go_together()]
    assert len(together) > 75
    assert set(short.values()) <= set(together)
    with BackendProcess.start(together, env=ENVIRONMENT) as broken:
        with tab(broken.url) as ada:
            ada.ask(SUM)
            ada.socket.send("{")
            ada.send({"type": "dance"})
            ada.raw_frames(quiet_s=QUIET_S)
        assert broken.alive
        assert broken.stderr_tail() == ""


def test_every_entry_is_complete() -> None:
    for name, found in REGISTRY.items():
        assert found.name == name
        assert found.notice.endswith(".")
        assert found.rules
        assert found.hooks


def test_values_and_their_units() -> None:
    for text in ("50", "50ms", "+50 ms", "50.0"):
        activate([f"events_after_completed={text}"])
    for text in ("", "-1", "5 s", "soon"):
        with pytest.raises(UnknownDefectError, match="takes a number of ms"):
            activate([f"events_after_completed={text}"])


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownDefectError, match=r"did you mean .*duplicate_delivery"):
        activate(["duplicated_delivery"])
    with pytest.raises(UnknownDefectError, match="`greenlight serve --list-defects` shows them all"):
        activate(["qqqqqqq"])


def test_defects_that_hide_each_other_are_refused_by_name() -> None:
    with pytest.raises(ConflictError, match="run_id_null and run_id_missing hide each other"):
        activate(["run_id_null", "thinking_missing", "run_id_missing"])
    with pytest.raises(ConflictError, match="slow_start is given twice"):
        activate(["slow_start", "slow_start=2"])


def test_what_hides_each_other_exists() -> None:
    assert {name for line in HIDING for name in line} <= set(REGISTRY)
    assert all(len(line) > 1 for line in HIDING)
