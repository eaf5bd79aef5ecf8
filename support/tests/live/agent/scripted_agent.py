"""The agent of the small apps of the live tests, by rules.py: without a model and without network.

`Agent.answer` yields what it does: ("think", text), ("tool", id, name, arguments), ("result", id, name, text, failed),
("say", piece). It raises GaveUp.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Any

from rules import PACE_S, ToolFailed, needs_approval, pieces, result_of, said, takes_s, wanted

Approve = Callable[[str, dict[str, Any]], Awaitable[bool]]


class Agent:
    """One agent for all users. `notes` are kept by user; the history of a conversation is given with each request."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}
        self._calls = count(1)

    async def answer(
        self, user: str, text: str, history: list[str], approve: Approve | None = None
    ) -> AsyncIterator[tuple[Any, ...]]:
        """What the agent does for one request. `history`: what the user asked before in this conversation."""
        await asyncio.sleep(PACE_S)
        yield "think", "Let me see what is asked. "
        results: list[str] = []
        for calls in wanted(text):
            if needs_approval(text) and not (approve is not None and await approve(*calls[0])):
                continue
            named = [(f"call-{next(self._calls)}", *call) for call in calls]
            for each in named:
                yield "tool", *each
            await asyncio.sleep(max(takes_s(name) for _, name, _ in named))
            for call, name, arguments in named:
                result, failed = self._result(name, arguments, user)
                results.append(result)
                yield "result", call, name, result, failed
            if calls[0][0] == "research":
                yield "think", "Now I know more. "
        for piece in pieces(said(text, results, history)):
            await asyncio.sleep(PACE_S)
            yield "say", piece

    def _result(self, name: str, arguments: dict[str, Any], user: str) -> tuple[str, bool]:
        try:
            return result_of(name, arguments, self.notes, user), False
        except ToolFailed as error:
            return str(error), True
