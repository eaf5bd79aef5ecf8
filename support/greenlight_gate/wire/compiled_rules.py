"""Rules compiled to Python source: the conditions of a profile in their order, and the building of each event.

The same source is generated twice: over a typed struct of the frame, and over the decoded value for frames that do not
fit the types. It is made of fixed text, numbers and repr() literals; no text of a profile becomes code.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from greenlight_gate.events import Control, Event, EventKind, Mistake, Problem
from greenlight_gate.wire.explain import check_field
from greenlight_gate.wire.fields import Field, Fields, joined
from greenlight_gate.wire.json_text import preview
from greenlight_gate.wire.matching import EventRule, Ignore
from greenlight_gate.wire.paths import UNSET, PathSource, Tree, member, rest_of
from greenlight_gate.wire.predicates import EVENTS, OPEN_TOOLS, Condition
from greenlight_gate.wire.spec import Spec
from greenlight_gate.wire.values import STAMP_FORMATS, read_stamp, text_of

# What a frame is handed to: the frame, the state of the connection, and where readings go. True if a rule knew it.
Matcher = Callable[[Any, Any, list[Any]], bool]

_ARGUMENTS = Event.__struct_fields__
_TYPES = {"id": "str", "text": "str", "int": "int"}


def all_paths(spec: Spec) -> list[str]:
    """Every path into a frame that the profile names."""
    found = [term.path for term in spec.scope]
    for rule in rules_of(spec):
        found += [term.path for term in rule.when]
        found += [path for _, paths in rule.fields.values() for path in paths]
        found += [*rule.remember.values(), *rule.gather.values(), *([rule.each] if rule.each else [])]
    for ignore in spec.ignored:
        found += [*(term.path for term in ignore.when), *ignore.remember.values(), *ignore.gather.values()]
    for _, control in spec.controls:
        found += [*(term.path for term in control.terms), *control.capture.values()]
        found += control.remember.values()
    for step in spec.steps:
        found += [*(term.path for term in step.expect), *step.capture.values()]
    for answer in spec.answers:
        found += [term.path for term in answer.when]
    return found


def rules_of(spec: Spec) -> tuple[EventRule, ...]:
    """The [[event]] rules in their order, and behind them the kinds by name of [events]."""
    named = [
        EventRule(event.kind, (Condition(path, "in", event.kinds),), event.fields)
        for path in spec.frame.kind
        for event in spec.events.values()
    ]
    return (*spec.rules, *named)


def compile_matcher(spec: Spec, tree: Tree, *, typed: bool) -> Matcher:
    """A function that hands the readings of one frame to a list, and says whether any rule knew the frame."""
    rules = rules_of(spec)
    constants: dict[str, Any] = {
        "UNSET": UNSET, "member": member, "rest_of": rest_of, "Control": Control, "same": same, "full": full,
    }  # fmt: skip
    source = PathSource(tree, typed=typed, constants=constants)
    source.emit(0, "def match(f, s, out):")
    source.emit(1, "values = s.values")
    per_run = spec.per_run
    conditions = [
        *(rule.when for rule in rules), *(ignore.when for ignore in spec.ignored),
        *(control.terms for _, control in spec.controls), *(answer.when for answer in spec.answers),
        *(step.expect for step in spec.steps),
    ]  # fmt: skip
    guarded = any(term.path in (OPEN_TOOLS, EVENTS) for terms in conditions for term in terms)
    keys = _RunKeys(spec, source, tree, typed=typed)
    key = keys.of(spec.every)
    tried: tuple[EventRule | Ignore, ...] = (*rules, *spec.ignored)
    asked = any(_names_one_of(per_run, term.path) for rule in tried for term in rule.when)

    def of_run(run_key: str) -> None:
        if guarded:
            source.emit(1, f"st = s.state({run_key}(f, s.values))")
        if asked:
            source.emit(1, f"values = s.values_of({run_key}(f, s.values))")

    of_run(key)
    seen = _Seen(source, per_run, key)
    _protocol(spec, source, seen)
    source.emit(1, "known = False")
    _ignored(tuple(ignore for ignore in spec.ignored if ignore.first), source, seen)
    for index, rule in enumerate(rules):
        build = source.constant(_builder(rule, tree, typed=typed))
        own = keys.of(rule.fields)
        if own != seen.run_key:
            of_run(own)
            seen.run_key = own
        _rule(rule, index, build, source, seen)
    if seen.run_key != key:
        of_run(key)
        seen.run_key = key
    later = tuple(ignore for ignore in spec.ignored if not ignore.first and not ignore.undecoded)
    _ignored(later, source, seen)
    # A step that was done before, and that no rule is for: the server repeats itself.
    for index, step in enumerate(spec.steps):
        if step.send is None:
            _control(f"not known and {seen.all(step.expect)}", "handshake", step.capture, {"step": index}, source)
    source.emit(1, "return known")
    matcher: Matcher = _compiled("match", source)
    return matcher


def compile_scope(spec: Spec, tree: Tree, *, typed: bool) -> Callable[[Any, dict[str, Any]], tuple[str, str] | None]:
    """A function that says what of a frame lies outside of the user's own scope: where, and what stands there.

    None for what is theirs.
    """
    source = PathSource(tree, typed=typed, constants={
        "UNSET": UNSET, "member": member, "rest_of": rest_of, "same": same, "full": full, "shown": _shown,
    })  # fmt: skip
    source.emit(0, "def foreign(f, values):")
    for term in spec.scope:
        value = source.path(term.path)
        source.emit(1, f"x = {value}")
        # A value that is not known yet cannot be distinguished from another user's.
        known = f"values.get({term.value.removeprefix('$')!r}) is not None and " if term.op == "same_as" else ""
        source.emit(1, f"if {known}x is not UNSET and x is not None and not ({_condition(term, 'x', source)}):")
        source.emit(2, f"return {term.path!r}, shown(x)")
    source.emit(1, "return None")
    return _compiled("foreign", source)  # type: ignore[no-any-return]


def _shown(value: Any) -> str:
    return preview(text_of(value))


def _compiled(name: str, source: PathSource) -> Any:
    values = dict(source.constants)
    exec(compile("\n".join(source.lines), f"<rules {name}>", "exec"), values)  # noqa: S102 -- see the module's docstring
    return values[name]


class _Seen:
    """The local variables of the paths that conditions ask for: each is looked up once for a frame.

    `per_run`: the names of stored values that each run has for itself. `run_key`: the function that finds the run of
    what is tried now.
    """

    def __init__(self, source: PathSource, per_run: frozenset[str], run_key: str) -> None:
        self.source = source
        self.per_run = per_run
        self.run_key = run_key
        self._locals: dict[str, str] = {}

    def all(self, terms: tuple[Condition, ...]) -> str:
        """The expression for a conjunction, after the lines that it needs."""
        return " and ".join(f"({_condition(term, self.value(term.path), self.source)})" for term in terms) or "True"

    def value(self, path: str) -> str:
        if path.startswith("$"):
            return self.source.path(path)
        if path not in self._locals:
            value = self.source.path(path)
            self._locals[path] = f"w{len(self._locals)}"
            self.source.emit(1, f"{self._locals[path]} = {value}")
        return self._locals[path]


def _condition(term: Condition, value: str, source: PathSource) -> str:
    op, wanted = term.op, term.value
    if op.endswith("equal"):
        test = f"{value} is {wanted!r}" if isinstance(wanted, bool) else f"{value} == {wanted!r}"
    elif op.endswith("in"):
        test = f"{value} in {tuple(wanted)!r}"
    elif op == "regex":
        test = f"type({value}) is str and {source.constant(wanted.search)}({value}) is not None"
    elif op in ("exists", "null", "not_empty"):
        test = {
            "exists": f"{value} is not UNSET",
            "null": f"{value} is None",
            "not_empty": f"({value} if type({value}) is str else full({value}))",
        }[op]
    else:
        test = f"same({value}, values.get({wanted.removeprefix('$')!r}))"
    negative = op in ("not_equal", "not_in", "other_than") or (
        wanted is False and op in ("exists", "null", "not_empty")
    )
    return f"not ({test})" if negative else test


def full(value: Any) -> bool:
    """Whether a value is present: not absent, null, empty or only spaces; numbers always are."""
    if isinstance(value, str):
        return bool(value)
    return value is not UNSET and value is not None and (isinstance(value, int | float) or bool(value))


def same(value: Any, captured: Any) -> bool:
    """Whether a value is the captured one, as text: an id may be a number here and a text there."""
    return value is not UNSET and value is not None and captured is not None and str(value) == str(captured)


def _protocol(spec: Spec, source: PathSource, seen: _Seen) -> None:
    """Frames that belong to no run: answered ones, controls, and what the handshake waits for."""
    for index, answer in enumerate(spec.answers):
        source.emit(1, f"if {seen.all(answer.when)}:")
        source.emit(2, f"s.take(out, Control('keepalive', {{'answer': {index}}}))")
        source.emit(2, "return True")
    for index, step in enumerate(spec.steps):
        if step.send is None:
            due = f"s.due[{index}] and {seen.all(step.expect)}"
            _control(due, "handshake", step.capture, {"step": index}, source)
    for name, control in spec.controls:
        _control(seen.all(control.terms), name, control.capture, {}, source, remember=control.remember)


def _control(
    holds: str, name: str, capture: dict[str, str], code: dict[str, int], source: PathSource, *,
    remember: Mapping[str, str] = MappingProxyType({}),
) -> None:  # fmt: skip
    source.emit(1, f"if {holds}:")
    source.emit(2, f"got = {code!r}")
    inner = source.branch()
    for key, path in capture.items():
        source.emit(2, f"x = {inner.path(path, 2)}")
        source.emit(2, f"if x is not UNSET and x is not None: got[{key!r}] = x")
    if name == "handshake":
        source.emit(2, f"if s.due[{code['step']}]: s.due[{code['step']}] -= 1")
        source.emit(2, "s.values.update({k: v for k, v in got.items() if k != 'step'})")
    for key, path in remember.items():
        source.emit(2, f"x = {inner.path(path, 2)}")
        source.emit(2, f"if x is not UNSET and x is not None: s.values[{key!r}] = x")
    source.emit(2, f"s.take(out, Control({name!r}, got))")
    source.emit(2, "return True")


def _ignored(ignores: tuple[Ignore, ...], source: PathSource, seen: _Seen) -> None:
    for ignore in ignores:
        source.emit(1, f"if {seen.all(ignore.when)}:")
        _kept(ignore, source, 2, seen)
        source.emit(2, f"s.ignored(out, {ignore.because!r})")
        source.emit(2, "return True")


def _names_one_of(names: frozenset[str], path: str) -> bool:
    """Whether a path stands for one of these stored values."""
    return path.startswith("$") and path.partition(".")[0][1:] in names


def _kept(part: EventRule | Ignore, source: PathSource, depth: int, seen: _Seen) -> None:
    """Emits what is kept of a frame: first the ids, by which the rest may be kept for the frame's run."""
    run, per_run = f"{seen.run_key}(f, s.values)", seen.per_run
    inner = source.branch()
    for name in sorted(part.remember, key=lambda name: name in per_run):
        source.emit(depth, f"x = {inner.path(part.remember[name], depth)}")
        keep = f"s.remember({name!r}, x, {run})" if name in per_run else f"s.values[{name!r}] = x"
        source.emit(depth, f"if x is not UNSET and x is not None: {keep}")
    for name, path in part.gather.items():
        source.emit(depth, f"x = {inner.path(path, depth)}")
        key = run if name in per_run else "None"
        source.emit(depth, f"if type(x) is str: s.gather({name!r}, x, {key})")


def _rule(rule: EventRule, index: int, build: str, source: PathSource, seen: _Seen) -> None:
    about_item = tuple(term for term in rule.when if term.path.partition(".")[0] == "$item")
    about_frame = tuple(term for term in rule.when if term not in about_item)
    listed = seen.value(rule.each) if rule.each else ""
    source.emit(1, f"if {seen.all(about_frame)}:")
    inner = 2
    if rule.each:
        source.emit(2, "hit = False")
        source.emit(2, f"for item in {listed} if type({listed}) is list else ():")
        terms = [f"({_condition(term, source.path(term.path), source)})" for term in about_item]
        source.emit(3, f"if {' and '.join(terms) or 'True'}:")
        source.emit(4, "hit = True")
        inner = 4
    _kept(rule, source, inner, seen)
    item = "item" if rule.each else "None"
    asks = any(_names_one_of(seen.per_run, path) for _, paths in rule.fields.values() for path in paths)
    values = f"s.values_of({seen.run_key}(f, s.values))" if asks else "s.values"
    source.emit(inner, f"s.event({index}, {build}(f, {values}, {item}), out)")
    if rule.each:
        source.emit(2, "known = known or hit")
        if not rule.go_on:
            source.emit(2, "if hit: return True")
    else:
        source.emit(2, "known = True")
        if not rule.go_on:
            source.emit(2, "return True")


class _RunKeys:
    """The functions that find the run id of a frame, by name: one for each way in which fields say `run`."""

    def __init__(self, spec: Spec, source: PathSource, tree: Tree, *, typed: bool) -> None:
        self._source, self._tree, self._typed = source, tree, typed
        self._known: dict[Any, str] = {}
        # Kinds by name have their fields from [every] as well, where that is not given for rules.
        self._usual = spec.every.get("run") or next(
            (rule.fields["run"] for rule in rules_of(spec) if "run" in rule.fields), None
        )

    def of(self, fields: Fields) -> str:
        """The name of the function for a frame that is read by these fields."""
        entry = fields.get("run", self._usual)
        said = None if entry is None else (entry[0].value, entry[0].regex, entry[0].join, entry[1])
        if said not in self._known:
            self._known[said] = self._source.constant(_run_key(entry, self._tree, typed=self._typed))
        return self._known[said]


def _run_key(entry: tuple[Field, tuple[str, ...]] | None, tree: Tree, *, typed: bool) -> Any:
    """A function for the run id of a frame, as the events have it."""
    source = PathSource(tree, typed=typed, constants={
        "UNSET": UNSET, "member": member, "rest_of": rest_of, "extract": _extract, "joined": joined,
    })  # fmt: skip
    source.emit(0, "def key(f, values):")
    source.emit(1, "item = None")
    field, paths = (None, ()) if entry is None else entry
    if field is not None and field.value is not None:
        source.emit(1, f"return {str(field.value)!r}")
    if field is not None and field.join is not None:
        source.emit(1, f"x = {_joined(field.join, paths, source)}")
        source.emit(1, "return None if x is UNSET else x")
        return _compiled("key", source)
    for path in paths:
        source.emit(1, f"x = {source.path(path)}")
        if field is not None and field.regex:
            source.emit(1, f"x = extract({source.constant(re.compile(field.regex))}, x)")
        source.emit(1, "if x is not UNSET and x is not None: return str(x)")
    source.emit(1, "return None")
    return _compiled("key", source)


def _builder(rule: EventRule, tree: Tree, *, typed: bool) -> Callable[[Any, dict[str, Any], Any], Event]:
    source = PathSource(tree, typed=typed, constants={
        "UNSET": UNSET, "member": member, "rest_of": rest_of, "Event": Event, "KIND": rule.kind, "check": _check,
        "extract": _extract, "joined": joined, "stamped": _stamped, "SYNTHESISED": bool(rule.synthesised),
    })  # fmt: skip
    source.emit(0, "def build(f, values, item):")
    source.emit(1, "failed = False")
    source.emit(1, "wrong = None")
    for number, (name, entry) in enumerate(rule.fields.items()):
        _field(source, f"v{number}", name, entry, rule.kind)
    variables = {name: f"v{number}" for number, name in enumerate(rule.fields)}
    stamp = variables.get("stamp")
    source.emit(1, f"server_s, stamp_format, shape, wrong = stamped({stamp}, wrong)" if stamp else
                "server_s = stamp_format = None; shape = 0")  # fmt: skip
    variables |= {"kind": "KIND", "server_s": "server_s", "stamp_format": "stamp_format", "shape": "shape",
                  "tool_failed": "failed", "problems": "tuple(wrong) if wrong else ()",
                  "synthesised": "SYNTHESISED"}  # fmt: skip
    if "duration" in rule.fields and rule.fields["duration"][0].is_in_milliseconds:
        variables["duration_ms"] = variables["duration"]
    source.emit(1, f"return Event({', '.join(variables.get(name, 'None') for name in _ARGUMENTS)})")
    return _compiled("build", source)  # type: ignore[no-any-return]


def _field(source: PathSource, variable: str, name: str, entry: tuple[Field, tuple[str, ...]], kind: EventKind) -> None:
    field, paths = entry
    if field.value is not None:
        source.emit(1, f"{variable} = {field.value!r}")
        if field.is_failure(field.value):
            source.emit(1, "failed = True")
        return
    if field.join is not None:
        source.emit(1, f"{variable} = {_joined(field.join, paths, source)}")
        paths = ()
    for index, path in enumerate(paths):
        if index:
            source.emit(1, f"if {variable} is UNSET or {variable} is None:")
        depth = 2 if index else 1
        value = (source.branch() if index else source).path(path, depth)
        found = "x" if index else variable
        source.emit(depth, f"{found} = {value}")
        if index:
            source.emit(depth, f"if x is not UNSET: {variable} = x")
        if field.means_failure(path):
            source.emit(depth, f"if {found} is not UNSET and {found} is not None: failed = True")
    if field.failed or field.ok:
        source.emit(1, f"if {variable} is not UNSET and {field.failure_code(variable)}: failed = True")
    if field.regex:
        source.emit(1, f"{variable} = extract({source.constant(re.compile(field.regex))}, {variable})")
    _checked(source, variable, name, field)


def _joined(between: str, paths: tuple[str, ...], source: PathSource) -> str:
    """The expression for a field that is made of all its paths."""
    return f"joined({between!r}, ({', '.join([source.path(path) for path in paths])},))"


def _checked(source: PathSource, variable: str, name: str, field: Field) -> None:
    """Emits the check of a value: none where it is plainly right, else that of the slow reader."""
    wrong = f"type({variable}) is not {_TYPES[field.type]}" if field.type in _TYPES else "True"
    if name == "text":
        wrong = f"type({variable}) is not str or not {variable} or {variable}.isspace()"
    elif name == "choice":
        wrong = f"type({variable}) is not str"
    elif field.type == "any":
        wrong = f"{variable} is UNSET or {variable} is None"
    source.emit(1, f"if {wrong}:")
    branch = "if"
    if field.optional:
        source.emit(2, f"if {variable} is UNSET or {variable} is None: {variable} = None")
        branch = "elif"
    if field.type == "id":
        source.emit(2, f"{branch} type({variable}) is int: {variable} = str({variable})")
        branch = "elif"
    check = f"{variable}, wrong = check(KIND, {name!r}, {source.constant(field)}, {variable}, wrong)"
    source.emit(2, f"else: {check}" if branch == "elif" else check)


def _check(kind: EventKind, name: str, field: Field, item: Any, wrong: list[Problem] | None) -> Any:
    """The value or None, and the problems so far."""
    found, problem = check_field(kind, name, field, item)
    if problem is None:
        return found, wrong
    return found, [*(wrong or []), problem]


def _extract(pattern: re.Pattern[str], value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = pattern.search(value)
    if found is None:
        return UNSET
    return found[1] if pattern.groups else found[0]


def _stamped(stamp: Any, wrong: list[Problem] | None) -> Any:
    """Seconds since the epoch, the format's name, the shape, and the problems so far."""
    if stamp is None:
        return None, None, 0, wrong
    server_s, stamp_format = read_stamp(stamp)
    if stamp_format is None:
        problem = Problem(Mistake.FIELD, "a timestamp (ISO 8601 or epoch)", preview(repr(stamp)))
        return None, None, 0, [*(wrong or []), problem]
    return server_s, stamp_format, STAMP_FORMATS.index(stamp_format), wrong
