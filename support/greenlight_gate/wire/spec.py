"""The profile file as data: what a TOML profile may say, and clear errors for what it may not.

A profile maps frames to events by declaration only: paths, names, kinds and conditions. The README beside this file
shows the language by example.
"""

import tomllib
from typing import Any, Literal

import msgspec

from greenlight_gate.events import EventKind
from greenlight_gate.wire.codecs import codec_named
from greenlight_gate.wire.connecting import (
    CLOSES,
    ConnectionSpec,
    HttpAddress,
    HttpRequest,
    Recognise,
    ResumeSpec,
    Step,
    ValueSpec,
    read_addresses,
    read_connection,
    read_recognise,
    read_requests,
    read_resume,
    read_steps,
    read_values,
)
from greenlight_gate.wire.deprecated import renamed
from greenlight_gate.wire.errors import (
    ProfileError,
    check_names,
    check_paths,
    check_values,
    convert,
    known,
    one_of,
    table,
)
from greenlight_gate.wire.fields import EVERY_FIELDS, OWN_FIELDS, OWNED_FIELDS, Fields, constant_id, read_fields
from greenlight_gate.wire.http_call import HttpCall, parts_of, read_calls
from greenlight_gate.wire.matching import Answer, EventRule, Ignore, read_answers, read_ignores, read_rules
from greenlight_gate.wire.predicates import Condition, read_terms
from greenlight_gate.wire.refusals import RefusalKinds, Refusals
from greenlight_gate.wire.templates import EVERYWHERE, RESERVED, check_template, holds, names_in
from greenlight_gate.wire.trace_place import read_trace_place

__all__ = ["ControlSpec", "EventSpec", "Frame", "ProfileError", "Promises", "Spec", "read_spec"]


class Frame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a frame becomes a value, and which paths may name its kind.

    `codecs` is a chain, from left to right. `binary`: JSON comes in binary frames, and that is no error. `descriptor`:
    a protobuf FileDescriptorSet in base64.
    """

    kind: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ("json",)
    binary: bool = False
    descriptor: str = ""


class ControlSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frame that belongs to no run: all of `when` must hold; `capture` finds values, `remember` keeps them."""

    when: dict[str, str | int | float | bool | dict[str, Any]]
    capture: dict[str, str] = {}
    remember: dict[str, str] = {}

    @property
    def terms(self) -> tuple[Condition, ...]:
        """The conditions."""
        return read_terms(self.when, "when")


class Promises(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the wire promises beyond the events: a ready frame first, and gap-free sequence numbers per thread.

    `one_run_per_request`: a request that is sent again while it is in progress, with the same id, starts no second run.
    `unbuffered`: by HTTP, streams tell proxies not to buffer them, by the header `X-Accel-Buffering: no` of nginx.
    `endpoint_needs_token`: a message to the address that a channel has given is refused without the token of its user.
    `runs_outlive_tokens`: what is in progress when the token expires may finish; access ends after that.
    `runs_end_with_connection`: a run ends, its calls to the model included, when the connection of its request does.
    `tabs_share_events`: each tab receives the events of all runs of its user, whichever tab has asked.
    `foreign` is what an event of another user's run on a user's connection means: a leak, something that every user
    is meant to see, or noise. Whatever it means, it is searched for canaries.
    """

    ready: bool = False
    gap_free_seq: bool = False
    one_run_per_request: bool = False
    unbuffered: bool = False
    endpoint_needs_token: bool = False
    runs_outlive_tokens: bool = False
    runs_end_with_connection: bool = False
    tabs_share_events: bool = False
    foreign: Literal["leak", "broadcast-by-design", "noise"] = "leak"


class Choices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What [send.respond] answers with: each is the value of `{choice}`, which may itself hold captured values."""

    approve: Any
    deny: Any


class EventSpec(msgspec.Struct, frozen=True):
    """One kind of event: the wire's names for it, and all its fields with their candidate paths, in order."""

    kind: EventKind
    kinds: tuple[str, ...]
    fields: Fields


class Spec(msgspec.Struct, frozen=True):
    """A whole profile, checked.

    `send` holds the template of each frame: a table, a list, or a list of tables for several frames that belong
    together; `addresses` holds where each goes by HTTP, where that is the transport; `calls` are the HTTP requests that
    are sent beside a connection; `traced_start` is that of a request with a place for its
    trace context, where the profile says one. `every` are the fields of all events. `rules` to `absent` are the parts
    of a profile that says more than the names
    of its kinds, which is not `plain` then:
    `choices`: the two answers to a request for approval, where users can send them;
    `scope` are the conditions that a frame of the user's own meets; `values` is filled in anew for each connection,
    tab or user; `resume` is what is different where a user connects again to go on with a conversation, None: nothing;
    `needs` are the values that a target has to give, each with what it is for; `absent` the kinds of event that the
    wire does not show, each with the reason; `deprecated` a warning for each former name in the profile; `recognise`
    how `greenlight init` knows such a server.
    """

    name: str
    frame: Frame
    events: dict[EventKind, EventSpec]
    controls: tuple[tuple[str, ControlSpec], ...]
    send: dict[str, Any]
    promises: Promises
    every: Fields = {}
    refusals: Refusals = Refusals()
    rules: tuple[EventRule, ...] = ()
    ignored: tuple[Ignore, ...] = ()
    answers: tuple[Answer, ...] = ()
    handshake: tuple[Step, ...] = ()
    before: tuple[HttpRequest, ...] = ()
    after: tuple[HttpRequest, ...] = ()
    connection: ConnectionSpec = ConnectionSpec()
    addresses: dict[str, HttpAddress] = {}
    scope: tuple[Condition, ...] = ()
    resume: ResumeSpec | None = None
    values: dict[str, ValueSpec] = {}
    needs: dict[str, str] = {}
    absent: dict[str, str] = {}
    plain: bool = True
    traced_start: Any = None
    calls: dict[str, tuple[HttpCall, ...]] = {}
    deprecated: tuple[str, ...] = ()
    recognise: Recognise | None = None
    choices: Choices | None = None

    @property
    def endpoints(self) -> frozenset[str]:
        """The names of the values that are addresses of requests: the server gives each connection its own."""
        return frozenset(address.endpoint for address in self.addresses.values() if address.endpoint)

    @property
    def scope_names(self) -> tuple[str, ...]:
        """The values of a connection that say whether a frame is its own."""
        return tuple(term.value.removeprefix("$") for term in self.scope if term.op == "same_as")

    @property
    def tells_user(self) -> bool:
        """Whether a client sends the user id, beside the token: in a request, in the URL or in a frame."""
        sent = [template for what, template in self.send.items() if what != "claim"]
        return "{user}" in str((sent, self.before, self.connection, self.resume, self.handshake, self.addresses))

    def places_in(self, what: str) -> set[str]:
        """The names of the values that a message has a place for: in its body, and in the request that carries it."""
        address = self.addresses.get(what)
        carrier = [] if address is None else [address.path, address.headers]
        return {name for _, name in names_in([self.send[what], carrier], "")}

    def sends_beside(self, what: str) -> bool:
        """Whether a message is an HTTP request of its own that opens no stream, and can be sent from anywhere."""
        address = self.addresses.get(what)
        if address is None:
            return what in self.calls and len(parts_of(self.send[what])) == 1
        return self.connection.by_channel or not address.streams

    @property
    def stops_by_closing(self) -> bool:
        """Whether a run is stopped by closing the stream of its answer, and by no message."""
        return self.connection.has_stream_for_each and self.send.get("stop") == CLOSES

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of all handshakes: the usual ones, and behind them those of a connection that resumes."""
        return (*self.handshake, *((self.resume and self.resume.handshake) or ()))

    def steps_to_take(self, *, resumes: bool) -> range:
        """Which of `steps` a connection takes."""
        usual = len(self.handshake)
        own = resumes and self.resume is not None and self.resume.handshake is not None
        return range(usual, len(self.steps)) if own else range(usual)

    @property
    def requests_to_resume(self) -> tuple[HttpRequest, ...]:
        """The requests before a connection that resumes, where they are not the usual ones."""
        return (self.resume and self.resume.before) or ()

    @property
    def numbers_requests(self) -> bool:
        """Whether the ids of requests are integers on this wire."""
        return holds(self.send, "request_number")

    @property
    def can_resume(self) -> bool:
        """Whether the profile says how a conversation is resumed after a reconnect."""
        return self.resume is not None or "restore" in self.send

    @property
    def resumes_by_event_id(self) -> bool:
        """Whether a connection that resumes tells the id of an event after which it goes on."""
        return "last_event_id" in self.named_at_opening(resumes=True)

    def shows(self, control: str) -> bool:
        """Whether frames are read as this control."""
        return any(name == control for name, _ in self.controls)

    @property
    def tells_runs_apart(self) -> bool:
        """Whether each event itself says which run or which request it belongs to."""
        fields = [rule.fields for rule in self.rules] + [event.fields for event in self.events.values()]
        return all(_says(entries, "run") or _says(entries, "request") for entries in fields)

    @property
    def looked_up(self) -> frozenset[str]:
        """The names of the values that conditions and fields ask for."""
        return frozenset(name.removeprefix("$") for _, name in _names(self))

    @property
    def kept_names(self) -> frozenset[str]:
        """The names of values that a user keeps over a reconnect."""
        kept = {name for name, value in self.values.items() if value.each != "connection"}
        return frozenset(kept.union(*(request.capture for request in self.before if request.each != "connection")))

    def named_at_opening(self, *, resumes: bool) -> frozenset[str]:
        """The names of all values that a connection tells before it is used: in requests, address and handshake."""
        resume = self.resume if resumes else None
        if resumes and resume is None:
            return frozenset()
        connection = self.connection if resume is None else resume.connection
        before = self.before if resume is None or resume.before is None else resume.before
        sent = [self.steps[index].send for index in self.steps_to_take(resumes=resumes)]
        events = [] if connection.events is None else connection.events.templates
        opening = connection.opening
        parts = [
            connection.path,
            connection.query,
            connection.headers,
            *events,
            *(() if opening is None else (opening.path, opening.headers)),
            *(each.templates for each in before),
            *sent,
        ]
        return frozenset(name for part in parts for _, name in names_in(_listed(part), ""))

    @property
    def names_of_own(self) -> frozenset[str]:
        """The names of values by which a connection says what is the user's: captured before it, or made for long."""
        made = {name for name, value in self.values.items() if value.each != "connection"}
        return frozenset(made.union(*(request.capture for request in (*self.before, *self.requests_to_resume))))

    @property
    def per_run(self) -> frozenset[str]:
        """The names of values that are kept for each run: what frames of a run gave, but the name of the run itself."""
        rules: tuple[EventRule | Ignore, ...] = (*self.rules, *self.ignored)
        kept = {name for rule in rules for name in (*rule.remember, *rule.gather)}
        fields = [rule.fields for rule in self.rules] + [event.fields for event in self.events.values()]
        ids = {
            path.partition(".")[0].removeprefix("$")
            for entries in fields
            for name in ("run", "parent")
            for path in (entries[name][1] if name in entries else ())
            if path.startswith("$")
        }
        return frozenset(kept - ids - {*self.scope_names})

    @property
    def captured(self) -> frozenset[str]:
        """The names of all values that this profile captures, remembers or is given."""
        return _captured(self)


_RICH = (
    "event",
    "ignore",
    "answer",
    "handshake",
    "before",
    "after",
    "connection",
    "resume",
    "scope",
    "values",
    "needs",
    "absent",
)
_TOP = (
    "name", "about", "frame", "every", "events", "controls", "send", "choices", "promises", "refusals", "recognise",
    *_RICH,
)  # fmt: skip
_CONTROLS = ("ready", "error", "pong", "restored", "heartbeat")
# What each frame to send may be filled with, beside what is there everywhere.
_SENDS = {
    "start": ("request", "request_number", "prompt", "thread"),
    "claim": ("request", "request_number", "prompt", "thread", "user"),
    "stop": ("run", "request", "request_number", "thread"),
    "early_stop": ("request", "request_number", "thread"),
    "unknown": ("request", "request_number", "prompt", "thread"),
    "unsubscribe": ("run", "request", "request_number", "thread"),
    "ping": ("nonce",),
    "restore": ("thread", "last_seq", "run"),
    "edit": ("request", "request_number", "prompt", "thread", "run", "replaced"),
    "regenerate": ("request", "request_number", "prompt", "thread", "run", "replaced"),
    "respond": ("input", "choice", "call", "run", "request", "thread", "prompt"),
}
_NEEDED = {
    "start": {"prompt": "the question"},
    "claim": {"prompt": "the question", "user": "the claimed user id"},
    "edit": {"prompt": "the question"},
    "respond": {"choice": "what is answered"},
}


def read_spec(text: str) -> Spec:
    """The profile that a TOML text declares.

    Raises ProfileError, one line, for broken TOML, unknown keys (with the nearest valid one), wrong types, missing
    parts, names that would make a frame ambiguous, and paths that are no paths.
    """
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProfileError(f"not TOML: {error or 'nested too deeply'}") from error
    check_values(data)
    data, deprecated = renamed(data)
    known(data, _TOP, "")
    rich = any(key in data for key in _RICH)
    frame = _frame(data, rich=rich)
    every = read_fields(table(data, "every"), "every", EVERY_FIELDS)
    events = {}
    for name, section in table(data, "events").items():
        kind = EventKind(one_of(name, tuple(EventKind), f"events.{name}"))
        events[kind] = _event(kind, section, every, rich=rich)
    controls = _controls(table(data, "controls"))
    connection = read_connection(data)
    templates, addresses = read_addresses(table(data, "send"), connection)
    send, traced_start = read_trace_place(templates)
    shared = {kind: event.fields for kind, event in events.items()}
    spec = Spec(
        name=convert(data.get("name"), str, "name"),
        frame=frame,
        events={kind: event for kind, event in events.items() if event.kinds},
        controls=controls,
        send=send,
        promises=convert(data.get("promises", {}), Promises, "promises"),
        every=every,
        refusals=_refusals(table(data, "refusals"), by_http=connection.by_http),
        rules=read_rules(data, dict(every), shared),
        ignored=read_ignores(data),
        answers=read_answers(data),
        handshake=read_steps(data),
        before=read_requests(data, "before"),
        after=read_requests(data, "after"),
        connection=connection,
        addresses=addresses,
        resume=read_resume(data, connection),
        scope=_scope(data),
        values=read_values(data),
        needs=convert(table(data, "needs"), dict[str, str], "needs"),
        absent=_absent(data),
        plain=_reads_plainly(data) and _is_plain(frame, controls, shared),
        traced_start=traced_start,
        calls=read_calls(send),
        deprecated=deprecated,
        recognise=read_recognise(data),
        choices=convert(data["choices"], Choices, "choices") if "choices" in data else None,
    )
    for name in spec.send:
        one_of(name, tuple(_SENDS), f"send.{name}")
    _complete(spec)
    _filled(spec)
    _tells_users_apart(spec)
    return spec


def _listed(part: Any) -> Any:
    return list(part) if isinstance(part, tuple) else part


def _reads_plainly(data: dict[str, Any]) -> bool:
    """Whether a frame is read by the names of its kinds alone; how the connection is opened does not matter."""
    return not any(key in data for key in _RICH if key != "connection")


def _says(fields: Fields, name: str) -> bool:
    """Whether a field is always read from the frame itself."""
    if name not in fields:
        return False
    field, paths = fields[name]
    own = field.value is None and not any(path.startswith("$") and not path.startswith("$item") for path in paths)
    return own and (name == "run" or not field.optional)


def _frame(data: dict[str, Any], *, rich: bool) -> Frame:
    section = data.get("frame", {} if rich else None)
    frame: Frame = convert(section, Frame, "frame")
    assert section is not None
    if not rich and "kind" not in section:
        convert(None, Any, "frame.kind")
    check_paths(frame.kind, "frame.kind", least=0 if rich else 1)
    if not frame.codecs:
        raise ProfileError('frame.codecs: expected at least one codec, for instance "json", got none')
    for index, entry in enumerate(frame.codecs):
        codec_named(entry.removesuffix("?"), frame.descriptor, f"frame.codecs[{index}]")
    return frame


def _is_plain(frame: Frame, controls: tuple[tuple[str, ControlSpec], ...], events: dict[EventKind, Fields]) -> bool:
    """Whether the simple reader will do, which knows kinds by name and JSON in text frames only."""
    simple = all(not isinstance(wanted, dict) for _, control in controls for wanted in control.when.values())
    fields = [entry for found in events.values() for entry in found.values()]
    own = any(field.regex or field.join is not None or field.value is not None for field, _ in fields)
    own = own or any(path.startswith("$") for _, paths in fields for path in paths) or EventKind.ANSWER_PART in events
    return simple and not own and frame.codecs == ("json",) and not frame.binary and bool(frame.kind)


def _complete(spec: Spec) -> None:
    claimed: dict[str, EventKind] = {}
    for event in spec.events.values():
        for name in event.kinds:
            if claimed.setdefault(name, event.kind) is not event.kind:
                where = f"events.{event.kind}.kinds"
                raise ProfileError(f"{where}: {name!r} is already the name of {claimed[name]}, expected another one")
    if spec.events and not spec.frame.kind:
        raise ProfileError("frame.kind: expected the path that names a frame's kind, got nothing")
    shown = {*spec.events, *(rule.kind for rule in spec.rules if rule.collapse != "always")} - {EventKind.ANSWER_PART}
    for kind in (EventKind.STARTED, EventKind.COMPLETED):
        if kind not in shown and kind not in spec.absent:
            hint = "" if spec.plain else f' ([[event]] with is = "{kind}", or why not in [absent])'
            raise ProfileError(f"events.{kind}: expected a section, since no run can be judged without it{hint}")
    for name in spec.absent:
        where = f"absent.{name}"
        if EventKind(name) in shown and not _only_synthesised(spec, EventKind(name)):
            raise ProfileError(f"{where}: expected a kind that this wire does not show, but events are read as {name}")
    _complete_inputs(spec, shown)
    _complete_by_http(spec)
    if "start" not in spec.send:
        raise ProfileError("send.start: expected the frame that asks a question, got nothing")


def _complete_inputs(spec: Spec, shown: set[EventKind]) -> None:
    if ("respond" in spec.send) != (spec.choices is not None):
        raise ProfileError("choices: expected both send.respond and the choices that it sends, or neither, got one")
    if "respond" in spec.send and EventKind.INPUT_REQUESTED not in shown:
        raise ProfileError("send.respond: expected an event that is input_requested, since nothing else is answered")


def _complete_by_http(spec: Spec) -> None:
    """What only a connection can do that stays open, and what only a frame can that has no address."""
    connection = spec.connection
    if spec.stops_by_closing and not spec.promises.runs_end_with_connection:
        raise ProfileError(
            "send.stop.close: expected runs_end_with_connection = true under [promises] as well, since closing the "
            "stream of a run that goes on does not stop it, got none"
        )
    apart = connection.has_stream_for_each
    steps = [step for step in spec.steps if apart or step.send is not None]
    parts = (("handshake", steps), ("answer", spec.answers), ("send.ping", apart and "ping" in spec.send))
    for name, there in parts:
        if there and connection.by_http:
            came = f"connection.transport = {spec.connection.transport!r}"
            raise ProfileError(f"{name}: expected none by HTTP, where each message is a request of its own, got {came}")


def _only_synthesised(spec: Spec, kind: EventKind) -> bool:
    return kind not in spec.events and all(
        rule.synthesised or rule.collapse == "always" for rule in spec.rules if rule.kind is kind
    )


def _absent(data: dict[str, Any]) -> dict[str, str]:
    section: dict[str, str] = convert(table(data, "absent"), dict[str, str], "absent")
    for name, reason in section.items():
        one_of(name, [kind for kind in EventKind if kind is not EventKind.ANSWER_PART], f"absent.{name}")
        if name == EventKind.COMPLETED:
            raise ProfileError(
                f"absent.{name}: expected an end that can be seen, since no run can be judged without it"
            )
        if not reason.strip():
            raise ProfileError(f"absent.{name}: expected the reason why this wire does not show it, got none")
    return section


def _scope(data: dict[str, Any]) -> tuple[Condition, ...]:
    section = table(data, "scope")
    known(section, ("mine",), "scope")
    return read_terms(section["mine"], "scope.mine") if "mine" in section else ()


def _controls(section: dict[str, Any]) -> tuple[tuple[str, ControlSpec], ...]:
    """Each name with its table; `[[controls.error]]` gives several, which are tried in their order."""
    found = []
    for name, value in section.items():
        where = f"controls.{one_of(name, _CONTROLS, f'controls.{name}')}"
        if isinstance(value, list):
            found += [(name, _control(f"{where}[{number}]", each)) for number, each in enumerate(value)]
        else:
            found.append((name, _control(where, value)))
    return tuple(found)


def _control(where: str, section: Any) -> ControlSpec:
    control: ControlSpec = convert(section, ControlSpec, where)
    read_terms(control.when, f"{where}.when")
    check_paths(tuple(control.capture.values()), f"{where}.capture", least=0)
    return control


def _refusals(section: dict[str, Any], *, by_http: bool) -> Refusals:
    known(section, Refusals.__struct_fields__, "refusals")
    ways: dict[str, RefusalKinds] = {
        name: convert(value, RefusalKinds, f"refusals.{name}") for name, value in section.items()
    }
    for name, listed in ways.items():
        if not str(listed):
            raise ProfileError(f'refusals.{name}: expected a way to say no, for instance error = ["*"], got none')
    if by_http and "expiry" not in ways:
        # No connection is closed there: a token that has expired is refused as any other is.
        ways["expiry"] = ways.get("entry", Refusals().entry)
    return Refusals(**ways)


def _event(kind: EventKind, section: Any, every: Fields, *, rich: bool) -> EventSpec:
    where = f"events.{kind}"
    if not isinstance(section, dict):
        raise ProfileError(f"{where}: expected a table, got {section!r}")
    kinds: tuple[str, ...] = convert(section.get("kinds", [] if rich else None), tuple[str, ...], f"{where}.kinds")
    if not kinds and not (rich and "kinds" not in section):
        raise ProfileError(f"{where}.kinds: expected at least one name, got none")
    own = {name: value for name, value in section.items() if name != "kinds"}
    return EventSpec(kind, kinds, {**every, **read_fields(own, where, EVERY_FIELDS + OWN_FIELDS)})


# Which values there are -------------------------------------------------------------------------------------------


def _captured(spec: Spec) -> frozenset[str]:
    names = {*spec.values, *spec.needs}
    names.update(name for calls in spec.calls.values() for call in calls for name in call.capture)
    rules: tuple[EventRule | Ignore, ...] = (*spec.rules, *spec.ignored)
    parts: tuple[HttpRequest | Step, ...] = (*spec.before, *spec.after, *spec.steps, *spec.requests_to_resume)
    names.update(name for rule in rules for name in (*rule.remember, *rule.gather))
    names.update(name for part in parts for name in part.capture)
    names.update(name for _, control in spec.controls for name in control.remember)
    return frozenset(names)


def _filled(spec: Spec) -> None:
    """Every value that is named somewhere is given by something."""
    for where, names in (("values", spec.values), ("needs", spec.needs)):
        check_names(names, where, RESERVED)
    captured = spec.captured
    everywhere = (*EVERYWHERE, *sorted(captured))
    check_template({name: each.value for name, each in spec.values.items()}, "values", EVERYWHERE)
    for name, template in spec.send.items():
        where = f"send.{name}"
        address = spec.addresses.get(name)
        if not isinstance(template, dict | list) or not (template or address):
            raise ProfileError(f"{where}: expected a table (the frame to send), got {template!r}")
        used = check_template(template, where, (*_SENDS[name], *everywhere))
        if address is not None:
            parts = {"path": address.path, "headers": address.headers}
            used |= check_template(parts, f"{where}.http", (*_SENDS[name], *everywhere))
        for needed, what in _NEEDED.get(name, {}).items():
            if needed not in used:
                raise ProfileError(f'{where}: expected "{{{needed}}}" where {what} belongs, got none')
    if spec.choices is not None:
        check_template(msgspec.structs.asdict(spec.choices), "choices", everywhere)
    for where, part in _templates(spec):
        resumed = ("thread", "run", "last_seq", "last_event_id") if where.startswith("resume.") else ()
        check_template(part, where, (*resumed, *everywhere))
    for where, name in _names(spec):
        one_of(name.removeprefix("$"), {*captured, *RESERVED}, where)


def _tells_users_apart(spec: Spec) -> None:
    """No id is a value that the profile makes once for all users."""
    constant = {
        f"${name}": each.value
        for name, each in spec.values.items()
        if not each.hook and not check_template(each.value, f"values.{name}", EVERYWHERE)
    }
    found = [("every", spec.every), *((f"events.{kind}", each.fields) for kind, each in spec.events.items())]
    found += [(f"event[{index}]", rule.fields) for index, rule in enumerate(spec.rules)]
    for where, fields in found:
        for name in OWNED_FIELDS:
            paths = fields[name][1] if name in fields else ()
            if paths and all(path in constant for path in paths):
                raise constant_id(f"{where}.{name}", constant[paths[0]])


def _templates(spec: Spec) -> list[tuple[str, Any]]:
    resume = spec.resume
    addresses = [("connection", spec.connection)] + ([("resume", resume.connection)] if resume is not None else [])
    parts: list[tuple[str, Any]] = []
    for name, address in addresses:
        parts += [(f"{name}.{key}", getattr(address, key)) for key in ("path", "query", "headers")]
        if address.events is not None:
            parts += [(f"{name}.events", address.events.templates)]
        if address.opening is not None:
            parts += [(f"{name}.opening", [address.opening.path, address.opening.headers])]
    parts += [(f"{where}.send", step.send) for where, step in _steps(spec)]
    parts += [(f"answer[{i}].send", answer.send) for i, answer in enumerate(spec.answers)]
    groups = (("before", spec.before), ("after", spec.after), ("resume.before", spec.requests_to_resume))
    for name, requests in groups:
        for index, request in enumerate(requests):
            keys = ("path", "json", "form", "headers")
            parts += [(f"{name}[{index}].{key}", getattr(request, key)) for key in keys]
    return parts


def _steps(spec: Spec) -> list[tuple[str, Step]]:
    """All steps of handshakes, in the order of `Spec.steps`, each with where it stands."""
    usual = len(spec.handshake)
    return [
        (f"handshake[{i}]" if i < usual else f"resume.handshake[{i - usual}]", step)
        for i, step in enumerate(spec.steps)
    ]  # fmt: skip


def _names(spec: Spec) -> list[tuple[str, str]]:
    """Every value that conditions and fields look up by name, with where."""
    found: list[tuple[str, str]] = []
    terms = [(f"event[{i}].when", rule.when) for i, rule in enumerate(spec.rules)]
    terms += [(f"ignore[{i}].when", ignore.when) for i, ignore in enumerate(spec.ignored)]
    terms += [(f"answer[{i}].when", answer.when) for i, answer in enumerate(spec.answers)]
    terms += [(f"{where}.expect", step.expect) for where, step in _steps(spec)]
    terms += [(f"controls.{name}.when", control.terms) for name, control in spec.controls]
    terms.append(("scope.mine", spec.scope))
    for where, when in terms:
        for term in when:
            found += [(f"{where}.{term.path}", term.path.partition(".")[0])] if term.path.startswith("$") else []
            found += [(f"{where}.{term.path}", term.value)] if term.op in ("same_as", "other_than") else []
    for index, rule in enumerate(spec.rules):
        for name, (_, paths) in rule.fields.items():
            found += [(f"event[{index}].{name}", path.partition(".")[0]) for path in paths if path.startswith("$")]
    return found
