"""The entry point of `greenlight`: whatever goes wrong in the suite itself never ends with 1, a blocked target's code.

It imports nothing but Python's own modules until `main` can tell what failed, since the installation may be broken.
"""

import signal
import sys
import time

_INCONCLUSIVE, _MISCONFIGURED, _INTERRUPTED = 2, 3, 130
# Those who end a process often send two signals at once.
_TOGETHER_S = 1.0


def main(argv: list[str] | tuple[str, ...] | None = None) -> int:
    """Runs a command; returns its exit code. What no command expected is the suite's own fault, and is exit code 2."""
    try:
        # Before the imports, which take longest, and until the command has handlers of its own.
        _end_at_signals()
        from greenlight_gate.interpreter import optimised, prepare_streams  # noqa: PLC0415

        prepare_streams()
        if wrong := optimised():
            sys.stderr.write(f"greenlight: {wrong}\n")
            return _MISCONFIGURED
        from greenlight_gate.cli.command_line import run_command  # noqa: PLC0415

        return run_command(sys.argv[1:] if argv is None else list(argv))
    except KeyboardInterrupt:
        # A signal that comes now would end the process in its own way, without this exit code.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        sys.stderr.write("greenlight: interrupted\n")
        return _INTERRUPTED
    except SystemExit as end:
        # Of `--help` and of a wrong option; every other exit code is returned.
        if end.code in (None, 0, _MISCONFIGURED):
            raise
        return _unexpected(end)
    except BaseException as error:  # noqa: BLE001 -- Python would end with 1, which is what a blocked target ends with
        return _unexpected(error)


class _Early:
    """A handler that raises KeyboardInterrupt; what comes right after the first signal belongs to it.

    `has_come`: what is interrupted in C may swallow the exception, so `interruptible` raises it again.
    """

    def __init__(self) -> None:
        self.has_come = False
        self._last_s = -_TOGETHER_S

    def __call__(self, *_: object) -> None:
        self.has_come = True
        before_s, self._last_s = self._last_s, time.monotonic()
        if self._last_s - before_s >= _TOGETHER_S:
            raise KeyboardInterrupt


def _end_at_signals() -> None:
    """SIGINT and SIGTERM raise KeyboardInterrupt."""
    interrupted = _Early()
    unraisable = sys.unraisablehook

    def swallowed(said: "sys.UnraisableHookArgs") -> None:
        """An interruption that Python cannot raise where it came is raised later, and is no news."""
        if said.exc_type is not KeyboardInterrupt:
            unraisable(said)

    sys.unraisablehook = swallowed
    signal.signal(signal.SIGTERM, interrupted)
    # What a shell starts in the background ignores Ctrl-C.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupted)


def _unexpected(error: BaseException) -> int:
    """Tells on stderr what happened, and where, as the suite's own fault."""
    import traceback  # noqa: PLC0415

    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(error))
    sys.stderr.write("".join(traceback.format_exception(error)))
    sys.stderr.write(f"greenlight: Suite fault: {type(error).__name__}: {text}; the target was not judged\n")
    return _INCONCLUSIVE


if __name__ == "__main__":
    raise SystemExit(main())
