"""Where a request carries its trace context: `[send.start] trace = "metadata.traceparent"`."""

import copy
from typing import Any

from greenlight_gate.wire.errors import ProfileError

_KEY = "trace"
_WHERE = f"send.start.{_KEY}"
_PLACEHOLDER = "{traceparent}"


def read_trace_place(send: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """The templates without that entry, and the template of a traced request; None where the profile has no place.

    The entry stands in the table of the message, or of one of several messages, that carries it. Raises ProfileError.
    """
    start = send.get("start")
    messages = [start] if isinstance(start, dict) else start if isinstance(start, list) else []
    found = [number for number, message in enumerate(messages) if isinstance(message, dict) and _KEY in message]
    if not found:
        return send, None
    if len(found) > 1:
        raise ProfileError(f"{_WHERE}: expected it in one of the messages, got it in {len(found)}")
    plain = copy.deepcopy(messages)
    path = plain[found[0]].pop(_KEY)
    traced = copy.deepcopy(plain)
    _put(traced[found[0]], path)
    if isinstance(start, dict):
        return {**send, "start": plain[0]}, traced[0]
    return {**send, "start": plain}, traced


def _put(message: dict[str, Any], path: Any) -> None:
    keys = path.split(".") if isinstance(path, str) else []
    if not keys or not all(key and key.replace("_", "a").replace("-", "a").isalnum() for key in keys):
        raise ProfileError(f'{_WHERE}: expected a path of keys, for instance "metadata.traceparent", got {path!r}')
    table = message
    for number, key in enumerate(keys[:-1], 1):
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise ProfileError(f"{_WHERE}: expected a table at {'.'.join(keys[:number])}, got {table!r}")
    if keys[-1] in table:
        raise ProfileError(f"{_WHERE}: expected a key that the message does not have, got {path!r}")
    table[keys[-1]] = _PLACEHOLDER
