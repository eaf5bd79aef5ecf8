"""The scripted agent in a kernel: `%%ask` and a question below it.

What it does is shown as display_data, whose metadata say what; the answer is printed. It asks its user by input().
What a conversation was about is the state of the kernel. Notes lie in the folder of the user, where the kernel runs.
"""

import json
import signal
import time
from pathlib import Path
from typing import Any

from IPython.display import publish_display_data
from rules import PACE_S, ToolFailed, needs_approval, pieces, result_of, said, takes_s, wanted

_WAITS_S = 1.0
_NOTES = Path("notes.txt").absolute()
_asked: list[str] = []


class _TooLate(BaseException):
    """No answer came in time. The kernel swallows each Exception while it waits for input."""


def ask(_: str, cell: str) -> None:
    """Answers one question."""
    text = cell.strip()
    history = list(_asked)
    _asked.append(text)
    _show("reasoning", "Let me see what is asked.")
    results: list[str] = []
    for at, calls in enumerate(wanted(text)):
        if needs_approval(text) and not _approved(calls[0][0]):
            continue
        named = [(f"call-{len(_asked)}-{at}-{number}", *call) for number, call in enumerate(calls)]
        for id_, name, arguments in named:
            _show("tool started", json.dumps(arguments), id=id_, tool=name, arguments=arguments)
        time.sleep(max(takes_s(name) for _, name, _ in named))
        for id_, name, arguments in named:
            result, failed = _result(name, arguments)
            results.append(result)
            _show("tool ended", result, id=id_, tool=name, failed=failed)
        if calls[0][0] == "research":
            _show("reasoning", "Now I know more.")
    for piece in pieces(said(text, results, history)):
        time.sleep(PACE_S)
        print(piece, end="", flush=True)


def _approved(tool: str) -> bool:
    def give_up(*_: Any) -> None:
        raise _TooLate

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, _WAITS_S)
    try:
        return input(f"May I use the {tool}? ") == "yes"
    except _TooLate:
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _result(name: str, arguments: dict[str, Any]) -> tuple[str, bool]:
    notes = {"": _NOTES.read_text()} if _NOTES.exists() else {}
    try:
        result = result_of(name, arguments, notes, "")
    except ToolFailed as error:
        return str(error), True
    if arguments.get("write"):
        _NOTES.write_text(notes[""])
    return result, False


def _show(what: str, text: str, **more: Any) -> None:
    publish_display_data({"text/plain": text}, {"agent": {"what": what, **more}})


def load_ipython_extension(shell: Any) -> None:
    """What IPython calls as a kernel starts."""
    shell.register_magic_function(ask, "cell")
    show = shell._showtraceback
    # Users read why a cell failed, and no trace of its code.
    shell._showtraceback = lambda kind, error, _: show(kind, error, [f"{kind.__name__}: {error}"])
