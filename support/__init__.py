"""Greenlight: the acceptance suite that decides whether a streaming AI-chat backend may be released."""

from support.native import find_native

__version__ = "0.1.0"
find_native()
