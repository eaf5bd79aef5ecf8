"""Recorded frames as a trace: what `greenlight doctor --record` keeps, and captures of other tools.

A capture is JSON lines: { "conn", "user", "dir": "in" | "out" | "http" | "ctl", "kind": "text" | "binary", "data", "t",
"dt" }. `data` is the frame as JSON or text (binary: base64); of "http" it is { method, url, status, body, resp }, of
"ctl" a close as { code, reason }. Only `dir` and `data` are needed; without `user`, each connection is a user's own.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec

from greenlight_gate.trace import AnyRecord, Closed, Expect, Opened, Received, Sent
from greenlight_gate.wire.spec import Spec
from greenlight_gate.wire.templates import EVERYWHERE
from greenlight_gate.wire.values import MISSING, walk

_record = msgspec.json.Decoder(AnyRecord)
_NAME = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


class CaptureError(Exception):
    """A capture that cannot be read: one line with the number of the line in it."""


def read_capture(lines: Iterable[bytes], spec: Spec) -> tuple[list[AnyRecord], float]:
    """The records of a capture, and the wall time of its beginning (epoch seconds, 0 if it is not known).

    Which values were captured before a connection, and what was asked, is read from the profile's own templates.
    Raises CaptureError.
    """
    reader = _Captured(spec)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            reader.take(entry, line)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, msgspec.MsgspecError) as error:
            raise CaptureError(
                f"line {number}: expected a recorded frame as JSON, got {line[:60]!r} ({error})"
            ) from error
    return reader.records, reader.epoch_s


class _Captured:
    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.records: list[AnyRecord] = []
        self.epoch_s = 0.0
        self._values: dict[str, dict[str, Any]] = {}
        self._open: set[str] = set()
        self._users: dict[str, str] = {}
        self._asked = 0

    def take(self, entry: Any, line: bytes) -> None:
        if not isinstance(entry, dict):
            raise TypeError("not an object")
        if "record" in entry:
            self.records.append(_record.decode(line))
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
            self._out(connection, data, at)
        elif direction == "in":
            self._in(connection, data, at, binary=entry.get("kind") == "binary")
        elif direction == "ctl":
            self._ctl(connection, data, at)
        else:
            raise ValueError(f"dir is {direction!r}")

    def _http(self, connection: str, exchange: Any) -> None:
        path = urlsplit(str(exchange.get("url", ""))).path
        for request in self.spec.before:
            if str(exchange.get("method")) == request.method and unfilled(request.path, path) is not None:
                known = self._values.setdefault(connection, {})
                found = {name: walk(exchange.get("resp"), at) for name, at in request.capture.items()}
                known.update({name: value for name, value in found.items() if value not in (MISSING, None)})

    def _begin(self, connection: str, at: float, values: dict[str, Any] | None = None) -> None:
        known = self._values.setdefault(connection, {})
        if connection not in self._open:
            self._open.add(connection)
            wanted = {**known, **(values or {})}
            kept = {name: value for name, value in wanted.items() if name in self.spec.looked_up}
            self._add(Opened, connection, at, user=self._users[connection], values=kept)

    def _out(self, connection: str, data: Any, at: float) -> None:
        value = _as_json(data)
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        for what, template in self._templates():
            values = unfilled(template, value)
            if values is None:
                continue
            self._begin(connection, at, values)
            kept = {name: values[name] for name in ("request", "thread", "run", "nonce") if _is_id(values.get(name))}
            if what in ("start", "claim"):
                self._asked += 1
                request = str(kept.pop("request", f"question {self._asked}"))
                expect = Expect(prompt=str(values.get("prompt", "")))
                self._add(Sent, connection, at, what="start", text=text, request=request, expect=expect, **kept)
            else:
                self._add(Sent, connection, at, what=what, text=text, **kept)
            return
        self._begin(connection, at)
        self._add(Sent, connection, at, what="hello", text=text)

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
            self._add(Received, connection, at, text=text)

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


def unfilled(template: Any, value: Any) -> dict[str, Any] | None:
    """The values with which a template becomes the value; None if it cannot. What the value has beyond is ignored."""
    found: dict[str, Any] = {}
    return (
        {name: item for name, item in found.items() if name not in EVERYWHERE}
        if _match(template, value, found)
        else None
    )


def _match(template: Any, value: Any, found: dict[str, Any]) -> bool:
    if template in ([], {}) and value is MISSING:
        return True
    if isinstance(template, dict) and isinstance(value, dict):
        return all(_match(item, value.get(key, MISSING), found) for key, item in template.items())
    if isinstance(template, list) and isinstance(value, list):
        pairs = zip(template, value, strict=False)
        return len(value) == len(template) and all(_match(item, part, found) for item, part in pairs)
    if isinstance(template, str) and "{" in template:
        return _match_text(template, value, found)
    return bool(template == value)


def _match_text(template: str, value: Any, found: dict[str, Any]) -> bool:
    whole = _NAME.fullmatch(template)
    if whole is not None and whole[1] is not None:
        found.update({} if value is MISSING else {whole[1]: value})
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
            names.append(part[1])
            pattern += "(.*?)"
        end = part.end()
    matched = re.fullmatch(pattern + re.escape(template[end:]), value, re.DOTALL)
    if matched is None:
        return False
    found.update(zip(names, matched.groups(), strict=True))
    return True
