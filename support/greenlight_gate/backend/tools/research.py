"""A slow search tool."""

import asyncio

from greenlight_gate.backend.tools.tool import ToolResult, ToolTask


class Research:
    """Searches slowly for the parameter `topic`."""

    def __init__(self, duration_s: float) -> None:
        self._duration_s = duration_s

    async def __call__(self, task: ToolTask) -> ToolResult:
        """Return the result for the topic."""
        await asyncio.sleep(self._duration_s)
        topic = task.parameters["topic"]
        return ToolResult(
            ok=True,
            text=f"Here is what the sources agree on about {topic}: three of them say the same, and none contradicts.",
        )
