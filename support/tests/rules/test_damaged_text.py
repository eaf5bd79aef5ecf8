"""Text that an encoding has damaged is told from what an agent may write itself."""

import pytest
from greenlight_gate.rules.engine import damaged_text
from greenlight_gate.trace import Expect

from support.tests.rules.talk import Talk, asked

FAMILY = "👩\u200d👩\u200d👧"
LATIN_1 = "UTF-8 was read as Latin-1"
WINDOWS = "UTF-8 was read as Windows-1252"
CUT = "characters were cut in two and decoded in parts"


@pytest.mark.parametrize(
    ("wanted", "answer", "came", "how"),
    [
        ("Grüße", "GrÃ¼Ã\x9fe aus Köln", "GrÃ¼Ã\x9fe", LATIN_1),
        ("Grüße", "GRÃ¼Ã\x9fE", "GrÃ¼Ã\x9fe", LATIN_1),
        ("Grüße", "GrÃ¼ÃŸe", "GrÃ¼ÃŸe", WINDOWS),
        ("你好", "ä½\xa0å¥½!", "ä½\xa0å¥½", LATIN_1),
        ("שלום", "שלום".encode().decode("latin-1"), "×©×\x9c×\x95×\x9d", LATIN_1),
        (FAMILY, FAMILY.encode().decode("latin-1"), FAMILY.encode().decode("latin-1"), LATIN_1),
        ("Grüße", "Gr\\u00fc\\u00dfe", "Gr\\u00fc\\u00dfe", "its JSON was not decoded"),
        ("Grüße", "Gr??e", "Gr??e", "all that is not ASCII was replaced"),
        ("Grüße", "Gr\ufffd\ufffde", "Gr\ufffd\ufffde", CUT),
        ("Grüße", "Grüße, " * 8 + "Gr\ufffd\ufffdße", "Gr\ufffd\ufffdße", CUT),
        ("你好", "\ufffd\ufffd\ufffd好", "\ufffd\ufffd\ufffd好", CUT),
        (FAMILY, FAMILY.replace("👧", "\ufffd" * 4), FAMILY.replace("👧", "\ufffd" * 4), CUT),
    ],
)
def test_what_was_asked_for_came_damaged(wanted: str, answer: str, came: str, how: str) -> None:
    found = damaged_text.search(answer, Expect(prompt="Say it", contains=(("42",), (wanted,))))
    assert found == (wanted, came, how)


@pytest.mark.parametrize(
    ("prompt", "wanted", "answer"),
    [
        ("How is für spelt?", ("für",), "für, not fÃ¼r."),
        ("How is für spelt?", ("für",), "I cannot say."),
        ("What is 6*7?", ("42",), "GrÃ¼ÃŸe, \ufffd: 42"),
        ("What is U+FFFD in Gr\ufffd\ufffde?", ("Grüße",), "Gr\ufffd\ufffde is Grüße."),
        ("Say hello", ("你好",), "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd"),
        ("Say hello", ("你好",), "??"),
        ("Say hello", ("Grüße", "hello"), "Hello! Gr??e"),
        ("Say hello", ("你好",), "你好 \ufffd"),
        ("Say hello", ("Grüße",), "Grüße (may look like Gr\ufffd\ufffde in old browsers)"),
        ("Say hello", ("Grüße",), "Gru\u0308ße (may look like Gr\ufffd\ufffde, or GrÃ¼Ã\x9fe)"),
        ("Say hello", ("שלום",), "שלו\u200fם (may look like ש\ufffd\ufffdום)"),
        ("What is wrong with GrÃ¼ÃŸe?", ("Grüße",), "You wrote GrÃ¼ÃŸe, which was decoded as Windows-1252."),
        ('What is wrong with "Gr\\u00fc\\u00dfe"?', ("Grüße",), "You wrote Gr\\u00fc\\u00dfe, the JSON of a text."),
        ("Why is it Gr??e?", ("Grüße",), "Because Gr??e was sent as ASCII."),
        ("How does ü look, encoded twice?", ("Ã¼",), "Like Ã¼."),
        ("Which character is U+FFFD?", ("\ufffd",), "It is \ufffd. " * 9),
        ("Write Grüße in JSON", ("Grüße", "Gr\\u00fc\\u00dfe"), "Gr\\u00fc\\u00dfe"),
    ],
)
def test_what_an_agent_may_write_is_not_damaged(prompt: str, wanted: tuple[str, ...], answer: str) -> None:
    assert damaged_text.search(answer, Expect(prompt=prompt, contains=(wanted,))) is None


@pytest.mark.parametrize("came", ["GrÃ¼ÃŸe", "Gr\ufffd\ufffde"])
def test_what_a_tool_has_returned_may_be_quoted(came: str) -> None:
    wanted = Expect(prompt="What does the page say?", thinking=True, tools=1, contains=(("Grüße",),))

    def talk(result: str) -> Talk:
        talk = asked(wanted).started().thinking().executing().tool_done(result=result)
        return talk.completed(result=f"The page says {came}, which its encoding has damaged.")

    assert talk("rain").rules() == {"CONTENT-2"}
    assert talk(f"<p>{came}</p>").rules() == {"CONTENT-4"}
