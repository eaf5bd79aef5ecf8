"""Text that streams in pieces: a character may end at the border of two pieces, and is not cut in two there."""

import json

import pytest
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import Expect, Opened, Received, Sent

from support.tests.wire.recorded import shipped

HALF = ("CONTENT-2", "no lone surrogates", "half of a surrogate pair", (5,))
FAMILY = "👩‍👩‍👧"
RUN = {"threadId": "t1", "runId": "q1"}


def findings(pieces: list[str], *wanted: str) -> list[tuple[str, str, str, tuple[int, ...]]]:
    """What is found where these texts, as they stand in JSON, are the pieces of an answer that has to hold `wanted`."""
    checker = TraceChecker(shipped("ag-ui"), TimeBudgets(), 0.0)
    expect = Expect(prompt="Say it", contains=tuple((each,) for each in wanted), thinking=False)
    checker.feed(Opened(n=1, at=0.1, connection="c1", user="Ada"))
    checker.feed(Sent(n=2, at=0.2, connection="c1", what="start", text="Say it", request="q1", expect=expect))
    frames = [
        json.dumps({"type": "RUN_STARTED", **RUN}),
        *(f'{{"type":"TEXT_MESSAGE_CONTENT","messageId":"m1","delta":"{piece}"}}' for piece in pieces),
        json.dumps({"type": "RUN_FINISHED", **RUN}),
    ]
    for n, frame in enumerate(frames, 3):
        checker.feed(Received(n=n, at=n / 10, connection="c1", text=frame))
    checker.finish()
    return [(found.rule, found.expected, found.actual, found.evidence) for found in checker.findings]


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [
        (["Grü", "ße, 你", "好"], "Grüße, 你好"),
        (list(FAMILY), FAMILY),
        (["\\ud83d\\udc69", "\\u200d\\ud83d\\udc69\\u200d", "👧"], FAMILY),
        (["\u200f", "שלו", "\u200fם"], "שלום"),
        (["Gru", "\u0308ße"], "Grüße"),
        # The text of a JSON that holds a pair: its escapes are letters here.
        (['{\\"q\\": \\"\\\\ud83d', '\\\\udc69\\"}'], '{"q": "\\ud83d\\udc69"}'),
    ],
)
def test_what_ends_between_two_characters_is_whole(pieces: list[str], wanted: str) -> None:
    assert findings(pieces, wanted) == []


def test_half_of_a_surrogate_pair_is_reported_with_the_first_frame_that_holds_one() -> None:
    assert findings(["Look: ", "\\ud83d", "\\udc69!"]) == [HALF]


def test_halves_that_were_replaced_damage_what_the_answer_has_to_hold() -> None:
    (found,) = findings(["Grüße, ", "\ufffd", "\ufffd"], "Grüße, 👩")
    assert (found[0], found[2]) == (
        "CONTENT-2", "'Grüße, \ufffd\ufffd': characters were cut in two and decoded in parts"
    )  # fmt: skip
