"""Entry point of `python -m greenlight_gate.backend`."""

import sys

from greenlight_gate.backend.cli import main

sys.exit(main(sys.argv[1:]))
