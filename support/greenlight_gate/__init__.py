"""Greenlight: the acceptance suite that decides whether a streaming AI-chat backend may be released."""

import sys

from greenlight_gate.interpreter import end_in_one_line

# Python imports this for `python -m greenlight_gate...`, and has not found that module yet: its imports take longest.
if sys.argv[:1] == ["-m"]:
    end_in_one_line()

__version__ = "0.1.0"
