"""A tool that always fails, because people must be told when one does."""

from greenlight_gate.backend.tools.tool import Errand, ToolResult


async def look_up(errand: Errand) -> ToolResult:
    """Fail, wherever the parameter `place` is."""
    del errand
    return ToolResult(ok=False, text="the weather service is unavailable")
