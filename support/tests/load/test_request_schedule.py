"""Requests of an open load that no user was free for: literal times, nothing is waited for."""

import asyncio
import time
from typing import Any

import pytest
from greenlight_gate.load.meters import Meters
from greenlight_gate.load.plan import LoadPlan, PlannedUser, Share
from greenlight_gate.load.request_schedule import RequestSchedule
from greenlight_gate.rules.engine.deadlines import TimeBudgets

from support.tests.load.users import PROFILE

ADA = PlannedUser("Ada", "user-ada", "ws://127.0.0.1:1/ws", ())


def schedule(start_s: float, **values: Any) -> tuple[RequestSchedule, Meters]:
    """The schedule of an open load on which no user is connected."""
    budgets = TimeBudgets(start_s=start_s)
    plan = LoadPlan(
        id="p", profile_toml=PROFILE, users=(ADA, ADA), budgets=budgets, clock="same-host", arrival="open", rate=100.0,
        **values,
    )  # fmt: skip
    meters = Meters(0.0, None)
    return RequestSchedule(Share(plan, 0, 1, budgets), meters, {}, asyncio.Event()), meters


def test_a_request_that_waits_longer_than_a_user_would_is_dropped() -> None:
    made, meters = schedule(5.0)
    made._overdue.extend([0.0, 4.0, 5.0, 9.0])

    made.serve_overdue(10.0)

    assert (list(made._overdue), meters.dropped) == ([5.0, 9.0], 2)


@pytest.mark.parametrize(("runs_each", "dropped"), [(None, 50), (3, 6)])
def test_what_is_still_due_at_the_end_is_dropped(runs_each: int | None, dropped: int) -> None:
    """Half a second of a hundred requests a second, all of them due before it begins; or six in all."""
    made, meters = schedule(1e6, runs_each=runs_each, duration_s=0.495)

    asyncio.run(made.run(time.monotonic() - 1000.0))

    assert (meters.dropped, len(made._overdue)) == (dropped, 0)
