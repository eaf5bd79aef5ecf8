"""One HTTP request as a profile or a target file writes it: what is sent, and what is kept of the response."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from greenlight_gate.wire.templates import names_in
from greenlight_gate.wire.values import MISSING, walk

# In a capture: the value of a cookie that the response sets, in place of a path into its JSON.
COOKIE = "cookie:"


class HttpCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One HTTP request; texts in `path`, `json`, `form` and `headers` are templates.

    `path` is at the target's origin, or a full URL. `json` or `form` is the body. `status` lists what is right.
    `capture` keeps values of the response by name: a path into its JSON, or `cookie:NAME`.
    """

    path: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    json: Any = None
    form: dict[str, str] | None = None
    headers: dict[str, str] = {}
    status: tuple[int, ...] = (200, 201, 202, 204)
    capture: dict[str, str] = {}

    @property
    def templates(self) -> tuple[Any, ...]:
        """All that is filled in before it is sent."""
        return self.path, self.json, self.form, self.headers

    @property
    def names(self) -> Iterator[str]:
        """The names of the values that it is filled in with."""
        return (name for template in self.templates for _, name in names_in(template, ""))

    def captured(self, body: Any, cookies: Mapping[str, str]) -> dict[str, Any]:
        """What a response with this JSON and these cookies gives, by name; MISSING for what it does not have."""
        return {name: _found(place, body, cookies) for name, place in self.capture.items()}


def _found(place: str, body: Any, cookies: Mapping[str, str]) -> Any:
    if place.startswith(COOKIE):
        return cookies.get(place.removeprefix(COOKIE), MISSING)
    return walk(body, place)
