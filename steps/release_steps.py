"""A release of a backend, and the verdict of the suite on it."""

from behave import given, then, when
from behave.runner import Context
from greenlight_gate.assurance.scene import release_of
from hamcrest import assert_that, contains_string, empty, equal_to, has_item


@given("a backend with this defect: {notice}")
def with_defect(context: Context, notice: str) -> None:
    release_of(context).of_which_users_say(notice)


@given("a backend without any defect")
def healthy(context: Context) -> None:
    release_of(context).healthy()


@given("a backend that never shows users what they have told it")
def forgetful(context: Context) -> None:
    release_of(context).that_shows_nobody_their_own()


@when("the release is judged")
def judged(context: Context) -> None:
    release_of(context).judge()


@then("it is blocked by {rule}: {promise}")
def blocked(context: Context, rule: str, promise: str) -> None:
    release = release_of(context)
    assert_that(sorted(release.objections), has_item(rule), f"{promise}\n{release.reasons}")
    assert_that(release.verdicts, equal_to({"BLOCKED"}), release.reasons)
    assert_that(release.faults, empty(), "the suite's own faults")


@then("it is approved, without any finding")
def approved(context: Context) -> None:
    release = release_of(context)
    assert_that(release.objections, empty(), release.reasons)
    assert_that(release.verdicts, equal_to({"APPROVED"}), release.reasons)


@then("it is inconclusive because of {rule}: {promise}")
def inconclusive(context: Context, rule: str, promise: str) -> None:
    release = release_of(context)
    assert_that(release.objections, empty(), release.reasons)
    assert_that(release.verdicts, equal_to({"INCONCLUSIVE"}), release.reasons)
    assert_that("\n".join(release.faults), contains_string(rule), promise)
    other = [fault for fault in release.faults if rule not in fault]
    assert_that(other, empty(), promise)
