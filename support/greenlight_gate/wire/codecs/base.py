"""What a codec is."""

from typing import Any, Protocol


class UndecodableError(Exception):
    """The codec cannot read this; the message says why, in one line. Such frames are counted and shown, never fatal."""


class NotThereError(UndecodableError):
    """The value is not in this codec's form at all: with `?` it is passed on as it is."""


class Codec(Protocol):
    """One step of a chain. `binary`: its messages are binary frames, which are no error then."""

    binary: bool

    def decode(self, value: Any) -> list[Any]:
        """The values inside of one value (bytes at the beginning of a chain). Raises UndecodableError."""

    def encode(self, value: Any) -> Any:
        """The way back, for what is sent: a value in, a value, str or bytes out. Raises UndecodableError."""
