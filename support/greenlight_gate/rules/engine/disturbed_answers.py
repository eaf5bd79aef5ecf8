"""Answers to one request of a user, sent again and again: while another user reaches for its conversation, or not."""

from collections import deque
from typing import NamedTuple

from greenlight_gate.rules.engine.asked_input import Intruder

# How often an answer has to be another one, and how often the same without the other user. A model may answer in other
# words each time: that shows nothing.
TIMES = 3
_MOST = 256


class ChangedAnswer(NamedTuple):
    """An answer that is always another one when `intruder` asks meanwhile; `usual`: what it is when nobody does."""

    intruder: Intruder
    usual: str


class DisturbedAnswers:
    """Of the requests that were sent since the first attempt of another user; nothing is kept before that."""

    def __init__(self) -> None:
        self._any = False
        self._by: dict[str, Intruder] = {}
        self._alone: dict[tuple[str, str], deque[str]] = {}
        self._disturbed: dict[tuple[str, str], deque[str]] = {}

    def reached(self, request: str, intruder: Intruder) -> None:
        """Another user reaches for the conversation in which this request is answered."""
        self._any = True
        if len(self._by) < _MOST:
            self._by[request] = intruder

    def answered(self, user: str, prompt: str, request: str | None, answer: str) -> ChangedAnswer | None:
        """A request was answered; whether that was another answer for what another user did, as far as is known."""
        if not self._any:
            return None
        intruder, key = self._by.pop(request or "", None), (user, prompt)
        kept = self._alone if intruder is None else self._disturbed
        if key in kept or len(kept) < _MOST:
            kept.setdefault(key, deque(maxlen=TIMES)).append(answer)
        alone, disturbed = list(self._alone.get(key, ())), self._disturbed.get(key, ())
        if intruder is None or min(len(alone), len(disturbed)) < TIMES or len(set(alone)) > 1:
            return None
        return ChangedAnswer(intruder, alone[0]) if alone[0] not in disturbed else None
