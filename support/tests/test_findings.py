"""What a target sends is shown in findings, and never acts."""

import pytest
from greenlight_gate.findings import printable, printable_lines, shortened

from support.tests.rules.talk import Talk


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("Grüße, 世界 and 'quotes'", "Grüße, 世界 and 'quotes'"),
        ("\x1b[31m\x07\x9b", "\\x1b[31m\\x07\\x9b"),
        ("a\r\nINJECTED=1\tb", "a\\r\\nINJECTED=1\\tb"),
        ("\u202eevil\u2028", "\\u202eevil\\u2028"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_one_printable_line(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("ten chars.", "ten chars."),
        ("three more words", "three…"),
        ("nine char and more", "nine char…"),
        ("unbreakable", "unbreakab…"),
    ],
)
def test_a_long_text_is_cut_after_a_word(text: str, shown: str) -> None:
    assert shortened(text, 10) == shown


def test_lines_stay_lines() -> None:
    assert printable_lines("one\n\x1btwo\r\n") == "one\n\\x1btwo\\r\n"


def test_a_finding_shows_what_came_as_text() -> None:
    greeting = {"type": "connection_established", "user_id": "\x1b[31mred\nINJECTED=1"}

    found = Talk().open(ready=False).frame(greeting).findings()

    assert [str(finding).isprintable() for finding in found] == [True]
    assert "\\x1b[31mred\\nINJECTED=1" in found[0].actual
