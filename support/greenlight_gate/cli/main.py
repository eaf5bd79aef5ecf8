"""The entry point of `greenlight`: whatever goes wrong in the suite itself never ends with 1, a blocked target's code.

It imports nothing but Python's own modules until `main` can tell what failed, since the installation may be broken.
"""

import signal
import sys

_INCONCLUSIVE, _MISCONFIGURED, _INTERRUPTED = 2, 3, 130


def main(argv: list[str] | tuple[str, ...] | None = None) -> int:
    """Runs a command; returns its exit code. What no command expected is the suite's own fault, and is exit code 2."""
    try:
        # Before the imports, which take longest, and until the command has handlers of its own.
        signal.signal(signal.SIGTERM, _interrupted)
        from greenlight_gate.interpreter import optimised, prepare_streams  # noqa: PLC0415

        prepare_streams()
        if wrong := optimised():
            sys.stderr.write(f"greenlight: {wrong}\n")
            return _MISCONFIGURED
        from greenlight_gate.cli.command_line import run_command  # noqa: PLC0415

        return run_command(sys.argv[1:] if argv is None else list(argv))
    except KeyboardInterrupt:
        sys.stderr.write("greenlight: interrupted\n")
        return _INTERRUPTED
    except SystemExit as end:
        # Of `--help` and of a wrong option; every other exit code is returned.
        if end.code in (None, 0, _MISCONFIGURED):
            raise
        return _unexpected(end)
    except BaseException as error:  # noqa: BLE001 -- Python would end with 1, which is what a blocked target ends with
        return _unexpected(error)


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _unexpected(error: BaseException) -> int:
    """Tells on stderr what happened, and where, as the suite's own fault."""
    import traceback  # noqa: PLC0415

    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(error))
    sys.stderr.write("".join(traceback.format_exception(error)))
    sys.stderr.write(f"greenlight: Suite fault: {type(error).__name__}: {text}; the target was not judged\n")
    return _INCONCLUSIVE


if __name__ == "__main__":
    raise SystemExit(main())
