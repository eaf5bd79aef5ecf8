"""What the suite asks of the Python process in which it runs. Imports nothing but Python's own modules."""

import contextlib
import os
import sys


def optimised() -> str:
    """What is wrong with a Python that drops assertions, in one line; "" where it keeps them."""
    if not sys.flags.optimize:
        return ""
    return (
        "PYTHONOPTIMIZE or `python -O`: expected a Python that keeps assertions, with which this suite checks itself; "
        "unset it"
    )


def prepare_streams() -> None:
    """Opens /dev/null in place of closed standard streams, and lets no character fail that a stream cannot encode.

    Without it the next file or socket would become descriptor 0, 1 or 2, and libuv aborts the process when it closes
    one of these.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken, and those below are open.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 -- stays open
    for stream in (sys.stdout, sys.stderr):
        # Whoever runs a command inside a process of their own may have put a stream in place that has no encoding.
        if hasattr(stream, "reconfigure"):
            # A pipe in place of a file does not matter here: who writes to it is told then.
            with contextlib.suppress(OSError):
                stream.reconfigure(errors="backslashreplace")
