"""Codecs: from the bytes of a message to the values that a profile matches, and back.

A chain is run from left to right: `codecs = ["sse?", "json"]`. Each codec turns one value into none, one or several.
`?` behind a name: undo it if it is there. A package of your own adds codecs by entry points `greenlight.codecs`.
"""

from greenlight_gate.wire.codecs.base import Codec, NotThereError, UndecodableError
from greenlight_gate.wire.codecs.registry import codec_named, known_codecs

__all__ = ["Codec", "NotThereError", "UndecodableError", "codec_named", "known_codecs"]
