"""How connections and attempts at one end, in words."""

from websockets.exceptions import InvalidMessage, InvalidStatus

from greenlight_gate.client.stamped_connection import Ending
from greenlight_gate.findings import printable

_SHOWN = 200


class NotConnected(Exception):  # noqa: N818 -- reads as what a step reports
    """The backend did not let this person in, or the connection has ended; the trace says how."""


def how(ending: Ending) -> str:
    """How a connection ended, as the rest of a sentence about it."""
    if ending.by == "nobody":
        return "broke without a close frame"
    who = "was closed by the backend" if ending.by == "server" else "was given up"
    return f"{who} with {ending.code}{f' ({printable(ending.reason)})' if ending.reason else ''}"


def said(error: Exception) -> str:
    """What a failed connection attempt says, in one printable line."""
    if isinstance(error, InvalidStatus):
        status, location = error.response.status_code, error.response.headers.get("Location")
        if 300 <= status < 400 and location:
            return printable(f"HTTP {status}, a redirect to {location.partition('?')[0][:_SHOWN]}")
        body = (error.response.body or b"")[:_SHOWN].decode(errors="replace").strip()
        return printable(f"HTTP {status}{f': {body}' if body else ''}")
    if isinstance(error, InvalidMessage):
        return printable(f"no HTTP answer to the upgrade ({error.__cause__ or error})"[:_SHOWN])
    if isinstance(error, TimeoutError):
        return "no answer to the upgrade in time"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(" ".join(text.split())[:_SHOWN] or type(error).__name__)
