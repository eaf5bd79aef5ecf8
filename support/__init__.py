"""Greenlight: the acceptance suite that decides whether a streaming AI-chat backend may be released."""

from support.compiled import find_compiled

__version__ = "0.1.0"
find_compiled()
