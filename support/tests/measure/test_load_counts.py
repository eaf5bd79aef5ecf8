"""What is kept of a load is bounded, however long the load is, and leaves out nothing but sharpness."""

import pytest
from greenlight_gate.measure.load_counts import MOST_KEPT, Counting, Counts
from hypothesis import given
from hypothesis import strategies as st


def kept(count: int, peak_at: int = -1) -> list[Counts]:
    counting = Counting()
    for number in range(count):
        busy = 99 if number == peak_at else 3
        counting.add(Counts(at=float(number), asked=number, busy=busy, is_last=number == count - 1))
    return counting.kept


@pytest.mark.parametrize("count", [0, 1, 2, MOST_KEPT - 1, MOST_KEPT])
def test_of_a_short_load_all_is_kept(count: int) -> None:
    assert [counts.asked for counts in kept(count)] == list(range(count))


@given(st.integers(MOST_KEPT + 1, 5_000), st.data())
def test_of_a_long_load_the_first_and_the_last_are_and_each_peak(count: int, data: st.DataObject) -> None:
    some = kept(count, peak_at=data.draw(st.integers(1, count - 2)))

    assert len(some) <= MOST_KEPT
    assert (some[0].asked, some[-1].asked) == (0, count - 1)
    assert [counts.at for counts in some] == sorted({counts.at for counts in some})
    assert max(counts.busy for counts in some) == 99
