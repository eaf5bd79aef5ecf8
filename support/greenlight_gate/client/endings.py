"""How connections and attempts to connect end, in words."""

from greenlight_gate.findings import printable
from greenlight_gate.transport.interface import Ending, NotOpened

_SHOWN = 200


class NotConnected(Exception):
    """The backend did not accept this user's connection, or it has ended; the trace says how.

    `rule`: the one that is broken if the user had to be connected; "" where the suite or the profile is at fault.
    """

    def __init__(self, text: str, rule: str = "CONNECTION-1") -> None:
        super().__init__(text)
        self.rule = rule


def how(ending: Ending) -> str:
    """How a connection ended, as the rest of a sentence about it."""
    if ending.by == "nobody":
        return "ended without a close frame"
    if ending.by == "server" and ending.code is None:
        return "was ended by the backend, with its event stream"
    who = "was closed by the backend" if ending.by == "server" else "was closed by the suite"
    return f"{who} with {ending.code}{f' ({printable(ending.reason)})' if ending.reason else ''}"


def said(error: Exception) -> str:
    """Why an attempt to connect failed, in one printable line."""
    if isinstance(error, NotOpened):
        return str(error)
    if isinstance(error, TimeoutError):
        return "no answer to the upgrade in time"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(" ".join(text.split())[:_SHOWN] or type(error).__name__)
