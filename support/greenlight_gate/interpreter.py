"""What the suite asks of the Python process in which it runs. Imports nothing but Python's own modules."""

import contextlib
import gc
import importlib
import io
import os
import signal
import sys
from types import ModuleType, TracebackType
from typing import Any

_INTERRUPTED = 130


def optimised() -> str:
    """What is wrong with a Python that drops assertions, in one line; "" where it keeps them."""
    if not sys.flags.optimize:
        return ""
    return (
        "PYTHONOPTIMIZE or `python -O`: expected a Python that keeps assertions, with which this suite checks itself; "
        "unset it"
    )


def end_in_one_line() -> None:
    """From now on, an interruption that nothing else takes ends this process with one line and exit code 130."""
    usual = sys.excepthook

    def said(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            usual(kind, error, trace)
            return
        # A signal that comes now would end the process in its own way, without this exit code.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stderr.write("greenlight: interrupted\n")
        raise SystemExit(_INTERRUPTED)

    sys.excepthook = said


def imported(name: str) -> ModuleType:
    """A module. What it brings stays, so Python does not look for garbage in it, now or when the process ends.

    That would take a fifth of the time of the imports of a command.
    """
    if name in sys.modules:
        return sys.modules[name]
    collects = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def prepare_streams() -> None:
    """Opens /dev/null in place of closed standard streams, and lets no character fail that a stream cannot encode.

    Without it the next file or socket would become descriptor 0, 1 or 2, and libuv aborts the process when it closes
    one of these. The command then begins anew, since Python looks at its streams only as it starts.
    """
    closed = [number for number in range(3) if not _is_open(number)]
    for _ in closed:
        # The lowest free number is taken, and it stays open in the program that follows.
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if closed:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 -- this very command
    # A process that runs a command within itself may have a stream without an encoding.
    if type(sys.stdout) is io.TextIOWrapper:
        sys.stdout = _ToAnyReader(sys.stdout)
    if type(sys.stderr) is io.TextIOWrapper:
        sys.stderr = _ToAnyReader(sys.stderr)


class _ToAnyReader(io.TextIOWrapper):
    """A standard stream whose reader may leave early, as `| head` does: what follows is dropped.

    The command goes on to its own exit code: an error would be one of the suite's own, and no word of the verdict.
    """

    def __init__(self, stream: io.TextIOWrapper) -> None:
        with contextlib.suppress(OSError):
            stream.flush()
        # The stream itself is left as it is: `behave` has given it to its formatters before the suite begins.
        raw: Any = io.FileIO(stream.fileno(), "w", closefd=False)
        # With PYTHONUNBUFFERED there is nothing between the text and the file.
        super().__init__(
            io.BufferedWriter(raw) if isinstance(stream.buffer, io.BufferedWriter) else raw, encoding=stream.encoding,
            errors="backslashreplace", line_buffering=stream.line_buffering, write_through=stream.write_through,
        )  # fmt: skip

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            self._drop()
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            self._drop()
            super().flush()

    def _drop(self) -> None:
        """From now on all goes to /dev/null, also what is buffered."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
