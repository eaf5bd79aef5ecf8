"""What no command expected: nothing but Python itself is needed to tell it, since the installation may be broken."""

import sys
import traceback

INCONCLUSIVE = 2


def unexpected(error: Exception) -> int:
    """Tells on stderr what happened, and where, as the suite's own fault; the exit code of "nothing is decided"."""
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(error))
    sys.stderr.write("".join(traceback.format_exception(error)))
    sys.stderr.write(f"greenlight: Suite fault: {type(error).__name__}: {text}; the target was not judged\n")
    return INCONCLUSIVE
