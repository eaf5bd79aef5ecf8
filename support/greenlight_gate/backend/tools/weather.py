"""A tool that always fails, since users must receive the failure of a tool."""

from greenlight_gate.backend.tools.tool import ToolResult, ToolTask


async def look_up(task: ToolTask) -> ToolResult:
    """Fail for any parameter `place`."""
    del task
    return ToolResult(ok=False, text="the weather service is unavailable")
