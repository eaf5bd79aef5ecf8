"""CONNECTION and REFUSAL-4: doors that open in time, answer when spoken to, and close with a reason."""

from support.events import Control
from support.rules.state import Budgets, Report

_LEGAL = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
_NEVER_SENT = {1004: "reserved", 1005: "a close without a code", 1006: "no close frame", 1015: "a TLS failure"}


def on_opened(handshake_ms: float, n: int, budgets: Budgets, report: Report) -> None:
    """CONNECTION-1: the upgrade came in time."""
    if handshake_ms > budgets.handshake_s * 1e3:
        report("CONNECTION-1", f"a handshake within {budgets.handshake_s:g} s", f"{handshake_ms / 1e3:.2f} s", n)


def on_close_code(code: int | None, n: int, report: Report) -> None:
    """CONNECTION-3: a code that RFC 6455 section 7.4 allows on the wire (or a private one, 3000 to 4999)."""
    if code is None or code in _LEGAL or 3000 <= code <= 4999:
        return
    meaning = _NEVER_SENT.get(code, "not assigned")
    report("CONNECTION-3", "a legal close code", f"{code} ({meaning})", n)


def is_clear_error(control: Control) -> bool:
    """Whether an error says, in words or by a code, what was wrong."""
    text, code = control.values.get("text"), control.values.get("code")
    return any(isinstance(value, str) and value.strip() for value in (text, code))
