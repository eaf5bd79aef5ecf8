"""The interface of a tool: it is called for a user with parameters, and returns a result or an error."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """One call of a tool."""

    tool: str
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class ToolTask:
    """The user and the parameters of a tool call."""

    user_id: str
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class ToolResult:
    """The result of a tool, or why it failed, as one line."""

    ok: bool
    text: str


Tool = Callable[[ToolTask], Awaitable[ToolResult]]
