"""`python -m greenlight_gate.model`: the scripted model as a process of the suite."""

import argparse
import sys

from greenlight_gate.model.command import serve_model
from greenlight_gate.targets.errors import Misconfigured


def main() -> int:
    """Serves until it is stopped; returns the exit code."""
    parser = argparse.ArgumentParser(prog="greenlight_gate.model", description="Serve a scripted model.")
    parser.add_argument("--script", required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    try:
        serve_model(options.script, "127.0.0.1", options.port, die_with_parent=True)
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
