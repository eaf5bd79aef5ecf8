"""Texts, docstrings and comments use the vocabulary of `support/README.md`, and none of the words that it replaces."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import greenlight_gate
import pytest

PACKAGE = Path(greenlight_gate.__file__).parent
ROOT = Path(__file__).resolve().parents[2]

# Only words that are never right here: a window of time, a line of text or a passed scenario are.
FORBIDDEN = {
    "user": r"pers(?:on|ons|on's)|people|some(?:body|one)|any(?:body|one)|everybody|who(?:m)?ever|guests?|strangers?",
    "connection": (
        r"ways? in(?! which)|doors?|(?:dead|lost) lines?|lines? (?:is|are|was|were) (?:cut|lost)|"
        r"lose(?:s)? (?:the|their|its) lines?|let in|turned away"
    ),
    "reconnect": r"com(?:e|es|ing) back|came back",
    "tab": r"windows? of (?:one|the same|each|a) user|(?:further|second|new) windows?",
    "token, sign in": r"(?:a|the|this|valid|expired|their|whose|user's) pass(?:es)?|seats?",
    "access": r"walls",
    "event": r"signs? of life",
    "receives, reports, sends": r"(?:is|are|was|were|be) told(?! to)|hears?",
    "load": r"crew|hostilit(?:y|ies)",
    "timeline": r"strands?",
    "correlation": r"desks?",
}
_PATTERNS = {right: re.compile(rf"\b(?:{wrong})\b", re.IGNORECASE) for right, wrong in FORBIDDEN.items()}
# Names of code, expressions of templates, and patterns of regular expressions.
_CODE = re.compile(r"`[^`]*`|\{\{.*?\}\}|\{%.*?%\}|\(\?P<\w+>|\\b.*")


def _texts(source: str) -> Iterator[tuple[int, str]]:
    """The line and the text of every comment, docstring, and string with more than one word."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield node.lineno, node.value


def _wrong(text: str) -> list[str]:
    plain = _CODE.sub("", " ".join(text.split()))
    return [f"{found[0]!r} ({right})" for right, pattern in _PATTERNS.items() for found in pattern.finditer(plain)]


def _sources() -> dict[str, Path]:
    paths = [*PACKAGE.rglob("*.py"), *(ROOT / "steps").rglob("*.py")]
    return {str(path.relative_to(PACKAGE if PACKAGE in path.parents else ROOT)): path for path in sorted(paths)}


def _hits(path: Path) -> list[str]:
    found = sorted(set(_texts(path.read_text(encoding="utf-8"))))
    return [f"{line}: {hit}" for line, text in found for hit in _wrong(text)]


def test_no_text_uses_a_word_that_the_vocabulary_replaces() -> None:
    sources = _sources()
    assert len(sources) > 200, "the package was not read"
    assert {name: hits for name, path in sources.items() if (hits := _hits(path))} == {}


def test_no_feature_or_page_uses_a_word_that_the_vocabulary_replaces() -> None:
    paths = [*(ROOT / "features").rglob("*.feature"), *PACKAGE.rglob("*.j2"), *PACKAGE.rglob("*.js")]
    assert len(paths) > 30, "the features were not found"
    assert {str(path.relative_to(ROOT)): hits for path in paths if (hits := _wrong(path.read_text("utf-8")))} == {}


@pytest.mark.parametrize(
    ("right", "text"),
    [
        ("user", "nobody sees anything of anybody else"), ("user", "a person who\nasks"),
        ("connection", "their line was cut"), ("reconnect", "the backend did not come back"),
        ("tab", "opens a second window"), ("token, sign in", "a pass for Ada"), ("access", "# Walls: who gets where"),
        ("event", "no sign of life"), ("receives, reports, sends", "the user is told"), ("load", "hostility"),
        ("timeline", "one strand"), ("correlation", "the desk"),
    ],
)  # fmt: skip
def test_each_wrong_word_is_found(right: str, text: str) -> None:
    assert _PATTERNS[right].search(" ".join(text.split()))
    assert _wrong(text)


@pytest.mark.parametrize(
    "text",
    ["a window of one second", "one line of text", "every scenario passed", "`finding.person`", "a personal token"],
)
def test_no_right_word_is_taken_for_a_wrong_one(text: str) -> None:
    assert _wrong(text) == []


def test_comments_docstrings_and_strings_are_read() -> None:
    source = '"""A person."""\n# for people\nSAID = f"a {1} guest of {2}"\nKEY = "people"\n'
    assert [text for _, text in _texts(source)] == ["# for people", "A person.", " guest of "]
