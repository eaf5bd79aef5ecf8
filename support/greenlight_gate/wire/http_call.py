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


def parts_of(template: Any) -> list[Any]:
    """What is sent one after the other, if some of it are HTTP requests; else the template alone."""
    if isinstance(template, list) and any(isinstance(part, dict) and "http" in part for part in template):
        return template
    return [template]


def call_in(part: Any) -> HttpCall | None:
    """The HTTP request that is sent in place of a frame; None for a frame."""
    return msgspec.convert(part["http"], HttpCall) if isinstance(part, dict) and "http" in part else None


def read_calls(send: Mapping[str, Any]) -> dict[str, tuple[HttpCall, ...]]:
    """The HTTP requests (`http = {...}`) among the entries of [send]. Raises ProfileError."""
    found: dict[str, tuple[HttpCall, ...]] = {}
    for name, template in send.items():
        for part in parts_of(template):
            if isinstance(part, dict) and "http" in part:
                found[name] = (*found.get(name, ()), _read_call(part, name))
    return found


def _read_call(part: dict[str, Any], name: str) -> HttpCall:
    where = f"send.{name}.http"
    known(part, ("http",), f"send.{name}")
    if name not in BY_HTTP:
        raise ProfileError(f"{where}: expected it for one of {', '.join(BY_HTTP)}, got {name}")
    request: HttpCall = convert(part["http"], HttpCall, where)
    if not request.path.startswith(("/", "http://", "https://")):
        raise ProfileError(f"{where}.path: expected a path that begins with / or a full URL, got {request.path!r}")
    if request.json is not None and request.form is not None:
        raise ProfileError(f"{where}.form: expected either json or form, got both")
    check_names(request.capture, f"{where}.capture", RESERVED)
    return request


def _found(place: str, body: Any, cookies: Mapping[str, str]) -> Any:
    if place.startswith(COOKIE):
        return cookies.get(place.removeprefix(COOKIE), MISSING)
    return walk(body, place)
