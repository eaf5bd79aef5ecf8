"""Entry point of `python -m support.backend`."""

import sys

from support.backend.cli import main

sys.exit(main(sys.argv[1:]))
