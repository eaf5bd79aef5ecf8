"""The assistant's tools."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from greenlight_gate.backend.settings import Settings
from greenlight_gate.backend.store import Store


@dataclass(frozen=True)
class Errand:
    """For whom a tool works, and on what."""

    user_id: str
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class ToolResult:
    """What a tool found, or why it failed: one line either way."""

    ok: bool
    text: str


Tool = Callable[[Errand], Awaitable[ToolResult]]


def toolbox(store: Store, settings: Settings) -> dict[str, Tool]:
    """Return all tools by name."""
    from greenlight_gate.backend.tools import calculator, notes, research, weather  # noqa: PLC0415 - they import this module

    return {
        "calculator": calculator.work_out,
        "notes": notes.Notes(store),
        "research": research.Research(settings.slow_tool_s),
        "weather": weather.look_up,
    }
