"""A tool that always fails, since users must receive the failure of a tool."""

from greenlight_gate.backend.tools.tool import Errand, ToolResult


async def look_up(errand: Errand) -> ToolResult:
    """Fail for any parameter `place`."""
    del errand
    return ToolResult(ok=False, text="the weather service is unavailable")
