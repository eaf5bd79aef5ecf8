"""A matcher for a list of complaints, which has to be empty."""

from collections.abc import Sequence

from hamcrest.core.base_matcher import BaseMatcher
from hamcrest.core.description import Description
from hamcrest.core.matcher import Matcher

_MOST = 10


class _Nothing(BaseMatcher[Sequence[str]]):
    def _matches(self, item: Sequence[str]) -> bool:
        return not item

    def describe_to(self, description: Description) -> None:
        description.append_text("no complaints")

    def describe_mismatch(self, item: Sequence[str], mismatch_description: Description) -> None:
        more = f"; and {len(item) - _MOST} more" if len(item) > _MOST else ""
        mismatch_description.append_text(f"{'; '.join(item[:_MOST])}{more}")


def nothing() -> Matcher[Sequence[str]]:
    """Matches an empty list."""
    return _Nothing()
