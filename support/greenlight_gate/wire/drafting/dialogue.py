"""What a client sends: the request with names in the places of ids, and what comes before it."""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from greenlight_gate.trace import SUCCESS
from greenlight_gate.wire.by_http import SentTo, framing_of
from greenlight_gate.wire.drafting.recording import Message, leaves
from greenlight_gate.wire.drafting.requests import ID, Exchange, Requests, is_kind, values_at
from greenlight_gate.wire.templates import RESERVED
from greenlight_gate.wire.values import read_stamp

THREAD = re.compile(r"thread|session|conversation|chat|room|channel_?id", re.IGNORECASE)
_REQUEST = re.compile(r"(^|[._])(id|(request|message|msg|client|correlation)_?id)$", re.IGNORECASE)
_USER = re.compile(r"^(user|username|user_?id|sender|sub)$", re.IGNORECASE)
_USER_NAME = re.compile(r"^(user_?name|display_?name)$", re.IGNORECASE)
_TOKEN = re.compile(r"token|jwt|authorization|bearer", re.IGNORECASE)
_TIME = re.compile(r"(^|_)(date|time|timestamp|ts|sent_?at|created_?at)$", re.IGNORECASE)
_RUN = re.compile(r"(run|job|execution|task)_?id$", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_BEAT = re.compile(r"ping|heartbeat|\bhb\b|keepalive|keep_alive", re.IGNORECASE)
_LATEST_S = 1e11
_LEAST_ID = 6


class Dialogue:
    """The templates of what a client sends.

    `request_at`, `thread_at`: where what came repeats the client's own id; `request_ids`: those that were sent on each
    connection. `scope`: where what came repeats a value that the client makes once for a connection. `values`: those.
    """

    def __init__(self, requests: Requests) -> None:
        self.requests = requests
        self.turn: Exchange | None = requests.best
        self.request_at: tuple[str, ...] = ()
        self.request_ids: dict[str, set[str]] = {}
        self.thread_at = ""
        self.scope: dict[str, str] = {}
        self.values: list[str] = []
        self._sent: dict[str, str] = {}
        self._answered: set[str] = set()
        # Lines of a table, and what came, of which values are captured.
        self._before: list[tuple[list[str], Any]] = []
        self._steps: list[tuple[str, Any]] = []
        self.start = ""
        # How it is sent by HTTP, as inline TOML; "" for a frame.
        self.address = ""
        if self.turn is not None:
            messages = requests.recording.connections[self.turn.connection]
            first = min(turn.at for turn in requests.turns if turn.connection == self.turn.connection)
            self._user = messages[self.turn.at].user
            self._known = _Known(messages[:first])
            self._of_threads = {
                str(value) for each in messages[first : self.turn.at] if each.way == "in"
                for path, value in leaves(each.value) if THREAD.search(path)
            }  # fmt: skip
            self.start = self._template(self.turn.request, is_start=True)
            self.address = self._http(messages[self.turn.at].address)
            self._draft_steps(messages[:first])
            self._draft_before(messages[:first])

    # The request --------------------------------------------------------------------------------------------------

    def _template(self, value: Any, path: str = "", *, is_start: bool = False) -> str:
        """A value as inline TOML, with names in the places of what is new each time. Null is left out."""
        where = path[:-1]
        name = where.rpartition(".")[2]
        if isinstance(value, dict):
            items = {key: self._template(item, f"{path}{key}.", is_start=is_start) for key, item in value.items()
                     if item is not None or (is_start and THREAD.search(key))}  # fmt: skip
            return "{ " + ", ".join(f"{key_of(key)} = {item}" for key, item in items.items()) + " }" if items else "{}"
        if isinstance(value, list):
            places = [i if not path or i < max(1, len(value) - 1) else -1 for i in range(len(value))]
            parts = [
                self._template(item, f"{path}{i}.", is_start=is_start)
                for i, item in zip(places, value, strict=True) if item is not None
            ]  # fmt: skip
            return "[" + ", ".join(parts) + "]"
        if is_start and where and _same_path(where, self.requests.path):
            return self._prompt(value)
        if value is None:
            return '"{thread}"'
        found = self._named(value, where, name, is_start=is_start)
        if found:
            return f'"{{{found}}}"'
        return json.dumps(value.replace("{", "{{").replace("}", "}}")) if isinstance(value, str) else json.dumps(value)

    def _http(self, address: SentTo | None) -> str:
        """The address of a message as inline TOML, "" without one."""
        if address is None or not self.requests.recording.by_http:
            return ""
        method = f'method = "{address.method}", ' if address.method != "POST" else ""
        return f"{{ {method}path = {json.dumps(self._path(urlsplit(address.path).path))} }}"

    def _prompt(self, value: str) -> str:
        turn = self.turn
        assert turn is not None
        prompt = self.requests.recording.connections[turn.connection][turn.at].prompt
        if prompt and prompt in value:
            head, _, tail = value.partition(prompt)
            escaped = [part.replace("{", "{{").replace("}", "}}") for part in (head, tail)]
            return json.dumps(f"{escaped[0]}{{prompt}}{escaped[1]}")
        return '"{prompt}"'

    def _named(self, value: Any, where: str, name: str, *, is_start: bool) -> str:
        """The name that stands for a value that was sent, "" for what is always the same."""
        if isinstance(value, bool) or not isinstance(value, str | int | float) or is_kind(where):
            return ""
        if isinstance(value, str):
            for pattern, named in ((_USER_NAME, "user_name"), (_USER, "user")):
                if pattern.fullmatch(name):
                    return named
            if _TOKEN.search(name) or value.startswith("[token"):
                return "token"
        if _TIME.search(name) and read_stamp(value)[0] is not None:
            return "now" if isinstance(value, str) else "now_ms" if value > _LATEST_S else "now_s"
        given = self._known.name_of(value, where)
        if given is None and is_start:
            if str(value) in self._of_threads:
                given = "thread"
            elif value != "" and not isinstance(value, float) and (ID.search(where) or is_id(value)):
                given = self._own_id(value, where)
        return given or ""

    def _own_id(self, sent: str | int, where: str) -> str:
        """The name of an id that the client made: of the request, or of what lasts for a connection."""
        turn, value = self.turn, str(sent)
        assert turn is not None
        name, others = where.rpartition(".")[2], [each for each in self.requests.turns if each is not turn]
        elsewhere = [value in values_at([each.request], where) for each in others if each.connection != turn.connection]
        if elsewhere and all(elsewhere):
            return ""  # every user sends it: it names something of the backend
        again = any(value in values_at([each.request], where) for each in others if each.connection == turn.connection)
        back = self._coming_back(value)
        lasts = again or bool(THREAD.search(name))
        if not lasts and (back or (isinstance(sent, str) and _REQUEST.search(where)) or is_id(sent)):
            self._note_request(where, back)
            return "request"
        return self._own_value(where, name, back) if lasts and (back or is_id(value)) else ""

    def _note_request(self, where: str, back: list[str]) -> None:
        if self.request_at or not back:
            return
        self.request_at = tuple(back[:2])
        for each in self.requests.turns:
            self.request_ids.setdefault(each.connection, set()).update(values_at([each.request], where))

    def _own_value(self, where: str, name: str, back: list[str]) -> str:
        """The name of a value that the client makes once for a connection."""
        name = re.sub(r"\W", "_", name).lower().removesuffix("_id")
        name = name if re.match("[a-z]", name) and name not in RESERVED else f"own_{name}".rstrip("_")
        self.values = [*dict.fromkeys([*self.values, name])]
        for path in back[:1]:
            self.scope[path] = name
            self._sent[path] = where
            self.thread_at = self.thread_at or path
        return name

    def _coming_back(self, value: str) -> list[str]:
        """The paths at which frames of the answer hold a value, the most frequent first."""
        turn = self.turn
        assert turn is not None
        counts: dict[str, int] = {}
        for frame in turn.came:
            for path, item in leaves(frame):
                if isinstance(item, str | int) and not isinstance(item, bool) and str(item) == value:
                    counts[path] = counts.get(path, 0) + 1
        return sorted(counts, key=lambda path: (-counts[path], path.count("."), path))

    # Before it ----------------------------------------------------------------------------------------------------

    def _draft_steps(self, before: list[Message]) -> None:
        transport = self.requests.recording.transport
        if transport in ("sse", "ndjson"):
            return  # what comes before a request there is the answer to another one
        frames = [each for each in before if each.way in ("in", "out")]
        beats = self._beats(frames)
        for index, each in enumerate(frames):
            if index in beats or not isinstance(each.value, dict | list):
                continue
            if each.way == "out":
                self._steps += [(f"send = {self._template(each.value)}", None)] if transport == "websocket" else []
                continue
            line = f"expect = {{ {_awaited(each.value, frames[:index])} }}"
            if line not in {"expect = {  }", *dict(self._steps)}:
                self._steps.append((line, each.value))

    def _beats(self, frames: list[Message]) -> set[int]:
        found: set[int] = set()
        for index, (one, next_) in enumerate(itertools.pairwise(frames)):
            if one.way == "in" and next_.way == "out" and _BEAT.search(json.dumps(one.value)):
                found |= {index, index + 1}
        return found

    def _draft_before(self, messages: list[Message]) -> None:
        for each in messages:
            if (
                each.way != "http"
                or each.value.get("status") not in SUCCESS
                or framing_of(str(each.value.get("type", "")))
            ):
                continue
            exchange = each.value
            lines = [f"method = {json.dumps(exchange['method'])}"] if exchange.get("method", "POST") != "POST" else []
            lines.append(f"path = {json.dumps(self._path(urlsplit(str(exchange.get('url', ''))).path or '/'))}")
            if isinstance(exchange.get("body"), dict | list):
                lines.append(f"json = {self._template(exchange['body'])}")
            self._before.append((lines, exchange.get("resp")))

    def run_given(self) -> str:
        """The name of a run's id that a response before the request gave, "" for none."""
        return self._known.run_given() if self.turn is not None else ""

    def use_of(self, frame: Any) -> str:
        """What such frames are beside the runs, in words: steps of the handshake, or answered; "" for neither."""
        if expected(frame) in self._answered:
            return "answered at once"
        return "a step of the handshake" if f"expect = {{ {expected(frame)} }}" in dict(self._steps) else ""

    @property
    def given(self) -> list[str]:
        """The names of what is captured from responses before the connection."""
        return [name for _, response in self._before for name in self._known.used_of(response)]

    def handshake(self) -> Iterator[str]:
        """The tables of what is exchanged before the request."""
        for line, came in self._steps:
            yield from ("", "[[handshake]]", line, *self._capture(came))

    def before(self) -> Iterator[str]:
        """The tables of the HTTP requests before the connection."""
        for lines, response in self._before:
            yield from ("", "[[before]]", *lines, *self._capture(response))

    def _capture(self, source: Any) -> list[str]:
        used = self._known.used_of(source)
        return (
            ["capture = { " + ", ".join(f"{name} = {json.dumps(at)}" for name, at in used.items()) + " }"]
            if used
            else []
        )

    def _path(self, path: str) -> str:
        parts = []
        for part in path.split("/"):
            name = self._known.name_of(part, "") if part else None
            named = name or ("user" if part and part == self._user else "")
            parts.append(f"{{{named}}}" if named else part.replace("{", "{{").replace("}", "}}"))
        return "/".join(parts)

    def scope_lines(self) -> Iterator[str]:
        """The table of [scope], where users were sent frames that hold another user's value."""
        for path, name in self.scope.items():
            if self._is_shown_to_others(path):
                yield from ("", "[scope]", f"mine = {{ {key_of(path)} = {{ same_as = {json.dumps(name)} }} }}")
                return

    def _is_shown_to_others(self, path: str) -> bool:
        turns = self.requests.turns
        own = {turn.connection: values_at([turn.request], self._sent[path]) for turn in turns}
        for turn in turns:
            others = {value for name, values in own.items() if name != turn.connection for value in values}
            if others.intersection(values_at(turn.came, path)) - set(own[turn.connection]):
                return True
        return False

    def answers(self) -> Iterator[str]:
        """The tables of frames that the client answers at once; none, where no request was found."""
        seen = self._answered
        for messages in self.requests.recording.connections.values() if self.turn is not None else ():
            frames = [each for each in messages if each.way in ("in", "out")]
            for index in sorted(self._beats(frames)):
                one, next_ = frames[index], frames[min(index + 1, len(frames) - 1)]
                when = expected(one.value)
                if one.way == "in" and next_.way == "out" and when and when not in seen:
                    seen.add(when)
                    yield from ("", "[[answer]]", f"when = {{ {when} }}", f"send = {self._template(next_.value)}")


class _Known:
    """What responses and frames before the request gave: values by which what follows names something."""

    def __init__(self, before: list[Message]) -> None:
        self.names: dict[str, str] = {}
        self._used: set[str] = set()
        self._whence: dict[int, list[tuple[str, str]]] = {}
        sent: set[str] = set()
        for each in before:
            sent |= {str(value) for _, value in leaves(each.value)} if each.way == "out" else set()
            source = each.value.get("resp") if each.way == "http" else each.value if each.way == "in" else None
            url = str(each.value.get("url", "")) if each.way == "http" else ""
            if not isinstance(source, dict | list):
                continue
            for path, value in leaves(source):
                wanted = isinstance(value, str | int) and not isinstance(value, bool) and not is_kind(path)
                # What the client sent itself, and what repeats it, is no news of the server.
                wanted = wanted and str(value) not in sent
                if wanted and value != "" and (ID.search(path) or _TOKEN.search(path) or is_id(value)):
                    name = self._new_name(path, url)
                    self._whence.setdefault(id(source), []).append((name, path))
                    self.names.setdefault(str(value), name)

    def _new_name(self, path: str, url: str) -> str:
        words = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).lower() for word in path.split(".") if not word.isdigit()]
        if words[-1:] in (["id"], ["value"]) and url:
            words = [urlsplit(url).path.strip("/").rpartition("/")[2].removesuffix("s"), words[-1]]
        elif words[-1:] in (["id"], ["value"]):
            words = words[-2:] if len(words) > 1 else ["their", *words]
        else:
            words = words[-1:]
        name = re.sub(r"[^a-z0-9_]", "_", "_".join(words))
        name = name if re.match("[a-z]", name) and name not in RESERVED else f"their_{name}"
        while any(name == known for given in self._whence.values() for known, _ in given):
            name += "_"
        return name

    def run_given(self) -> str:
        """The name of a run's id that was given before the request, "" for none."""
        found = next((name for given in self._whence.values() for name, path in given if _RUN.search(path)), "")
        self._used |= {found} - {""}
        return found

    def name_of(self, value: Any, where: str) -> str | None:
        """The name of a value that was given before; short numbers count only where an id stands."""
        name = self.names.get(str(value))
        if name is None or not (is_id(value) or not where or ID.search(where) or THREAD.search(where)):
            return None
        self._used.add(name)
        return name

    def used_of(self, source: Any) -> dict[str, str]:
        """Name and path of what a response or frame gave and something that follows needs."""
        return {name: path for name, path in self._whence.get(id(source), []) if name in self._used}


def is_id(value: Any) -> bool:
    """Whether a value looks like one that is made for an id."""
    text = str(value)
    return bool(_UUID.search(text)) or (
        isinstance(value, str)
        and len(text) >= _LEAST_ID
        and not {" ", "/"} & {*text}
        and any(c.isdigit() for c in text)
    )


def _same_path(path: str, wanted: str) -> bool:
    return path == wanted or path.replace(".-1", ".0") == wanted or path == wanted.replace(".-1", ".0")


def expected(value: Any) -> str:
    """The conditions for frames of this kind: the words that name it, up to two."""
    found = []
    for path, item in leaves(value):
        word = path.rpartition(".")[2]
        if isinstance(item, str) and len(item) < 60 and " " not in item and not is_id(item) and (
            is_kind(path) or word in ("engine", "socket", "status", "state")
        ) and path.count(".") < 2:  # fmt: skip
            found.append(f"{key_of(path)} = {json.dumps(item)}")
    if not found and isinstance(value, dict) and isinstance(value.get("text"), str):
        found = [f"text = {json.dumps(value['text'])}"]
    return ", ".join(found[:3])


def _awaited(value: Any, before: list[Message]) -> str:
    """The conditions for a step of a handshake; a response without a name is known by the id that it repeats."""
    if named := expected(value):
        return named
    sent = {str(item) for each in before if each.way == "out" for path, item in leaves(each.value) if ID.search(path)}
    return next(
        (f"{key_of(path)} = {json.dumps(item)}" for path, item in leaves(value)
         if ID.search(path) and isinstance(item, str | int) and str(item) in sent), "",
    )  # fmt: skip


def key_of(path: str) -> str:
    """A path as a key of TOML."""
    return path if re.fullmatch(r"[A-Za-z0-9_-]+", path) else json.dumps(path)
