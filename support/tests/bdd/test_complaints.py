"""Complaints read as sentences, and there may be none."""

import pytest
from greenlight_gate.bdd.matchers.complaints import nothing
from hamcrest import assert_that


def test_none_is_fine_and_any_is_told() -> None:
    assert_that([], nothing())

    with pytest.raises(AssertionError) as error:
        assert_that(["it was late", "it was lost"], nothing(), "promises")
    assert str(error.value) == (
        "promises\nExpected: no complaints\n     but: it was late; it was lost\n"
    )  # fmt: skip


def test_of_hundreds_the_first_are_told_and_how_many_more() -> None:
    with pytest.raises(AssertionError, match=r"complaint 9; and 290 more\n$"):
        assert_that([f"complaint {n}" for n in range(300)], nothing())
