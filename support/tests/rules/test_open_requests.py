"""The open requests of one connection and the ids that all connections know: literal values."""

import pytest
from greenlight_gate.events import Event, EventKind
from greenlight_gate.rules.engine.finding_sink import FindingSink
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.open_requests import OpenRequests
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import OpenTool, Request, UserTabs
from greenlight_gate.rules.engine.suite_stalls import Stalls

LONG = "a-name-of-twenty-six-chars"


def event_of(run: str = "r1", thread: str = "t1", **values: str) -> Event:
    return Event(EventKind.STARTED, run=run, thread=thread, **values)  # type: ignore[arg-type]


def opened(*asks: Request, registry: IdRegistry | None = None) -> OpenRequests:
    """Ada's connection, on which these requests are open."""
    sink = FindingSink("Ada", "c1", lambda _: None, UserTabs(), stalls=Stalls())
    made = OpenRequests(registry or IdRegistry(), "Ada", "c1", sink.report)
    for ask in asks:
        made.asked(ask)
    return made


def ask(n: int, thread: str | None = None) -> Request:
    return Request(n, 1.0, f"q{n}", thread, None)


class Settled:
    """Keeps the outcomes."""

    def __init__(self, requests: OpenRequests) -> None:
        self.outcomes: list[Outcome] = []
        requests.observers = (self,)

    def on_settled(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    @property
    def excused(self) -> list[bool]:
        return [outcome.excused for outcome in self.outcomes]


def test_a_wait_for_an_unknown_request_is_for_none_that_is_open() -> None:
    assert opened(ask(1)).waited_for("q9", None) is None


def test_a_wait_that_names_nothing_is_for_the_only_request_that_is_waited_for() -> None:
    abandoned, waited = ask(1), ask(2)
    abandoned.abandoned = True
    requests = opened(abandoned, waited)

    assert requests.waited_for(None, None) is waited
    assert requests.waiting(event_of()) is waited
    assert opened(ask(1), ask(2)).waited_for(None, None) is None


def test_stops_of_unknown_runs_are_remembered_up_to_a_limit() -> None:
    requests = opened()
    for number in range(100):
        requests.stopping(f"r{number}", 1.0, 1)

    assert requests._stopped == {f"r{number}" for number in range(64)}


@pytest.mark.parametrize(("restored", "replaying"), [(None, [False, False]), ("t1", [False, True])])
def test_one_thread_is_restored_or_all_are(restored: str | None, replaying: list[bool]) -> None:
    requests = opened()
    for thread in ("t1", "t2"):
        requests.restoring(thread, 0, 1.0)

    requests.restored(restored, 9)

    assert [requests.order(thread).replaying for thread in ("t1", "t2")] == replaying


def test_what_was_held_back_counts_for_no_run_and_no_tool() -> None:
    requests = opened(ask(1))
    run = requests.begin("r1", requests.asks[0], event_of(), 1.0)
    run.tools.append(OpenTool("weather", "k1", 3, 1.0))

    requests.held_back(9.0)

    assert (run.asked_at, run.last_at, run.tools[0].at) == (9.0, 9.0, 9.0)


def test_a_connection_that_is_closed_without_a_request_loses_nothing() -> None:
    idle, busy = opened(), opened(ask(1))
    for requests in (idle, busy):
        requests.closed("server")

    assert [requests.registry.tabs("Ada").closed_in_run for requests in (idle, busy)] == [False, True]


def test_requests_that_are_left_without_an_end_are_kept_up_to_a_limit() -> None:
    requests = opened(*(ask(number, "t1") for number in range(600)))

    requests.closed("server")

    assert [ask.n for ask in requests.registry.tabs("Ada").unfinished] == list(range(88, 600))


def test_only_what_is_not_over_is_resumed_and_then_it_is_not_lost() -> None:
    over, lost = ask(1, "t1"), ask(2, "t1")
    registry = IdRegistry()
    opened(over, lost, registry=registry).closed("server")
    over.over = True
    again = opened(registry=registry)

    again.restoring("t1", 0, 5.0)

    assert again.asks == [lost]
    assert (lost.resumed, lost.lost, lost.at) == (True, False, 5.0)


def test_what_the_backend_cut_short_is_owed_at_the_end_unless_it_belongs_to_another_user() -> None:
    lost, foreign, waiting = ask(1), ask(2), ask(3)
    foreign.foreign = True
    requests = opened(lost, foreign)
    requests.closed("server")
    requests.asked(waiting)
    settled = Settled(requests)

    requests.finish()

    assert settled.excused == [False, True, True]


def test_a_request_that_nobody_watched_to_its_end_owes_nothing() -> None:
    watched, unwatched = ask(1), ask(2)
    unwatched.unwatched = True
    requests = opened(watched, unwatched)
    settled = Settled(requests)

    for each in (watched, unwatched):
        requests.conclude(each)

    assert settled.excused == [False, True]


def test_the_only_open_run_is_the_one_that_was_asked_for() -> None:
    requests = opened(ask(1))
    run = requests.begin("r1", requests.asks[0], event_of(), 1.0)
    requests.sub_agent(run, event_of("r2", parent="r1"), 4, 1.0)

    assert requests.only_open(event_of("r9")) is run


def test_an_event_without_request_id_may_answer_either_of_two_requests() -> None:
    requests = opened(ask(1), ask(2))

    requests.begin("r1", requests.asks[0], event_of(), 1.0)

    assert [ask.mixed_up for ask in requests.asks] == [True, True]


# The id registry -------------------------------------------------------------------------------------------------


def test_a_value_of_two_users_belongs_to_neither() -> None:
    registry = IdRegistry()
    for user in ("Ada", "Bashir"):
        registry.scope("s1", user)
        registry.request("q1", user)

    assert (registry.scopes, registry.requests) == ({"s1": ""}, {"q1": None})


def test_all_long_ids_are_of_one_user_or_of_several() -> None:
    registry = IdRegistry()
    soles = []
    for number, user in enumerate(("Ada", "Ada", "Bashir", "Bashir")):
        registry.thread(f"{LONG}-{number}", user)
        soles.append(registry.sole)

    assert soles == ["Ada", "Ada", "", ""]


def test_a_run_of_another_user_has_shown_nothing() -> None:
    requests = opened(ask(1))
    requests.begin("r1", requests.asks[0], event_of(), 1.0)

    assert [requests.registry.has_shown("t1", user) for user in ("Ada", "Bashir")] == [True, False]


def test_a_name_that_is_still_a_thread_keeps_its_owner() -> None:
    registry = IdRegistry()
    registry.thread(LONG, "Ada")

    registry._disown(LONG)

    assert registry.owners == {LONG.encode(): "Ada"}


def test_a_stall_counts_for_no_request_that_was_left_open() -> None:
    registry, left = IdRegistry(), ask(1, "t1")
    opened(left, registry=registry).closed("server")

    registry.stalled(9.0, 3.0)

    assert (left.at, left.untimed) == (4.0, True)
