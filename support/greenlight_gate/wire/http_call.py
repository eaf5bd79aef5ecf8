"""One HTTP request as a profile or a target file writes it: what is sent, and what is kept of the response."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from greenlight_gate.wire.errors import ProfileError, check_names, convert, known
from greenlight_gate.wire.templates import RESERVED, names_in
from greenlight_gate.wire.values import MISSING, walk

# In a capture: the value of a cookie that the response sets, in place of a path into its JSON.
COOKIE = "cookie:"
# What users may do by an HTTP request beside their connection.
BY_HTTP = ("start", "claim", "stop", "restore", "edit", "regenerate", "respond")


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


def read_calls(send: Mapping[str, Any]) -> dict[str, HttpCall]:
    """Which entries of [send] are HTTP requests (`http = {...}`) in place of frames. Raises ProfileError."""
    found = {}
    for name, template in send.items():
        if not (isinstance(template, dict) and "http" in template):
            continue
        where = f"send.{name}.http"
        known(template, ("http",), f"send.{name}")
        if name not in BY_HTTP:
            raise ProfileError(f"{where}: expected it for one of {', '.join(BY_HTTP)}, got {name}")
        found[name] = request = convert(template["http"], HttpCall, where)
        if not request.path.startswith(("/", "http://", "https://")):
            raise ProfileError(f"{where}.path: expected a path that begins with / or a full URL, got {request.path!r}")
        if request.json is not None and request.form is not None:
            raise ProfileError(f"{where}.form: expected either json or form, got both")
        check_names(request.capture, f"{where}.capture", RESERVED)
    return found


def _found(place: str, body: Any, cookies: Mapping[str, str]) -> Any:
    if place.startswith(COOKIE):
        return cookies.get(place.removeprefix(COOKIE), MISSING)
    return walk(body, place)
