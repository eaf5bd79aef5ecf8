"""What a tool is: it is called for a person with parameters, and finds something or says why not."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """One use of a tool."""

    tool: str
    parameters: Mapping[str, str]


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
