"""Reports an unexpected exception; uses the standard library only, since the installation may be broken."""

import sys
import traceback

INCONCLUSIVE = 2


def unexpected(error: Exception) -> int:
    """Reports the exception and its place on stderr as a fault of the suite. Returns the exit code of INCONCLUSIVE."""
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(error))
    sys.stderr.write("".join(traceback.format_exception(error)))
    sys.stderr.write(f"greenlight: Suite fault: {type(error).__name__}: {text}; the target was not judged\n")
    return INCONCLUSIVE
