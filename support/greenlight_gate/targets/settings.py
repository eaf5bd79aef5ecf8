"""The only reader of the environment variables and of target and profile files."""

import os
import random
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from greenlight_gate.own_rules import UnusableRule, all_rules
from greenlight_gate.rules.own import OWN_STEP
from greenlight_gate.rules.registry import RULES
from greenlight_gate.targets.errors import Misconfigured, convert
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.prompt_numbers import drawn
from greenlight_gate.targets.sections import Invalid, Limits, Prompts, SuiteSection
from greenlight_gate.targets.suggestions import nearest, nearest_first
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import ProfileError

__all__ = [
    "URL_VARIABLE",
    "Misconfigured",
    "Target",
    "environments",
    "find_toml",
    "load_profile",
    "load_target",
    "profile_text",
    "read_toml",
    "suite_root",
    "target_and_notice",
]

URL_VARIABLE = "WEBSOCKET_TEST_URL"
# "ignore": what was late is judged also on a machine that is busy with other work.
HOST_LOAD_VARIABLE = "GREENLIGHT_HOST_LOAD"

_PACKAGE = Path(__file__).resolve().parents[1]
_TARGETS = _PACKAGE / "targets"
_PROMPTS = _TARGETS / "prompts"
_PROFILES = _PACKAGE / "wire" / "profiles"
# Keys of a target file that have no default.
_STAND_INS = {"name": "x", "url": "ws://localhost/", "prompts": {"without_tool": {"ask": "?"}}}
_LARGEST_FILE_BYTES = 1_048_576
_TOML_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


def suite_root() -> Path:
    """The folder that holds features/ and steps/: the checkout, or greenlight_gate/_suite in a wheel."""
    bundled = _PACKAGE / "_suite"
    return bundled if bundled.is_dir() else _PACKAGE.parents[1]


def environments() -> list[str]:
    """The names of the environments that ship with the suite, in alphabetical order."""
    return _names(_TARGETS)


def profiles() -> list[str]:
    """The names of the profiles that ship with the suite, in alphabetical order."""
    return _names(_PROFILES)


def load_target(environment: str, environ: Mapping[str, str] = os.environ) -> Target:
    """The target that `environment` names: one of `environments()`, or the path of a .toml file.

    A profile, a ca_file, a script and the folders of [suite] are returned as absolute paths. WEBSOCKET_TEST_URL
    replaces the url, and then nothing is started. Operands of prompts are drawn. Raises Misconfigured.
    """
    return target_and_notice(environment, environ)[0]


def target_and_notice(environment: str, environ: Mapping[str, str]) -> tuple[Target, str]:
    """The same, and a sentence for users where WEBSOCKET_TEST_URL replaces the url: which, and what goes with it."""
    path = find_toml("environment", environment, _TARGETS, Path())
    data = read_toml(path)
    if isinstance(data.get("prompts"), str):
        file = find_toml(f"{_shown(path)}: prompts: set of prompts", data["prompts"], _PROMPTS, path.parent)
        data["prompts"] = convert(read_toml(file), Prompts, _shown(file))
    target = convert(data, Target, _shown(path), _STAND_INS)
    if _is_path(target.profile):
        target = msgspec.structs.replace(target, profile=str((path.parent / target.profile).resolve()))
    if any(isinstance(value, str) and value.startswith("file:") for value in target.values.values()):
        target = msgspec.structs.replace(target, values=_with_files(target.values, path))
    if target.suite.features:
        target = msgspec.structs.replace(target, suite=_with_folders(target.suite, path))
    if target.model is not None and _is_path(target.model.script):
        script = str((path.parent / target.model.script).resolve())
        target = msgspec.structs.replace(target, model=msgspec.structs.replace(target.model, script=script))
    for index, waiver in enumerate(target.waiver):
        _check_waived_rule(waiver.rule, f"{_shown(path)}: waiver[{index}].rule")
    if target.tls.ca_file:
        ca_file = str((path.parent / target.tls.ca_file).resolve())
        target = msgspec.structs.replace(target, tls=msgspec.structs.replace(target.tls, ca_file=ca_file))
    try:
        target = msgspec.structs.replace(target, prompts=drawn(target.prompts, random.Random()))  # noqa: S311 -- no secret
    except Invalid as error:
        raise Misconfigured(f"{_shown(path)}: prompts.{error}") from None
    url = environ.get(URL_VARIABLE, "").strip()
    if not url:
        return target, ""
    moved = _moved(target, url)
    return moved, _notice(target, moved)


def where_the_url_is(environ: Mapping[str, str]) -> str:
    """What is to be corrected if the url is wrong."""
    return URL_VARIABLE if environ.get(URL_VARIABLE, "").strip() else "url in the target file"


def _check_waived_rule(rule: str, where: str) -> None:
    """Raises Misconfigured for what is no rule, neither one that ships nor one of the team's own."""
    if rule in RULES or rule == OWN_STEP:
        return
    try:
        known = [*all_rules(), OWN_STEP]
    except UnusableRule as error:
        raise Misconfigured(str(error)) from error
    if rule not in known:
        raise Misconfigured(f"{where}: expected the id of a rule, but there is no {rule!r}{nearest(rule, known)}")


def _with_folders(suite: SuiteSection, target_file: Path) -> SuiteSection:
    """The folders of [suite] as absolute paths. Raises Misconfigured for one that is not there, or has no feature."""
    folders = {}
    for name in suite.__struct_fields__:
        if value := getattr(suite, name):
            folder = (target_file.parent / value).resolve()
            if not folder.is_dir():
                wrong = "is a file" if folder.exists() else "does not exist"
                raise Misconfigured(
                    f"{_shown(target_file)}: suite.{name}: expected a folder, but {_shown(folder)} {wrong}"
                )
            folders[name] = str(folder)
    if not any(Path(folders["features"]).rglob("*.feature")):
        where = f"{_shown(target_file)}: suite.features"
        raise Misconfigured(
            f"{where}: expected a folder with features, but {_shown(Path(folders['features']))} has none"
        )
    return SuiteSection(**folders)


def _with_files(values: dict[str, Any], target_file: Path) -> dict[str, Any]:
    """The values of a target, those that name a file ("file:PATH", from the target's folder) as its JSON."""
    read = dict(values)
    for name, value in values.items():
        if not (isinstance(value, str) and value.startswith("file:")):
            continue
        path = target_file.parent / value.removeprefix("file:")
        where = f"{_shown(target_file)}: values.{name}"
        if not path.is_file():
            raise Misconfigured(f"{where}: expected a file with JSON, but {_shown(path)} does not exist")
        try:
            read[name] = msgspec.json.decode(_read_text(path))
        except (msgspec.DecodeError, RecursionError) as error:
            raise Misconfigured(f"{where}: expected JSON, but {_shown(path)} is none ({error})") from error
    return read


def profile_text(name_or_path: str, relative_to: Path) -> tuple[str, str]:
    """The display name and the TOML text of a profile that ships (by name) or of a file (by path).

    `relative_to` is the folder that a relative path starts from. Raises Misconfigured; what the text means is for
    `greenlight_gate.wire` to say.
    """
    path = find_toml("profile", name_or_path, _PROFILES, relative_to)
    return path.stem, _read_text(path)


def load_profile(target: Target) -> Profile:
    """The profile that a target names, as `profile_text` finds it. Raises Misconfigured."""
    name, text = profile_text(target.profile, Path())
    try:
        return Profile.from_toml(text)
    except ProfileError as error:
        raise Misconfigured(f"profile {name}: {error}") from error


def _moved(target: Target, url: str) -> Target:
    """The target at the url of WEBSOCKET_TEST_URL, without what was only said of the backend in the file."""
    try:
        model = target.model if target.model is not None and target.model.url else None
        moved = msgspec.structs.replace(target, url=url, start="none", command=(), model=model)
    except Invalid as error:
        raise Misconfigured(f"{URL_VARIABLE}: expected {error.expected}, but {error.came}") from None
    if moved.is_loopback:
        return moved
    # Another machine has another clock, and stress was allowed for the url of the file.
    clock = "ping" if target.capabilities.ping else "unknown"
    most = min(target.limits.max_connections, Limits().max_connections)
    limits = msgspec.structs.replace(target.limits, allow_stress=False, max_connections=most)
    return msgspec.structs.replace(moved, clock=clock if target.clock == "same-host" else target.clock, limits=limits)


def _notice(target: Target, moved: Target) -> str:
    """Which url is judged in place of which, and the permissions that the file gave for its own url only."""
    said = f"{URL_VARIABLE} replaces the url of {target.name}: {moved.url.partition('?')[0]} is judged"
    before, after = target.limits, moved.limits
    taken = ["allow_stress = true"] if before.allow_stress and not after.allow_stress else []
    if before.max_connections > after.max_connections:
        taken.append(f"max_connections = {before.max_connections} (now {after.max_connections})")
    if not taken:
        return said
    return f"{said}; permissions of the file that are taken away, since another machine is judged: {', '.join(taken)}"


def _is_path(name_or_path: str) -> bool:
    return name_or_path.endswith(".toml") or "/" in name_or_path or os.sep in name_or_path


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.toml"))


def find_toml(what: str, name_or_path: str, folder: Path, relative_to: Path) -> Path:
    """The file of a shipped name in `folder`, or of a path. Raises Misconfigured with all names, the nearest first."""
    if not _is_path(name_or_path):
        names = _names(folder)
        if name_or_path in names:
            return folder / f"{name_or_path}.toml"
        known = ", ".join(nearest_first(name_or_path, names))
        raise Misconfigured(f"{what} {name_or_path!r} is unknown: expected one of {known}, or the path of a .toml file")
    path = relative_to / name_or_path
    if not path.is_file():
        wrong = "is a folder" if path.is_dir() else "does not exist"
        known = ", ".join(nearest_first(path.stem, _names(folder)))
        raise Misconfigured(
            f"{what} {name_or_path!r}: expected a .toml file, but {_shown(path)} {wrong}; known: {known}"
        )
    return path


def _shown(path: Path) -> str:
    """A path relative to the current folder, or to the one of the suite, if it lies there."""
    absolute = path.absolute()
    for base in (Path.cwd(), _PACKAGE.parents[1]):
        if absolute.is_relative_to(base):
            return str(absolute.relative_to(base))
    return str(path)


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise Misconfigured(
                f"{_shown(path)}: expected a file of at most {_LARGEST_FILE_BYTES} bytes, but it is larger"
            )
        data = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{_shown(path)}: expected a file that can be read, but {error.strerror}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Misconfigured(f"{_shown(path)}: line {line}: expected UTF-8, but a byte that is none came") from None


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises Misconfigured with the place of what cannot be read."""
    text = _read_text(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{_shown(path)}: {_toml_complaint(str(error), text)}") from None
    except (ValueError, RecursionError):
        # A number of thousands of digits, or thousands of brackets: no mistake that deserves a sentence of its own.
        raise Misconfigured(f"{_shown(path)}: expected TOML, but a value is too long or nested too deeply") from None


def _toml_complaint(complaint: str, text: str) -> str:
    found = _TOML_PLACE.search(complaint)
    if found is None:
        return f"expected TOML, but it cannot be read: {complaint}"
    lines = text.splitlines() or [""]
    line, column = found["line"] or len(lines), found["column"] or len(lines[-1]) + 1
    return f"line {line}, column {column}: expected TOML, but it cannot be read: {complaint[: found.start()]}"
