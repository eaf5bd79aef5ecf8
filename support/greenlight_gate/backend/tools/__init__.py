"""The assistant's tools."""

from greenlight_gate.backend.settings import Settings
from greenlight_gate.backend.store import Store
from greenlight_gate.backend.tools import calculator, notes, research, weather
from greenlight_gate.backend.tools.tool import Tool


def toolbox(store: Store, settings: Settings) -> dict[str, Tool]:
    """Return all tools by name."""
    return {
        "calculator": calculator.work_out,
        "notes": notes.Notes(store),
        "research": research.Research(settings.slow_tool_s),
        "weather": weather.look_up,
    }
