"""greenlight completion: a script with which a shell completes commands, options and their values."""

import argparse
import shlex
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from greenlight_gate.categories import CATEGORIES, OWN
from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import category, command_of
from greenlight_gate.targets.model import PROMPTS
from greenlight_gate.targets.settings import environments, profiles


def add(commands: Any) -> None:
    """Adds the command."""
    completion = command_of(
        commands, "completion", SUMMARIES["completion"],
        "greenlight completion bash >> ~/.bashrc",
        "exit codes: 0 printed, 3 misconfigured",
    )  # fmt: skip
    completion.add_argument(
        "shell", choices=sorted(_SHELLS), metavar="SHELL",
        help=f"{', '.join(sorted(_SHELLS))} (example: greenlight completion fish | source)",
    )  # fmt: skip


def completion(options: argparse.Namespace) -> int:
    """Prints the script."""
    from greenlight_gate.cli.command_line import parser  # noqa: PLC0415 -- which imports this module

    print(_SHELLS[options.shell](list(_words("", parser()))), end="")
    return 0


class _OptionValue(NamedTuple):
    """How the value of an option is completed: by these words, by names of files, or by both."""

    words: tuple[str, ...]
    files: bool


class _CommandWords(NamedTuple):
    """What may follow a command, by its words ("" before any): commands or choices, options, and their values."""

    path: str
    follow: tuple[str, ...]
    options: tuple[str, ...]
    values: dict[str, _OptionValue]

    @property
    def all(self) -> tuple[str, ...]:
        """What may follow if no value of an option is wanted."""
        return (*self.follow, *self.options)


def _words(path: str, parser: argparse.ArgumentParser) -> Iterator[_CommandWords]:
    follow: list[str] = []
    values: dict[str, _OptionValue] = {}
    inner: dict[str, argparse.ArgumentParser] = {}
    # argparse has no public list of the options that were added.
    actions = parser._actions  # noqa: SLF001
    for action in actions:
        choices = tuple(map(str, action.choices or ()))
        if isinstance(action.choices, dict):
            inner = dict(action.choices)
        if not action.option_strings:
            follow += choices
        elif action.nargs != 0:
            known = choices or (_known(action.dest) if "NAME" in str(action.metavar) or action.type is category else ())
            values |= dict.fromkeys(
                action.option_strings, _OptionValue(known, not known or "FILE" in str(action.metavar))
            )
    options = tuple(name for action in actions for name in action.option_strings)
    yield _CommandWords(path, tuple(follow), options, values)
    for name, command in inner.items():
        yield from _words(f"{path} {name}".strip(), command)


def _known(name: str) -> tuple[str, ...]:
    """The values that options of this name usually have; () if there are none."""
    known = {
        "environment": environments(), "categories": (*CATEGORIES, OWN), "profile": profiles(), "prompt": PROMPTS,
    }  # fmt: skip
    return tuple(known.get(name, ()))


def _quoted(words: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, words))


def _bash(found: list[_CommandWords]) -> str:
    values = [
        f"        {shlex.quote(f'{each.path} {option}')}) words={shlex.quote(' '.join(value.words))}; "
        f"files={int(value.files)} ;;"
        for each in found for option, value in each.values.items()
    ]  # fmt: skip
    others = [f"            {shlex.quote(each.path)}) words={shlex.quote(' '.join(each.all))} ;;" for each in found]
    paths = " | ".join(shlex.quote(each.path) for each in found if each.path)
    lines = (
        "# bash: source <(greenlight completion bash)",
        "_greenlight() {",
        "    local path= next word words= files=0 current=${COMP_WORDS[COMP_CWORD]}",
        '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        "        next=${path:+$path }$word",
        f"        case $next in {paths}) path=$next ;; esac",
        "    done",
        '    case "$path ${COMP_WORDS[COMP_CWORD-1]}" in',
        *values,
        "        *) case $path in",
        *others,
        "        esac ;;",
        "    esac",
        '    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current"; ((files)) && compgen -f -- "$current")',
        "}",
        "complete -o filenames -F _greenlight greenlight",
    )
    return "\n".join(lines) + "\n"


def _zsh(found: list[_CommandWords]) -> str:
    values = [
        f"        ({shlex.quote(f'{each.path} {option}')}) "
        + "; ".join([*([f"compadd -- {_quoted(value.words)}"] if value.words else []), *["_files"] * value.files])
        + " ;;"
        for each in found for option, value in each.values.items()
    ]  # fmt: skip
    others = [f"            ({shlex.quote(each.path)}) compadd -- {_quoted(each.all)} ;;" for each in found]
    paths = " | ".join(shlex.quote(each.path) for each in found if each.path)
    lines = (
        "#compdef greenlight",
        "# zsh: source <(greenlight completion zsh), after compinit",
        "_greenlight() {",
        "    local where= next word",
        '    for word in "${(@)words[2,CURRENT-1]}"; do',
        '        next="${where:+$where }$word"',
        f"        case $next in ({paths}) where=$next ;; esac",
        "    done",
        '    case "$where ${words[CURRENT-1]}" in',
        *values,
        "        (*) case $where in",
        *others,
        "        esac ;;",
        "    esac",
        "}",
        "compdef _greenlight greenlight",
    )
    return "\n".join(lines) + "\n"


def _fish(found: list[_CommandWords]) -> str:
    lines = ["# fish: greenlight completion fish | source", "complete -c greenlight -e"]
    for each in found:
        seen = [f"__fish_seen_subcommand_from {word}" for word in each.path.split()]
        none_yet = [f"not __fish_seen_subcommand_from {' '.join(each.follow)}"] if each.follow else []
        if each.follow:
            when = shlex.quote("; and ".join([*seen, *none_yet]))
            lines.append(f"complete -c greenlight -f -n {when} -a {shlex.quote(' '.join(each.follow))}")
        when = shlex.quote("; and ".join(seen or none_yet))
        for option in each.options:
            name = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            lines.append(f"complete -c greenlight -n {when} {name}{_fish_value(each.values.get(option))}")
    return "\n".join(lines) + "\n"


def _fish_value(value: _OptionValue | None) -> str:
    if value is None:
        return ""
    words = f" -a {shlex.quote(' '.join(value.words))}" if value.words else ""
    return f"{' -r' if value.files else ' -x'}{words}"


_SHELLS = {"bash": _bash, "fish": _fish, "zsh": _zsh}
