"""A matcher for lists of complaints: there may be none, and those that there are read as sentences."""

from collections.abc import Sequence

from hamcrest.core.base_matcher import BaseMatcher
from hamcrest.core.description import Description
from hamcrest.core.matcher import Matcher

_MOST = 10


class _Nothing(BaseMatcher[Sequence[str]]):
    def _matches(self, item: Sequence[str]) -> bool:
        return not item

    def describe_to(self, description: Description) -> None:
        description.append_text("nothing to object to")

    def describe_mismatch(self, item: Sequence[str], mismatch_description: Description) -> None:
        more = f"; and {len(item) - _MOST} more" if len(item) > _MOST else ""
        mismatch_description.append_text(f"{'; '.join(item[:_MOST])}{more}")


def nothing() -> Matcher[Sequence[str]]:
    """No complaint at all."""
    return _Nothing()
