"""Greenlight: the acceptance suite that decides whether a streaming AI-chat backend may be released."""

__version__ = "0.1.0"
