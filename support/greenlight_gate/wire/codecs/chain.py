"""A chain of codecs, as `[frame] codecs` names it: from the bytes of a message to the values in it."""

from collections.abc import Sequence
from typing import Any

from greenlight_gate.wire.codecs.base import Codec, NotThereError
from greenlight_gate.wire.codecs.registry import codec_named


class CodecChain:
    """The codecs of a profile in their order; one whose name ends in `?` is passed over where it does not apply.

    JSON-RPC is JSON, which need not be said.
    """

    def __init__(self, names: Sequence[str], descriptor: str = "") -> None:
        names = ("json", *names) if names and names[0] == "json-rpc" else names
        self.codecs: list[tuple[Codec, bool]] = [
            (codec_named(name.removesuffix("?"), descriptor, f"frame.codecs[{index}]"), name.endswith("?"))
            for index, name in enumerate(names)
        ]

    def decode(self, data: bytes) -> list[Any]:
        """The values in one message. Raises UndecodableError."""
        parts: list[Any] = [data]
        for codec, optional in self.codecs:
            parts = [inner for part in parts for inner in undone(codec, optional, part)]
        return parts


def undone(codec: Codec, optional: bool, part: Any) -> list[Any]:
    """What one codec makes of a value. Raises UndecodableError."""
    try:
        return codec.decode(part)
    except NotThereError:
        if optional:
            return [part]
        raise
