"""A slow search, as a real one would be."""

import asyncio

from greenlight_gate.backend.tools.tool import Errand, ToolResult


class Research:
    """Takes its time over the parameter `topic`."""

    def __init__(self, duration_s: float) -> None:
        self._duration_s = duration_s

    async def __call__(self, errand: Errand) -> ToolResult:
        """Return what is known about the topic."""
        await asyncio.sleep(self._duration_s)
        topic = errand.parameters["topic"]
        return ToolResult(
            ok=True,
            text=f"Here is what the sources agree on about {topic}: three of them say the same, and none contradicts.",
        )
