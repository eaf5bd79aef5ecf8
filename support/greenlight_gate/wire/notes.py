"""The page of notes on the profiles that ship, made from their own comments and declarations."""

from collections.abc import Mapping

from greenlight_gate.events import EventKind
from greenlight_gate.wire.profile import Profile

HEAD = """# The profiles that ship
Made from the comments at the head of each file by `python -m support.tests.wire.make_notes`; change them there. How to
write one of your own is in [the README of the wire](../README.md).
"""


def page(texts: Mapping[str, str]) -> str:
    """The page for profiles by name, each as its TOML text."""
    return HEAD + "".join(_section(name, texts[name]) for name in sorted(texts))


def _section(name: str, text: str) -> str:
    spec = Profile.from_toml(text).spec
    comments = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comments.append(line.removeprefix("#").strip())
    rules = (rule.kind for rule in spec.rules if rule.collapse != "always" and not rule.synthesised)
    shown = {*spec.events, *rules}
    lines = [f"\n## {name}", *comments, ""]
    lines.append(f"- Shows: {', '.join(kind for kind in EventKind if kind in shown)}.")
    lines += [f"- Does not show {kind}: {why}." for kind, why in spec.absent.items()]
    lines += [f"- A target gives it `{value}`: {what}." for value, what in spec.needs.items()]
    codecs = ", ".join(f"`{codec}`" for codec in spec.frame.codecs)
    steps = [f"codecs {codecs}"]
    steps += [f"{len(spec.before)} requests before the connection"] if spec.before else []
    steps += [f"a handshake of {len(spec.handshake)} steps"] if spec.handshake else []
    runs = {"one": "one question to a connection", "one_at_a_time": "one question at a time", "many": ""}
    steps += [runs[spec.connection.runs]] if runs[spec.connection.runs] else []
    lines.append(f"- The way: {', '.join(steps)}.")
    return "\n".join(lines) + "\n"
