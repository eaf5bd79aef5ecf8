"""Traces of broken backends, each with the whole result that the rules must give.

The first finding of each that names the rule of the defect is what `defects.md` promises; what else is found with it
follows from it, and is literal here so that no change goes unseen.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from greenlight_gate.trace import Expect

from support.tests.rules.talk import TOOL_QUESTION, Body, Talk, Whole, asked

Build = Callable[[], Talk]

BROKEN: dict[str, tuple[Build, list[Whole]]] = {}
BASHIR: Body = {"request": "q2", "connection": "c2", "thread": "t2", "user": "user-bashir"}
TWO_TOOLS = Expect(prompt="Compare Oslo and Rome", thinking=True, tools=2, parallel=True)
FAILING = Expect(prompt="Try it", thinking=True, tools=1, failing_tool=True)
PACED = Expect(prompt="Research it", paced=True)


def broken(*whole: Whole) -> Callable[[Build], Build]:
    """Registers a trace with all that the rules find in it: (rule, expected, actual, evidence)."""

    def register(build: Build) -> Build:
        BROKEN[build.__name__] = (build, list(whole))
        return build

    return register


def changed(change: Callable[[Body], Any], expect: Expect = TOOL_QUESTION) -> Talk:
    """A whole answer, with each of its frames changed."""
    talk = asked(expect)
    talk.change = change
    return talk.answer()


def only(kind: str, change: Callable[[Body], Any]) -> Callable[[Body], Any]:
    """The change, for one kind of event."""
    return lambda body: change(body) if body["type"] == kind else body


def without(body: Body, *names: str) -> Body:
    return {key: value for key, value in body.items() if key not in names}


def payload(body: Body, **values: Any) -> Body:
    return {**body, "payload": {**body["payload"], **values}}


def again(talk: Talk, connection: str = "c1") -> Talk:
    """The last frame once more."""
    return talk.frame(talk.last_text(), connection)


def swap(talk: Talk, first: int, second: int) -> Talk:
    """Lets two received frames change places."""
    a: Any = talk.records[first]
    b: Any = talk.records[second]
    talk.records[first] = msgspec.structs.replace(a, text=b.text)
    talk.records[second] = msgspec.structs.replace(b, text=a.text)
    return talk
