"""How a connection comes about: requests before it, its address, and the steps of its handshake."""

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from greenlight_gate.wire.errors import ProfileError, check_names, check_paths, convert, known, one_of, table, tables
from greenlight_gate.wire.http_call import HttpCall
from greenlight_gate.wire.predicates import Condition, read_terms
from greenlight_gate.wire.templates import RESERVED

_WHOLE_VALUE = re.compile(r"\{\w+\}")
_PATH = re.compile(r"[\x21-\x7e]*")
# [send.stop] of a backend whose runs are stopped by closing the streams of their answers.
CLOSES = {"close": True}
Seconds = Annotated[float, Meta(gt=0, le=3600)]


class HttpAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`http` in [send.*], and [connection] `opening`: the HTTP request that carries a message.

    `path` is put behind the target's url; "" is that url itself. `streams`: a stream of events is expected in answer.
    """

    path: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: dict[str, str] = {}
    streams: bool = True

    @property
    def endpoint(self) -> str:
        """The name of the value that the path is, as a URL that the server gives; "" if it is not one value."""
        return self.path[1:-1] if _WHOLE_VALUE.fullmatch(self.path) else ""


class EventsSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[connection.events]: a second socket of the same tab, on which events come; requests go out on the first one.

    `subscribe` is sent as soon as it is open, `unsubscribe` before it is closed.
    """

    path: str = ""
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    subscribe: dict[str, Any] | list[Any] | None = None
    unsubscribe: dict[str, Any] | list[Any] | None = None

    @property
    def templates(self) -> list[Any]:
        """All that is filled in before it is sent."""
        return [self.path, self.query, self.headers, self.subscribe, self.unsubscribe]


class ConnectionSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[connection]: where and how the connection is opened.

    `transport`: a WebSocket, or HTTP requests whose answers stream: server-sent events, or lines of JSON; or a channel,
    one event stream that stays open, and HTTP requests beside it. `path` is put behind the target's url; `query` and
    `headers` are added, but those whose value is null (no token). `max_frame_bytes` 0 is the target's own limit.
    `runs`: whether a connection answers many questions at once, one after the other, or only one in its life.
    `opening`, by HTTP: the request with which a tab begins, if there is one; the answer to that of a channel is its
    event stream. `events`: the socket on which events come, where that is another one.
    """

    transport: Literal["websocket", "sse", "ndjson", "channel"] = "websocket"
    opening: HttpAddress | None = None
    path: str = ""
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    subprotocols: tuple[str, ...] = ()
    max_frame_bytes: Annotated[int, Meta(ge=0, le=1_073_741_824)] = 0
    runs: Literal["many", "one_at_a_time", "one"] = "many"
    events: EventsSpec | None = None

    @property
    def by_http(self) -> bool:
        """Whether each message is an HTTP request of its own."""
        return self.transport != "websocket"

    @property
    def by_channel(self) -> bool:
        """Whether all that the server sends comes on one event stream."""
        return self.transport == "channel"

    @property
    def has_stream_for_each(self) -> bool:
        """Whether each request is answered on a stream of its own."""
        return self.by_http and not self.by_channel


class HttpRequest(HttpCall, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[before]] and [[after]]: one HTTP request before a connection is opened, or after it has ended.

    `each`: for each connection, or once for a user's tab or for the user, and kept over a reconnect.
    """

    each: Literal["connection", "tab", "user"] = "connection"


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


class ValueSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[values] NAME: a value that the client makes, `each` connection or once for a user's tab or the user.

    `hook`: code of the team's own that makes it in place of `value`, anew each time, of what is known then.
    """

    value: Any = None
    each: Literal["connection", "tab", "user"] = "connection"
    hook: str = ""


class ResumeSpec(msgspec.Struct, frozen=True):
    """[resume]: what is different where a user connects again to go on with a conversation.

    `connection`: where it is opened then. `before` and `handshake` take the place of the usual ones; None: the usual
    ones. In all of it {thread}, {run} and {last_seq} say what is resumed, and
    {last_event_id} what an EventSource would send: the id of the last event that came on the channel, null without.
    """

    connection: ConnectionSpec
    before: tuple[HttpRequest, ...] | None = None
    handshake: tuple[Step, ...] | None = None


class _StepTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    send: dict[str, Any] | list[Any] | None = None
    expect: dict[str, Any] | None = None
    nth: Annotated[int, Meta(ge=1, le=1000)] = 1
    timeout_s: Seconds | None = None
    capture: dict[str, str] = {}


def read_connection(data: dict[str, Any], name: str = "connection") -> ConnectionSpec:
    """The [connection] table; `name`: by which errors call it."""
    section = table(data, "connection")
    if isinstance(section.get("runs"), str):
        one_of(section["runs"], ("many", "one_at_a_time", "one"), f"{name}.runs")
    if isinstance(section.get("transport"), str):
        one_of(section["transport"], ("websocket", "sse", "ndjson", "channel"), f"{name}.transport")
    connection: ConnectionSpec = convert(section, ConnectionSpec, name)
    if connection.path and not connection.path.startswith(("/", "?")):
        raise ProfileError(f"{name}.path: expected a path that begins with /, got {connection.path!r}")
    if connection.opening is not None:
        if not connection.by_http:
            raise ProfileError(f"{name}.opening: expected it where the transport is HTTP, got a WebSocket")
        _check_path(connection.opening, f"{name}.opening")
    elif connection.by_channel:
        example = '{ method = "GET", path = "/events" }'
        raise ProfileError(f"{name}.opening: expected the request that opens the channel, for instance {example}")
    events = connection.events
    if events is not None and connection.by_http:
        raise ProfileError(f'{name}.events: expected it where transport is "websocket", got {connection.transport!r}')
    if events is not None and events.path and not events.path.startswith(("/", "?")):
        raise ProfileError(f"{name}.events.path: expected a path that begins with /, got {events.path!r}")
    if connection.by_http and connection.subprotocols:
        raise ProfileError(f"{name}.subprotocols: expected none, since only a WebSocket has them")
    return connection


def read_addresses(send: dict[str, Any], connection: ConnectionSpec) -> tuple[dict[str, Any], dict[str, HttpAddress]]:
    """The templates of the messages without their `http`, and the address of each, where the transport is HTTP."""
    templates, found = dict(send), {}
    for name, template in send.items() if connection.by_http else ():
        where = f"send.{name}.http"
        if name == "stop" and template == CLOSES:
            _check_close(connection)
            continue
        if not isinstance(template, dict) or "http" not in template:
            raise ProfileError(f'{where}: expected the address of the request, for instance {{ path = "/chat" }}')
        body = dict(template)
        address: HttpAddress = convert(body.pop("http"), HttpAddress, where)
        if connection.by_channel:
            address = msgspec.structs.replace(address, streams=False)
        _check_path(address, where)
        templates[name], found[name] = body, address
    return templates, found


def _check_close(connection: ConnectionSpec) -> None:
    if not connection.has_stream_for_each:
        raise ProfileError(
            'send.stop.close: expected it where each answer has a stream of its own ("sse", "ndjson"), got '
            f"connection.transport = {connection.transport!r}"
        )


def _check_path(address: HttpAddress, where: str) -> None:
    if address.path and not (address.path.startswith("/") or address.endpoint):
        raise ProfileError(f"{where}.path: expected a path that begins with /, got {address.path!r}")
    if not _PATH.fullmatch(address.path):
        raise ProfileError(f"{where}.path: expected a path as HTTP has it, with %20 for a space, got {address.path!r}")


def read_values(data: dict[str, Any]) -> dict[str, ValueSpec]:
    """The [values] table: each a template, or a table with `value` and `each`, or with `hook`."""
    found = {}
    for name, section in table(data, "values").items():
        where = f"values.{name}"
        marked = isinstance(section, dict) and ("each" in section or "hook" in section)
        made: ValueSpec = convert(section, ValueSpec, where) if marked else ValueSpec(section)
        if made.hook and (made.value is not None or made.each != "connection"):
            raise ProfileError(f"{where}: expected a hook alone, since it is asked each time, got more")
        found[name] = made
    return found


def read_resume(data: dict[str, Any], connection: ConnectionSpec) -> ResumeSpec | None:
    """The [resume] table; None without one: then a new connection says nothing of an earlier conversation."""
    if "resume" not in data:
        return None
    section = table(data, "resume")
    known(section, ("path", "query", "headers", "opening", "before", "handshake"), "resume")
    own = {key: value for key, value in section.items() if key not in ("before", "handshake")}
    if "opening" in own:
        own["transport"] = connection.transport
    changed = read_connection({"connection": own}, "resume")
    return ResumeSpec(
        msgspec.structs.replace(
            connection,
            opening=changed.opening or connection.opening,
            path=changed.path or connection.path,
            query={**connection.query, **changed.query},
            headers={**connection.headers, **changed.headers},
        ),
        read_requests(section, "before", "resume.") if "before" in section else None,
        read_steps(section, "resume.") if "handshake" in section else None,
    )


def read_requests(data: dict[str, Any], name: str, inside: str = "") -> tuple[HttpRequest, ...]:
    """The [[before]] or [[after]] tables; `inside`: of which table they are a part, with a dot."""
    found = []
    for place, section in tables(data, name):
        where = f"{inside}{place}"
        request: HttpRequest = convert(section, HttpRequest, where)
        if name == "after" and request.each == "user":
            raise ProfileError(f'{where}.each: expected "connection" or "tab", since a user has no end, got \'user\'')
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


def read_steps(data: dict[str, Any], inside: str = "") -> tuple[Step, ...]:
    """The [[handshake]] tables; `inside`: of which table they are a part, with a dot."""
    found = []
    for place, section in tables(data, "handshake"):
        where = f"{inside}{place}"
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
