"""A slow search tool."""

import asyncio

from greenlight_gate.backend.tools.tool import Errand, ToolResult


class Research:
    """Searches slowly for the parameter `topic`."""

    def __init__(self, duration_s: float) -> None:
        self._duration_s = duration_s

    async def __call__(self, errand: Errand) -> ToolResult:
        """Return the result for the topic."""
        await asyncio.sleep(self._duration_s)
        topic = errand.parameters["topic"]
        return ToolResult(
            ok=True,
            text=f"Here is what the sources agree on about {topic}: three of them say the same, and none contradicts.",
        )
