"""Recorded frames as a trace: what `greenlight doctor --record` keeps, and captures of other tools.

A capture is JSON lines: { "conn", "user", "dir": "in" | "out" | "http" | "ctl", "kind": "text" | "binary", "data", "t",
"dt" }. `data` is the frame as JSON or text (binary: base64); of "http" it is { method, url, status, body, resp }, of
"ctl" a close as { code, reason }. Only `dir` and `data` are needed; without `user`, each connection is a user's own.
What was sent by HTTP has `http` as well, { method, url, status, type, resp }: the content type of its answer, and of an
answer that is no stream what it says. Messages of an event stream are its events with their fields, or only their data.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec

from greenlight_gate.trace import LEAST_ERROR, AnyRecord, Closed, Expect, Opened, Received, Responded, Sent
from greenlight_gate.wire.by_http import data_of, is_event, sent_by_http
from greenlight_gate.wire.codecs import UndecodableError
from greenlight_gate.wire.codecs.chain import CodecChain
from greenlight_gate.wire.event_stream import StreamError
from greenlight_gate.wire.json_text import UnreadableError
from greenlight_gate.wire.spec import Spec
from greenlight_gate.wire.templates import EVERYWHERE
from greenlight_gate.wire.values import MISSING, walk

_record = msgspec.json.Decoder(AnyRecord)
_NAME = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
# The frames that hold a question.
_ASKING = frozenset({"start", "claim", "edit"})


class CaptureError(Exception):
    """A capture that cannot be read: one line with the number of the line in it."""


def read_capture(lines: Iterable[bytes], spec: Spec) -> tuple[list[AnyRecord], float]:
    """The records of a capture, and the wall time of its beginning (epoch seconds, 0 if it is not known).

    Which values were captured before a connection, and what was asked, is read from the profile's own templates.
    Raises CaptureError.
    """
    reader = _Captured(spec)
    parsed = [(number, line, _parsed(number, line)) for number, line in enumerate(lines, 1) if line.strip()]
    # What the client sent says which values are its own, also for the frames that came before.
    for take in (reader.note, reader.take):
        for number, line, entry in parsed:
            try:
                take(entry, line)
            except (ValueError, KeyError, TypeError, AttributeError, msgspec.MsgspecError) as error:
                raise _no_frame(number, line, error) from error
    return reader.records, reader.epoch_s


def _parsed(number: int, line: bytes) -> Any:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _no_frame(number, line, error) from error
    if not isinstance(entry, dict):
        raise _no_frame(number, line, TypeError("not an object"))
    return entry


def _no_frame(number: int, line: bytes, error: Exception) -> CaptureError:
    return CaptureError(f"line {number}: expected a recorded frame as JSON, got {line[:60]!r} ({error})")


class _Captured:
    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.records: list[AnyRecord] = []
        self.epoch_s = 0.0
        self._chain = CodecChain(spec.frame.codecs, spec.frame.descriptor)
        self._values: dict[str, dict[str, Any]] = {}
        # For each connection of a name, in their order: the values in what was sent on it.
        self._told: dict[str, list[dict[str, Any]]] = {}
        self._open: set[str] = set()
        self._users: dict[str, str] = {}
        self._asked = 0

    def note(self, entry: dict[str, Any], line: bytes) -> None:
        """Keeps the values that a sent frame shows."""
        connection = str(entry.get("connection", entry.get("conn", "c1")))
        told = self._told.setdefault(connection, [{}])
        if entry.get("record") == "sent" or entry.get("dir") == "out":
            for value in self._sent(entry):
                for template in self._all_templates():
                    for name, found in (unfilled(template, value, lenient=True) or {}).items():
                        told[-1].setdefault(name, found)
        elif entry.get("dir") == "ctl" and told[-1]:
            told.append({})

    def _sent(self, entry: dict[str, Any]) -> list[Any]:
        """The values in a sent frame. Our own records show them as JSON already, each in a line."""
        if entry.get("record") == "sent":
            text = str(entry.get("text", ""))
            by_http = sent_by_http(text)
            return [_as_json(line) for line in (text if by_http is None else by_http[1]).splitlines()]
        data = entry.get("data")
        if not isinstance(data, str):
            return [data]
        try:
            raw = base64.b64decode(data, validate=True) if entry.get("kind") == "binary" else data.encode()
            return self._chain.decode(raw)
        except (UndecodableError, UnreadableError, UnicodeError, binascii.Error):
            return [_as_json(data)]  # what the codecs do not know may still be a message of the protocol

    def _all_templates(self) -> Iterator[Any]:
        yield from (template for _, template in self._templates())
        yield from (step.send for step in self.spec.steps if step.send is not None)

    def take(self, entry: dict[str, Any], line: bytes) -> None:
        """Appends what a line records."""
        if "record" in entry:
            self._take_record(_record.decode(line), entry)
            return
        if "scenario" in entry:
            self.epoch_s = float(entry.get("epoch_s", 0.0))
            return
        connection = str(entry.get("conn", "c1"))
        self._users.setdefault(connection, str(entry.get("user", connection)))
        at = float(entry.get("dt", len(self.records) * 0.01))
        if "t" in entry and not self.epoch_s:
            self.epoch_s = float(entry["t"]) - at
        direction, data = entry["dir"], entry.get("data")
        if direction == "http":
            self._http(connection, data)
        elif direction == "out":
            self._out(connection, entry, at)
        elif direction == "in":
            self._in(connection, data, at, binary=entry.get("kind") == "binary")
        elif direction == "ctl":
            self._ctl(connection, data, at)
        else:
            raise ValueError(f"dir is {direction!r}")

    def _take_record(self, record: AnyRecord, entry: dict[str, Any]) -> None:
        """A record of the suite's own, which was made with a profile that may have named its values otherwise."""
        if isinstance(record, Opened):
            told = self._told[record.connection][-1]
            values = {**record.values, **{k: v for k, v in told.items() if k in self.spec.looked_up}}
            record = msgspec.structs.replace(record, values=values)
        elif isinstance(record, Sent) and record.what == "start":
            for value in self._sent(entry):
                _, values = self._read(value)
                if "prompt" in values and _is_id(values.get("request")):
                    record = msgspec.structs.replace(record, request=str(values["request"]))
        elif isinstance(record, Received) and record.text is not None:
            record = msgspec.structs.replace(record, text=self._message(record.text))
        self.records.append(record)

    def _message(self, text: str) -> str:
        """What the profile's codecs read: of an event whose fields were recorded, its data, if they read no more."""
        connection = self.spec.connection
        if not connection.by_http or self.spec.frame.codecs[0].startswith("sse") or not is_event(text):
            return text
        try:
            found = data_of(text)
        except StreamError:
            return text
        return found[0] if len(found) == 1 else text

    def _http(self, connection: str, exchange: Any) -> None:
        path = urlsplit(str(exchange.get("url", ""))).path
        for request in self.spec.before:
            if str(exchange.get("method")) == request.method and unfilled(request.path, path) is not None:
                known = self._values.setdefault(connection, {})
                found = {name: walk(exchange.get("resp"), at) for name, at in request.capture.items()}
                known.update({name: value for name, value in found.items() if value not in (MISSING, None)})

    def _begin(self, connection: str, at: float) -> None:
        if connection not in self._open:
            self._open.add(connection)
            told = self._told[connection]
            known = {**self._values.get(connection, {}), **(told.pop(0) if len(told) > 1 else told[0])}
            kept = {name: value for name, value in known.items() if name in self.spec.looked_up}
            self._add(Opened, connection, at, user=self._users[connection], values=kept)

    def _out(self, connection: str, entry: dict[str, Any], at: float) -> None:
        self._begin(connection, at)
        found = self._sent(entry)
        text = "\n".join(each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in found)
        what, values = next((read for each in found if (read := self._read(each))[0]), ("hello", {}))
        kept = {name: values[name] for name in ("request", "thread", "run", "nonce") if _is_id(values.get(name))}
        if what in _ASKING:
            self._asked += 1
            request = str(kept.pop("request", f"question {self._asked}"))
            expect = Expect(prompt=str(values["prompt"]))
            self._add(Sent, connection, at, what="start", text=text, request=request, expect=expect, **kept)
            self._refused(connection, at, entry.get("http"), request)
        elif what == "respond":
            answered = {"input": str(values["input"])} if _is_id(values.get("input")) else {}
            approves = self._approves(values.get("choice"))
            self._add(Sent, connection, at, what=what, text=text, approves=approves, **answered, **kept)
        else:
            what = "stop" if what == "early_stop" else what
            self._add(Sent, connection, at, what=what, text=text, **kept)

    def _refused(self, connection: str, at: float, answer: Any, request: str) -> None:
        """An answer by HTTP that is an error."""
        if isinstance(answer, dict) and isinstance(status := answer.get("status"), int) and status >= LEAST_ERROR:
            body = answer.get("resp")
            text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
            headers = (f"content-type: {answer.get('type', '')}",)
            self._add(
                Responded, connection, at, status=status, after_ms=0.0, request=request, headers=headers, body=text
            )

    def _read(self, value: Any) -> tuple[str, dict[str, Any]]:
        """What a sent value is by the profile's templates, and the values in it; "" for what none of them makes.

        An id in another form than the profile's own is as good, if nothing else fits: it was another client's.
        """
        for lenient in (False, True):
            for what, template in self._templates():
                values = unfilled(template, value, lenient=lenient)
                if values is not None and (what not in _ASKING or "prompt" in values):
                    return what, values
        return "", {}

    def _approves(self, choice: Any) -> bool:
        """Whether a choice approves. One that may be both, since it only holds captured values, accuses nobody so."""
        choices = self.spec.choices
        return choices is None or unfilled(choices.approve, choice) is not None

    def _templates(self) -> Iterator[tuple[str, Any]]:
        """What each frame to send is made of; of several that ask together, the one that holds the question."""
        for what, template in self.spec.send.items():
            parts = template if isinstance(template, list) else [template]
            yield what, next((part for part in parts if "{prompt}" in str(part)), parts[-1])

    def _in(self, connection: str, data: Any, at: float, *, binary: bool) -> None:
        self._begin(connection, at)
        if binary:
            try:
                raw = base64.b64decode(data, validate=True)
            except (binascii.Error, TypeError) as error:
                raise ValueError("a binary frame is base64") from error
            self._add(Received, connection, at, data=raw, binary=True)
        else:
            text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
            self._add(Received, connection, at, text=self._message(text))

    def _ctl(self, connection: str, data: Any, at: float) -> None:
        if connection in self._open and isinstance(data, dict):
            by = "server" if data.get("code") is not None else "nobody"
            self._add(Closed, connection, at, by=by, code=data.get("code"), reason=str(data.get("reason") or ""))
            self._open.discard(connection)

    def _add(self, kind: Any, connection: str, at: float, **values: Any) -> None:
        self.records.append(kind(n=len(self.records) + 1, at=at, connection=connection, **values))


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _as_json(data: Any) -> Any:
    if not isinstance(data, str):
        return data
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data


def unfilled(template: Any, value: Any, *, lenient: bool = False) -> dict[str, Any] | None:
    """The values with which a template becomes the value; None if it cannot. What the value has beyond is ignored.

    `lenient`: a text with one name in it may have any other form.
    """
    found: dict[str, Any] = {}
    return (
        {name: item for name, item in found.items() if name not in EVERYWHERE}
        if _match(template, value, found, lenient=lenient)
        else None
    )


def _match(template: Any, value: Any, found: dict[str, Any], *, lenient: bool) -> bool:
    if template in ([], {}) and value is MISSING:
        return True
    if isinstance(template, dict) and isinstance(value, dict):
        return all(_match(item, value.get(key, MISSING), found, lenient=lenient) for key, item in template.items())
    if isinstance(template, list) and isinstance(value, list):
        pairs = zip(template, value, strict=False)
        return len(value) == len(template) and all(_match(item, part, found, lenient=lenient) for item, part in pairs)
    if isinstance(template, str) and "{" in template:
        return _match_text(template, value, found, lenient=lenient)
    return bool(template == value)


def _match_text(template: str, value: Any, found: dict[str, Any], *, lenient: bool) -> bool:
    whole = _NAME.fullmatch(template)
    if whole is not None and whole[1] is not None:
        found.update({} if value is MISSING else {whole[1].removesuffix("?"): value})
        return True
    if not isinstance(value, str):
        return False
    names: list[str] = []
    pattern, end = "", 0
    for part in _NAME.finditer(template):
        pattern += re.escape(template[end : part.start()])
        if part[1] is None:
            pattern += re.escape(part[0][0])
        else:
            names.append(part[1].removesuffix("?"))
            pattern += "(.*?)"
        end = part.end()
    matched = re.fullmatch(pattern + re.escape(template[end:]), value, re.DOTALL)
    if matched is None:
        found.update({names[0]: value} if lenient and len(names) == 1 else {})
        return lenient and len(names) == 1
    found.update(zip(names, matched.groups(), strict=True))
    return True
