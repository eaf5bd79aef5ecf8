"""Codecs by name: those that ship, and those that another package adds."""

from collections.abc import Callable
from typing import Any

from greenlight_gate.wire.codecs.base import Codec
from greenlight_gate.wire.codecs.packets import JupyterV1, SocketIo
from greenlight_gate.wire.codecs.protobuf import Protobuf
from greenlight_gate.wire.codecs.texts import Base64, Json, JsonOrText, JsonRpc, Lines, Sse, SseEnvelope
from greenlight_gate.wire.errors import ProfileError, one_of

GROUP = "greenlight.codecs"
_SHIPPED: dict[str, Callable[[str], Codec]] = {
    "json": Json,
    "json-or-text": JsonOrText,
    "ndjson": Lines,
    "sse": Sse,
    "sse-envelope": SseEnvelope,
    "base64": Base64,
    "json-rpc": JsonRpc,
    "socketio": SocketIo,
    "jupyter-v1": JupyterV1,
}


def known_codecs() -> list[str]:
    """The names of all codecs."""
    from importlib.metadata import entry_points  # noqa: PLC0415 -- it takes long, and is rarely asked

    return sorted({*_SHIPPED, "protobuf", *entry_points(group=GROUP).names})


def codec_named(text: str, descriptor: str, where: str) -> Codec:
    """The codec of an entry of a chain, "name" or "name:argument". Raises ProfileError."""
    name, colon, argument = text.partition(":")
    if colon and not argument:
        raise ProfileError(f"{where}: expected something behind the colon, got {text!r}")
    if name == "protobuf":
        return Protobuf(argument, descriptor)
    if name in _SHIPPED:
        if argument and name not in ("json", "base64"):
            raise ProfileError(f"{where}: {name} takes no argument, got {text!r}")
        return _SHIPPED[name](argument)
    one_of(name, known_codecs(), where)
    return _of_another_package(name, argument, where)


def _of_another_package(name: str, argument: str, where: str) -> Codec:
    from importlib.metadata import entry_points  # noqa: PLC0415 -- as above

    (entry,) = list(entry_points(group=GROUP, name=name))[:1]
    try:
        make: Any = entry.load()
        codec = make(argument)
    except Exception as error:  # foreign code: whatever it does, the profile cannot be used
        raise ProfileError(f"{where}: the codec {name!r} ({entry.value}) cannot be made: {error!r}") from error
    works = [callable(getattr(codec, name, None)) for name in ("decode", "encode")]
    if not all(works) or not isinstance(getattr(codec, "binary", None), bool):
        raise ProfileError(f"{where}: {entry.value} is no codec: it needs binary, decode and encode")
    return codec  # type: ignore[no-any-return]
