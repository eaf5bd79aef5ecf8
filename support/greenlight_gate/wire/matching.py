"""Rules that say what a frame is: [[event]], [[ignore]] and [[answer]]."""

import re
from typing import Any, Literal

import msgspec

from greenlight_gate.events import EventKind
from greenlight_gate.wire.errors import ProfileError, check_names, check_paths, convert, known, one_of, tables
from greenlight_gate.wire.fields import EVERY_FIELDS, OWN_FIELDS, Fields, read_fields
from greenlight_gate.wire.predicates import ITEM, UNDECODED, Condition, read_terms
from greenlight_gate.wire.templates import RESERVED

_RULE_KEYS = ("when", "is", "each", "collapse", "once", "synthesised", "go_on", "remember", "gather")
_FIELDS = EVERY_FIELDS + OWN_FIELDS


class EventRule(msgspec.Struct, frozen=True):
    """[[event]]: a frame that meets `when` is an event of this kind.

    `each`: the path of a list; there is an event for each of its items that meets the conditions on `$item`.
    A rule for answer_part gives pieces of the answer, which are no events.
    `collapse`: what follows of the same kind is more of the same, "until_other_kind" comes; or "always", for pieces of
    what another frame tells as a whole. `once`: the field by which
    a fact that was reported before is known. `synthesised`: what the event is inferred from. `go_on`: later rules may
    match the same frame too. `remember` keeps values by name, `gather` joins texts until the next question.
    """

    kind: EventKind
    when: tuple[Condition, ...]
    fields: Fields
    each: str = ""
    collapse: Literal["no", "until_other_kind", "always"] = "no"
    once: str = ""
    synthesised: str = ""
    go_on: bool = False
    remember: dict[str, str] = {}
    gather: dict[str, str] = {}


class Ignore(msgspec.Struct, frozen=True):
    """[[ignore]]: a frame that is passed over on purpose, `because` of something that a report can print.

    `first`: it is tried before all [[event]] rules. `undecoded`: what a message that no codec can read looks like, as
    an expression that is searched for in its text; then it has no other condition.
    """

    when: tuple[Condition, ...]
    because: str
    first: bool = False
    undecoded: re.Pattern[str] | None = None
    remember: dict[str, str] = {}
    gather: dict[str, str] = {}


class Answer(msgspec.Struct, frozen=True):
    """[[answer]]: a frame of the protocol that the client answers at once."""

    when: tuple[Condition, ...]
    send: dict[str, Any] | list[Any]


def read_rules(data: dict[str, Any], every: Fields, shared: dict[EventKind, Fields]) -> tuple[EventRule, ...]:
    """The [[event]] tables; each has the fields of [every] and of [events.KIND], and its own before them."""
    return tuple(_rule(section, where, every, shared) for where, section in tables(data, "event"))


def _rule(section: dict[str, Any], where: str, every: Fields, shared: dict[EventKind, Fields]) -> EventRule:
    known(section, (*_RULE_KEYS, *_FIELDS, "places"), where)
    name = convert(section.get("is"), str, f"{where}.is")
    kind = EventKind(one_of(name, tuple(EventKind), f"{where}.is"))
    when = read_terms(section.get("when"), f"{where}.when")
    own = {key: value for key, value in section.items() if key not in _RULE_KEYS}
    fields = {**shared.get(kind, every), **read_fields(own, where, _FIELDS)}
    path = convert(section.get("each", ""), str, f"{where}.each")
    check_paths([path] if path else [], f"{where}.each", least=0)
    used = [term.path for term in when] + [path for _, paths in fields.values() for path in paths]
    if not path and any(name == ITEM or name.startswith(f"{ITEM}.") for name in used):
        raise ProfileError(f"{where}.each: expected the path of the list whose items {ITEM} stands for, got nothing")
    once = convert(section.get("once", ""), str, f"{where}.once")
    collapse = convert(section.get("collapse", "no"), str, f"{where}.collapse")
    one_of(collapse, ("no", "until_other_kind", "always"), f"{where}.collapse")
    return EventRule(
        kind, when, fields, path, collapse,
        one_of(once, _FIELDS, f"{where}.once") if once else "",
        convert(section.get("synthesised", ""), str, f"{where}.synthesised"),
        convert(section.get("go_on", False), bool, f"{where}.go_on"),
        *_kept(section, where),
    )  # fmt: skip


def _kept(section: dict[str, Any], where: str) -> tuple[dict[str, str], dict[str, str]]:
    kept = []
    for key in ("remember", "gather"):
        names: dict[str, str] = convert(section.get(key, {}), dict[str, str], f"{where}.{key}")
        check_names(names, f"{where}.{key}", RESERVED)
        check_paths(names.values(), f"{where}.{key}", least=0)
        kept.append(names)
    return kept[0], kept[1]


def read_ignores(data: dict[str, Any]) -> tuple[Ignore, ...]:
    """The [[ignore]] tables."""
    found = []
    for where, section in tables(data, "ignore"):
        known(section, ("when", "because", "first", "remember", "gather"), where)
        because = convert(section.get("because"), str, f"{where}.because")
        if not because.strip():
            raise ProfileError(f"{where}.because: expected why these frames are passed over, got nothing")
        first = convert(section.get("first", False), bool, f"{where}.first")
        when = read_terms(section.get("when"), f"{where}.when")
        undecoded = next((term for term in when if term.path == UNDECODED), None)
        if undecoded is not None and (len(when) > 1 or undecoded.op != "regex" or first or "remember" in section):
            raise ProfileError(
                f'{where}.when: expected "{UNDECODED}" with a regex and nothing beside it, since nothing else is known '
                f"of a message that no codec can read"
            )
        kept = _kept(section, where)
        found.append(
            Ignore((), because, undecoded=undecoded.value)
            if undecoded is not None
            else Ignore(when, because, first, None, *kept)
        )
    return tuple(found)


def read_answers(data: dict[str, Any]) -> tuple[Answer, ...]:
    """The [[answer]] tables."""
    found = []
    for where, section in tables(data, "answer"):
        known(section, ("when", "send"), where)
        send = convert(section.get("send"), dict[str, Any] | list[Any], f"{where}.send")
        found.append(Answer(read_terms(section.get("when"), f"{where}.when"), send))
    return tuple(found)
