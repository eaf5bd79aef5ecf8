"""What stands at the beginning of a line is found as well: in JSON bytes a line break ends in a letter."""

import json

import pytest
from greenlight_gate.rules.engine import forbidden_text


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("CONTENT-5", "NPE: x\n\tat com.acme.Stock.find(Stock.java:42)"),
        ("CONTENT-5", "out of range\n\ngoroutine 18 [running]:"),
        ("CONTENT-5", "token:\neyJhbGciOiJIUzI1.eyJzdWIiOiJ1MTIz.c2ln"),
        ("CONTENT-5", "key\nsk-abcdefghijklmnopqrstuvwx"),
        ("CONTENT-5", "key <\nAKIAABCDEFGHIJKLMNOP"),
        ("CONTENT-5", "use redis://:hunter2@cache:6379/0"),
        ("CONTENT-5", "oops\n#0 /srv/app/Chat.php(12): App->run()"),
        ("CONTENT-5", "TypeError: x\n    at main (node:internal/main/run:23)"),
        ("CONTENT-5", "oops\n   at Acme.Chat.Answer(String text) in /src/Chat.cs:line 42"),
        ("CONTENT-2", "<function think at 0x7f2f5c1d2a40>"),
    ],
)
def test_it_is_found_after_a_order_break_and_after_a_space(rule: str, text: str) -> None:
    for shown in (text, text.replace("\n", " ").replace("\t", "")):
        data = json.dumps({"reasoning": shown}).encode()

        assert forbidden_text.suspicious(data)
        assert [found.is_serialisation_error for found in forbidden_text.search(data)] == [rule == "CONTENT-2"]


def test_a_harmless_order_is_left_alone() -> None:
    harmless = "steps:\nat 10:30 (sharp) we meet\n<b>task-oriented</b> people\nhttp://host:80/path, me@example.org"

    assert forbidden_text.search(json.dumps({"reasoning": harmless}).encode()) == ()
