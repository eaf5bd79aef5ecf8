"""Invalid messages in the format of a profile: its own request, with one thing wrong, through its own codecs."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.session.conditions import NO_SIZE_LIMIT
from greenlight_gate.targets.http_calls import Values
from greenlight_gate.transport.connection_setup import new_request
from greenlight_gate.wire.codecs import UndecodableError
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.templates import fill, holds

_DEEP = 10_000
_PROMPT = "What is"
_TEN_MEGABYTES: Final = 10_000_000
# What a model can be asked to read.
_LONGEST_PROMPT: Final = 262_144
# The members that name the kind of a message, in most formats.
_KINDS = ("type", "method", "event", "op", "action", "kind", "msg_type")
_UNKNOWN = "greenlight_unknown"
ONE_BYTE_TOO_MANY = "a message one byte over the size limit"
LARGE = "a prompt of 10 megabytes"


class InvalidMessage(NamedTuple):
    """What is sent. `request`: its id, which an answer may name; `as_text`: bytes that go into a text frame."""

    data: str | bytes
    request: str | None = None
    as_text: bool = False

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.data.encode() if isinstance(self.data, str) else self.data)


class InvalidMessages:
    """Makes the invalid messages of one connection. `values`: those of the connection, by name.

    Each raises NotExercised where the format has no place for such a mistake.
    """

    def __init__(self, profile: Profile, values: Values) -> None:
        self.profile = profile
        self.values = values

    def made(self, name: str, most_bytes: int | None = None) -> InvalidMessage:
        """The message of this name. `most_bytes`: the largest message that is accepted, if that is declared."""
        if name in (ONE_BYTE_TOO_MANY, LARGE):
            return self._too_large(name, most_bytes)
        return MESSAGES[name](self)

    def half(self) -> InvalidMessage:
        """The first half of a request."""
        whole = self._request()
        return whole._replace(data=whole.data[: len(whole.data) // 2])

    def of_unknown_type(self) -> InvalidMessage:
        """The profile's own message of that kind, else a request whose constant member, its type, has another value."""
        if self.profile.can_send("unknown"):
            value, request = self._filled(_PROMPT, "unknown")
            return InvalidMessage(self._encoded(value), request)
        template, (value, request) = self._template(), self._filled(_PROMPT)
        members = list(template.items()) if isinstance(template, dict) else list(enumerate(template))
        constants = [key for key, member in members if isinstance(member, str) and "{" not in member]
        # By HTTP the address says what a request is; a constant of its body need not.
        kinds = [key for key in _KINDS if key in constants] + ([] if self._by_http else constants)
        if not kinds:
            raise self._not_exercised("a message of unknown type")
        kind = kinds[0]
        if isinstance(value, dict):
            return InvalidMessage(self._encoded({**value, kind: _UNKNOWN}), request)
        changed = [_UNKNOWN if index == kind else member for index, member in enumerate(value)]
        return InvalidMessage(self._encoded(changed), request)

    def without_fields(self) -> InvalidMessage:
        """The first member alone that does not hold the prompt, if there is one; with the prompt it may be complete."""
        template, (value, request) = self._template(), self._filled(_PROMPT)
        if not holds(template, "prompt"):
            raise self._not_exercised("a missing prompt")
        if isinstance(value, dict):
            names = [name for name, member in template.items() if not holds(member, "prompt")]
            kept: Any = {name: value[name] for name in names[:1]}
        else:
            # In a list, what stands behind the prompt would take its place.
            kept = [] if holds(template[0], "prompt") else value[:1]
        return InvalidMessage(self._encoded(kept), request)

    def without_prompt(self) -> InvalidMessage:
        """A request whose prompt is null."""
        return self._request(None)

    def number_as_prompt(self) -> InvalidMessage:
        """A request whose prompt is a number."""
        return self._request(17)

    def list_instead_of_object(self) -> InvalidMessage:
        """A list, where a request is an object."""
        if not isinstance(self._template(), dict):
            raise self._not_exercised("an object")
        return InvalidMessage(self._encoded([1, 2, 3]))

    def nested_deeply(self) -> InvalidMessage:
        """JSON of 10,000 levels."""
        value, _ = self._filled(_PROMPT)
        if self._encoded(value) != json.dumps(value, ensure_ascii=False):
            raise self._not_exercised("JSON as it is")
        return InvalidMessage('{"type": ' + "[" * _DEEP + "]" * _DEEP + "}")

    def control_characters(self) -> InvalidMessage:
        """A text whose prompt consists of control characters that are not escaped."""
        whole, text = self._text()
        return whole._replace(data=text.replace(_PROMPT, "".join(map(chr, range(32)))))

    def binary(self) -> InvalidMessage:
        """All bytes in a binary frame, which no format begins with."""
        return InvalidMessage(bytes(range(256)))

    def not_utf8(self) -> InvalidMessage:
        """A text whose prompt is not UTF-8; by HTTP its beginning, as readers may replace such bytes in a prompt."""
        whole, text = self._text()
        if self._by_http:
            return whole._replace(data=b"\xff\xff" + text.encode(), as_text=True)
        return whole._replace(data=text.encode().replace(_PROMPT.encode(), b"\xff\xfe"), as_text=True)

    def _too_large(self, name: str, most_bytes: int | None) -> InvalidMessage:
        """A request that is larger than what is declared as accepted."""
        most_bytes = self._limit(most_bytes)
        letters = most_bytes + 1 - self._request("").size if name == ONE_BYTE_TOO_MANY else _TEN_MEGABYTES
        if not 0 < letters <= _TEN_MEGABYTES:
            raise NotExercised(f"messages of {most_bytes} bytes are accepted, by declaration")
        made = self._request("x" * letters)
        if made.size <= most_bytes:
            raise NotExercised(f"messages of {most_bytes} bytes are accepted, by declaration")
        return made

    def filled_up(self, prompt: str, most_bytes: int | None) -> str:
        """The prompt with letters behind it, so that the request has exactly as many bytes as are accepted."""
        most_bytes = self._limit(most_bytes)
        if "{counter}" in str(self._template()):
            raise self._not_exercised("a size that is known beforehand")
        letters = most_bytes - self._request(f"{prompt} ").size
        if not 0 <= letters <= _LONGEST_PROMPT:
            raise NotExercised(f"messages of {most_bytes} bytes are accepted: no request is made so large")
        filled = f"{prompt} {'x' * letters}"
        if self._request(filled).size != most_bytes:
            raise self._not_exercised("a request of a given size")
        return filled

    @staticmethod
    def _limit(most_bytes: int | None) -> int:
        if most_bytes is None:
            raise NotExercised(NO_SIZE_LIMIT)
        return most_bytes

    @property
    def _by_http(self) -> bool:
        return self.profile.spec.connection.transport != "websocket"

    # How a request is made ---------------------------------------------------------------------------------------

    def _template(self) -> Any:
        """The template of a request; of several messages that ask together, the last."""
        template = self.profile.spec.send["start"]
        if "start" in self.profile.spec.calls:
            raise NotExercised(f"users of {self.profile.name} send requests by HTTP, and no messages")
        several = isinstance(template, list) and bool(template) and all(isinstance(part, dict) for part in template)
        return template[-1] if several else template

    def _filled(self, prompt: object, what: str = "start") -> tuple[Any, str]:
        request = new_request(self.profile.spec)
        try:
            values = self.values.over({"request": request, "prompt": prompt, "thread": None})
            return fill(self._template() if what == "start" else self.profile.spec.send[what], values), request
        except KeyError as error:
            raise NotExercised(f"a request needs {error}, which is not known") from error

    def _request(self, prompt: object = _PROMPT) -> InvalidMessage:
        value, request = self._filled(prompt)
        return InvalidMessage(self._encoded(value), request)

    def _text(self) -> tuple[InvalidMessage, str]:
        whole = self._request()
        if not isinstance(whole.data, str) or _PROMPT not in whole.data:
            raise self._not_exercised("the prompt as text")
        return whole, whole.data

    def _encoded(self, value: Any) -> str | bytes:
        try:
            return self.profile.encode(value)
        except (UndecodableError, KeyError, TypeError, AttributeError) as error:
            raise NotExercised(f"the codecs of {self.profile.name} cannot send this mistake: {error}") from error

    def _not_exercised(self, what: str) -> NotExercised:
        return NotExercised(f"the requests of {self.profile.name} have no place for {what}")


# By their names in the steps.
MESSAGES: Mapping[str, Callable[[InvalidMessages], InvalidMessage]] = MappingProxyType({
    "a truncated message": InvalidMessages.half,
    "a message of unknown type": InvalidMessages.of_unknown_type,
    "a message without its fields": InvalidMessages.without_fields,
    "a request without a prompt": InvalidMessages.without_prompt,
    "a number as the prompt": InvalidMessages.number_as_prompt,
    "a list instead of an object": InvalidMessages.list_instead_of_object,
    f"a message nested {_DEEP} levels deep": InvalidMessages.nested_deeply,
    "a prompt of control characters": InvalidMessages.control_characters,
    "a binary message": InvalidMessages.binary,
    "text that is not UTF-8": InvalidMessages.not_utf8,
})  # fmt: skip
MESSAGE_NAMES = (*MESSAGES, ONE_BYTE_TOO_MANY, LARGE)
