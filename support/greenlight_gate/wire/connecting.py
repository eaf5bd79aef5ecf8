"""How a connection comes about: requests before it, its address, and the steps of its handshake."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from greenlight_gate.wire.errors import ProfileError, check_names, check_paths, convert, known, one_of, table, tables
from greenlight_gate.wire.predicates import Condition, read_terms
from greenlight_gate.wire.templates import RESERVED

Seconds = Annotated[float, Meta(gt=0, le=3600)]


class ConnectionSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[connection]: where and how the WebSocket is opened.

    `path` is put behind the target's url; `query` and `headers` are added, but those whose value is null (no token).
    `max_frame_bytes` 0 is the target's own limit. `runs`: whether a connection answers many questions at once, one
    after the other, or only one in its life.
    """

    path: str = ""
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    subprotocols: tuple[str, ...] = ()
    max_frame_bytes: Annotated[int, Meta(ge=0, le=1_073_741_824)] = 0
    runs: Literal["many", "one_at_a_time", "one"] = "many"


class HttpRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[[before]] and [[after]]: one HTTP request before a connection is opened, or after it has ended.

    `path` is at the target's origin, or a full URL. `json` or `form` is the body. `status` lists what is right.
    `capture` keeps values of the answer's JSON by path. `each`: for each connection, or once for a user's tab.
    """

    path: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    json: Any = None
    form: dict[str, str] | None = None
    headers: dict[str, str] = {}
    status: tuple[int, ...] = (200, 201, 202, 204)
    capture: dict[str, str] = {}
    each: Literal["connection", "tab"] = "connection"


class Recognise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[recognise]: how `greenlight init` knows such a server: GET `path` answers with JSON that has a value at `has`.

    `path` is at the target's origin. `gives` names one of [needs], if the value that stands there is what it needs.
    """

    path: str
    has: str
    gives: str = ""


class Step(msgspec.Struct, frozen=True):
    """[[handshake]]: one step. Either the client sends, or it waits for the `nth` frame that meets `expect`."""

    send: dict[str, Any] | list[Any] | None = None
    expect: tuple[Condition, ...] = ()
    nth: int = 1
    timeout_s: float | None = None
    capture: dict[str, str] = {}


class _StepTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    send: dict[str, Any] | list[Any] | None = None
    expect: dict[str, Any] | None = None
    nth: Annotated[int, Meta(ge=1, le=1000)] = 1
    timeout_s: Seconds | None = None
    capture: dict[str, str] = {}


def read_connection(data: dict[str, Any]) -> ConnectionSpec:
    """The [connection] table."""
    section = table(data, "connection")
    if isinstance(section.get("runs"), str):
        one_of(section["runs"], ("many", "one_at_a_time", "one"), "connection.runs")
    connection: ConnectionSpec = convert(section, ConnectionSpec, "connection")
    if connection.path and not connection.path.startswith(("/", "?")):
        raise ProfileError(f"connection.path: expected a path that begins with /, got {connection.path!r}")
    return connection


def read_requests(data: dict[str, Any], name: str) -> tuple[HttpRequest, ...]:
    """The [[before]] or [[after]] tables."""
    found = []
    for where, section in tables(data, name):
        request: HttpRequest = convert(section, HttpRequest, where)
        if not request.path.startswith(("/", "http://", "https://")):
            raise ProfileError(f"{where}.path: expected a path that begins with / or a full URL, got {request.path!r}")
        if request.json is not None and request.form is not None:
            raise ProfileError(f"{where}.form: expected either json or form, got both")
        _capture(request.capture, where)
        found.append(request)
    return tuple(found)


def read_recognise(data: dict[str, Any]) -> Recognise | None:
    """The [recognise] table, if there is one."""
    if "recognise" not in data:
        return None
    found: Recognise = convert(table(data, "recognise"), Recognise, "recognise")
    if not found.path.startswith("/"):
        raise ProfileError(f"recognise.path: expected a path that begins with /, got {found.path!r}")
    check_paths((found.has,), "recognise.has")
    if found.gives:
        one_of(found.gives, tuple(table(data, "needs")) or ("nothing, without [needs]",), "recognise.gives")
    return found


def read_steps(data: dict[str, Any]) -> tuple[Step, ...]:
    """The [[handshake]] tables."""
    found = []
    for where, section in tables(data, "handshake"):
        known(section, _StepTable.__struct_fields__, where)
        step: _StepTable = convert(section, _StepTable, where)
        if (step.send is None) == (step.expect is None):
            came = "neither" if step.send is None else "both"
            raise ProfileError(f"{where}: expected either send or expect, got {came}")
        if step.send is not None and step.capture:
            raise ProfileError(f"{where}.capture: expected it with expect, since nothing comes of a send")
        _capture(step.capture, where)
        expect = read_terms(step.expect, f"{where}.expect") if step.expect is not None else ()
        found.append(Step(step.send, expect, step.nth, step.timeout_s, step.capture))
    return tuple(found)


def _capture(capture: dict[str, str], where: str) -> None:
    check_names(capture, f"{where}.capture", RESERVED)
    check_paths(capture.values(), f"{where}.capture", least=0)
