"""The frames of a shard's requests: what all users send alike is made once, and kept once."""

import json
import re

from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.templates import names_in

_REQUEST, _THREAD = "greenlight-request-place", "greenlight-thread-place"
_PLACES = re.compile(f"({_REQUEST}|{_THREAD})")
# Each user may have prompts of its own: these are not kept for ever.
_MOST_PROMPTS = 1_024


def speaks_plainly(profile: Profile) -> bool:
    """Whether users only connect, send one text frame for each request, and read: most of it is then made once."""
    spec = profile.spec
    own = {"user", "user_name", "token", *spec.values, *spec.needs}
    more = (spec.before, spec.after, spec.handshake, spec.answers, spec.connection.events, "unsubscribe" in spec.send)
    if any(more) or "start" in spec.calls or spec.looked_up & own:
        return False
    if spec.connection.runs == "one" or {name for _, name in names_in(spec.send.get("ping"), "")} - {"nonce"}:
        return False
    try:
        _, messages = profile.wire(spec.send["start"], {"request": "r", "prompt": "p", "thread": None})
    except KeyError:
        return False
    return len(messages) == 1 and isinstance(messages[0], str)


class RequestFrames:
    """Fills in a profile's frame of a request, with the ids of each request in their places.

    Not every profile has a place for both of them.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._parts: dict[tuple[str, bool], list[str]] = {}

    def frame(self, prompt: str, request: str, thread: str | None) -> bytes:
        """One request as it is sent. `request`: an id that is the same in JSON as it is."""
        key = (prompt, thread is None)
        parts = self._parts.get(key)
        if parts is None:
            if len(self._parts) >= _MOST_PROMPTS:
                self._parts.clear()
            place = None if thread is None else _THREAD
            text = self._profile.frame("start", request=_REQUEST, prompt=prompt, thread=place)
            parts = self._parts[key] = _PLACES.split(text)
        ids = {_REQUEST: request}
        if thread is not None:
            ids[_THREAD] = json.dumps(thread, ensure_ascii=False)[1:-1]
        return "".join([ids.get(part, part) for part in parts]).encode()
