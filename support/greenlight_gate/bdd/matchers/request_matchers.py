"""PyHamcrest matchers for an answer as the user received it.

    assert_that(question, shows(tool_executing(named="calculator")))
    assert_that(question, in_order(started(), thinking(), completed()))

A mismatch prints the events with the offending row marked.
"""

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus

from hamcrest.core.base_matcher import BaseMatcher
from hamcrest.core.description import Description
from hamcrest.core.matcher import Matcher

from greenlight_gate.bdd.matchers.event_patterns import EventPattern
from greenlight_gate.bdd.matchers.observable import claim, claimable
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import Control, Event, EventKind
from greenlight_gate.findings import numbered, printable
from greenlight_gate.rules.engine.canary import named

_MOST_ROWS = 200
_MOST_READ = 1_000
_SERVER_FAILED = 500
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_WORD = re.compile(r"\w+")
# What stands in the body of an error whatever has happened.
_OF_ERRORS = "error errors detail message code status type title html head body h1"


class _Shows(BaseMatcher[UserRequest]):
    def __init__(self, pattern: EventPattern, least: int, most: int | None) -> None:
        self.pattern = pattern
        self.least = least
        self.most = most

    def _matches(self, item: UserRequest) -> bool:
        claim(item, self.pattern)
        count = sum(self.pattern.fits(event) for event in item.events)
        return count >= self.least and (self.most is None or count <= self.most)

    def describe_to(self, description: Description) -> None:
        times = "once" if self.most == 1 == self.least else f"{numbered(self.least, 'time')} or more"
        times = "never" if self.most == 0 else times
        description.append_text(f"an answer that shows {self.pattern} {times}")

    def describe_mismatch(self, item: UserRequest, mismatch_description: Description) -> None:
        marked = [index for index, event in enumerate(item.events) if self.pattern.fits(event)]
        times = numbered(len(marked), "time") if marked else "never"
        mismatch_description.append_text(f"shown {times}:\n{table(item, marked)}")


class _InOrder(BaseMatcher[UserRequest]):
    def __init__(self, patterns: Sequence[EventPattern]) -> None:
        self.patterns = patterns

    def _matches(self, item: UserRequest) -> bool:
        self.patterns = claimable(item, self.patterns)
        return self._first_missing(item) is None

    def _first_missing(self, item: UserRequest) -> tuple[int, int] | None:
        """(index of the pattern that was not found, index of the event where the search began), or None."""
        at = 0
        for number, pattern in enumerate(self.patterns):
            found = next((i for i in range(at, len(item.events)) if pattern.fits(item.events[i])), None)
            if found is None:
                return number, at
            at = found + 1
        return None

    def describe_to(self, description: Description) -> None:
        description.append_text("an answer that shows, in this order, " + ", ".join(map(str, self.patterns)))

    def describe_mismatch(self, item: UserRequest, mismatch_description: Description) -> None:
        missing = self._first_missing(item)
        if missing is not None:
            number, at = missing
            where = "from the marked row on" if at < len(item.events) else "after that"
            mismatch_description.append_text(f"no {self.patterns[number]} {where}:\n{table(item, [at])}")


class _EndsWith(BaseMatcher[UserRequest]):
    def __init__(self, pattern: EventPattern) -> None:
        self.pattern = pattern

    def _matches(self, item: UserRequest) -> bool:
        claim(item, self.pattern)
        return bool(item.events) and self.pattern.fits(item.events[-1])

    def describe_to(self, description: Description) -> None:
        description.append_text(f"an answer whose last event is {self.pattern}")

    def describe_mismatch(self, item: UserRequest, mismatch_description: Description) -> None:
        mismatch_description.append_text(f"it was not:\n{table(item, [len(item.events) - 1])}")


class _EndsWithText(BaseMatcher[UserRequest]):
    def _matches(self, item: UserRequest) -> bool:
        return bool(item.events) and bool((item.events[-1].text or "").strip())

    def describe_to(self, description: Description) -> None:
        description.append_text("an answer whose last event has a text")

    def describe_mismatch(self, item: UserRequest, mismatch_description: Description) -> None:
        mismatch_description.append_text(f"it had none:\n{table(item, [len(item.events) - 1])}")


class _Answers(BaseMatcher[UserRequest]):
    def _matches(self, item: UserRequest) -> bool:
        answer = (item.answer or "").casefold()
        groups = item.expect.contains
        return bool(answer.strip()) and all(any(text.casefold() in answer for text in group) for group in groups)

    def describe_to(self, description: Description) -> None:
        description.append_text("an answer that answers the question")

    def describe_mismatch(self, item: UserRequest, mismatch_description: Description) -> None:
        wanted = " and ".join(" or ".join(map(repr, group)) for group in item.expect.contains) or "any answer"
        mismatch_description.append_text(f"expected {wanted}, got {item.answer!r}:\n{table(item, [])}")


class _Never(_Shows):
    def __init__(self, pattern: EventPattern) -> None:
        super().__init__(pattern, 0, 0)

    def _matches(self, item: UserRequest) -> bool:
        return bool(item.events) and super()._matches(item)


class _BeginsWith(_EndsWith):
    def _matches(self, item: UserRequest) -> bool:
        claim(item, self.pattern)
        return bool(item.events) and self.pattern.fits(item.events[0])

    def describe_to(self, description: Description) -> None:
        description.append_text(f"an answer whose first event is {self.pattern}")

    def describe_mismatch(self, item: UserRequest, mismatch_description: Description) -> None:
        mismatch_description.append_text(f"it was not:\n{table(item, [0])}")


class _Tools(BaseMatcher[UserRequest]):
    """Checks all tool events of an answer, of which there has to be at least one."""

    def __init__(self, kind: EventKind, what: str, right: Callable[[Event], bool]) -> None:
        self.kind = kind
        self.what = what
        self.right = right

    def _wrong(self, item: UserRequest) -> list[int] | None:
        tools = [index for index, event in enumerate(item.events) if event.kind is self.kind]
        return [index for index in tools if not self.right(item.events[index])] if tools else None

    def _matches(self, item: UserRequest) -> bool:
        claim(item, EventPattern(self.kind))
        return self._wrong(item) == []

    def describe_to(self, description: Description) -> None:
        description.append_text(f"an answer in which {self.what}")

    def describe_mismatch(self, item: UserRequest, mismatch_description: Description) -> None:
        wrong = self._wrong(item)
        said = "no tool was used" if wrong is None else "the marked rows do not match"
        mismatch_description.append_text(f"{said}:\n{table(item, wrong or [])}")


class _Each(BaseMatcher[Sequence[UserRequest]]):
    def __init__(self, matcher: Matcher[UserRequest]) -> None:
        self.matcher = matcher

    def _matches(self, item: Sequence[UserRequest]) -> bool:
        return bool(item) and all(self.matcher.matches(question) for question in item)

    def describe_to(self, description: Description) -> None:
        description.append_text("each of several answers: ").append_description_of(self.matcher)

    def describe_mismatch(self, item: Sequence[UserRequest], mismatch_description: Description) -> None:
        if not item:
            mismatch_description.append_text("there was no answer")
        for question in item:
            if not self.matcher.matches(question):
                mismatch_description.append_text(f"{question.user}, {question.text!r}: ")
                self.matcher.describe_mismatch(question, mismatch_description)
                return


class _Clear(BaseMatcher[Control | None]):
    def _matches(self, item: Control | None) -> bool:
        if item is None:
            return False
        said = [value for name in ("code", "text") if isinstance(value := item.values.get(name), str)]
        status = item.values.get("status")
        if not isinstance(status, int) or status < _SERVER_FAILED:
            return any(value.strip() for value in said)
        # A status of 500 or more says that the server has failed, and not what is wrong with the message.
        known = _WORD.findall(f"{status} {_PHRASES.get(status, '')} {_OF_ERRORS}".casefold())
        return any(word not in known for word in _WORD.findall(" ".join(said).casefold()))

    def describe_to(self, description: Description) -> None:
        description.append_text("an error that says what is wrong")

    def describe_mismatch(self, item: Control | None, mismatch_description: Description) -> None:
        if item is None:
            mismatch_description.append_text("no error")
            return
        said = [f"{name} {value!r}" for name in ("status", "code", "text") if (value := item.values.get(name))]
        mismatch_description.append_text(f"an error with {' and '.join(said) or 'neither code nor text'}")


def shows(pattern: EventPattern, least: int = 1) -> Matcher[UserRequest]:
    """At least this many matching events."""
    return _Shows(pattern, least, None)


def shows_once(pattern: EventPattern) -> Matcher[UserRequest]:
    """Exactly one matching event."""
    return _Shows(pattern, 1, 1)


def never_shows(pattern: EventPattern) -> Matcher[UserRequest]:
    """No matching event, in an answer that has events."""
    return _Never(pattern)


def in_order(*patterns: EventPattern) -> Matcher[UserRequest]:
    """Matching events in this order; others may come in between."""
    return _InOrder(patterns)


def ends_with(pattern: EventPattern) -> Matcher[UserRequest]:
    """The last event matches."""
    return _EndsWith(pattern)


def has_text_at_its_end() -> Matcher[UserRequest]:
    """The last event has a text: the answer, or an error."""
    return _EndsWithText()


def each(matcher: Matcher[UserRequest]) -> Matcher[Sequence[UserRequest]]:
    """Every one of several answers matches, and there is at least one."""
    return _Each(matcher)


def begins_with(pattern: EventPattern) -> Matcher[UserRequest]:
    """The first event matches."""
    return _BeginsWith(pattern)


def tools_are_named() -> Matcher[UserRequest]:
    """Every tool that was started has a name."""
    return _Tools(EventKind.TOOL_EXECUTING, "every tool has a name", lambda event: bool((event.tool or "").strip()))


def has_results_of_each_tool() -> Matcher[UserRequest]:
    """Every tool that finished succeeded, and has a result."""
    return _Tools(
        EventKind.TOOL_COMPLETED, "every tool has a result",
        lambda event: not event.tool_failed and bool((event.text or "").strip()),
    )  # fmt: skip


def is_clear() -> Matcher[Control | None]:
    """An error that says, by a code or in words, what is wrong; by HTTP, a status of 500 or more does not by itself."""
    return _Clear()


def answers() -> Matcher[UserRequest]:
    """There is an answer, and it contains what the expectation of the request names."""
    return _Answers()


def table(question: UserRequest, marked: Sequence[int]) -> str:
    """The events of an answer as an aligned text table; `marked` are indices of rows to mark."""
    rows = []
    for index, (event, at) in enumerate(zip(question.events, question.seen_at, strict=True)):
        arrow = ">>" if index in marked else "  "
        helper = " (sub-agent)" if event.parent is not None else ""
        tool = f"{event.tool}: " if event.tool else ""
        text = printable(" ".join(named(f"{tool}{event.text or ''}"[:_MOST_READ]).split())[:80])
        rows.append(f"{arrow} {at - question.asked_at:8.4f}  {event.kind + helper:<24}  {text}".rstrip())
    if len(rows) > _MOST_ROWS:
        # A very long answer is cut in the middle.
        half = _MOST_ROWS // 2
        rows[half:-half] = [f"   (left out here: {numbered(len(rows) - 2 * half, 'event')})"]
    return "\n".join(rows) or "   (no event was received)"
