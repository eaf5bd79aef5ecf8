"""Drafts a profile from recorded frames, to be finished by hand."""

from greenlight_gate.wire.drafting.draft import draft

__all__ = ["draft"]
