"""A conversation as users read it: whole tables, in eighty columns or little more, and hostile text stays text."""

from greenlight_gate.events import Ignored
from greenlight_gate.evidence.conversation import as_table
from greenlight_gate.trace import Closed, Received

from support.tests.hostile.conduct import ESCAPES
from support.tests.rules.talk import PROFILE, Talk, asked


def table(talk: Talk, *marked: int) -> list[str]:
    entries = [(r, PROFILE.read(r.raw(), binary=r.binary) if isinstance(r, Received) else None) for r in talk.records]
    return as_table(entries, marked).splitlines()


def test_a_whole_answer() -> None:
    assert table(asked().answer().close(), 4) == [
        "    #  seconds  who  what             text",
        "    1   0.1000  Ada  connected        in 0.0 ms",
        "    2   0.2000  Ada  ready            user user-ada",
        "    3   0.3000  Ada  -> start         What is the weather in Oslo?",
        ">>  4   0.4000  Ada  agent_started    on it",
        "    5   0.5000  Ada  agent_thinking   let me see",
        "    6   0.6000  Ada  tool_executing   weather",
        "    7   0.7000  Ada  tool_completed   weather: rain",
        "    8   0.8000  Ada  agent_completed  There is rain in Oslo.",
        "    9   0.9000  Ada  closed           by client (1000)",
    ]


def test_a_stop_with_an_invalid_token_says_what_is_wrong_with_it() -> None:
    line = table(asked().started().send("stop", run="r1", unwelcome="no token"))[-1]
    assert line.split(maxsplit=3)[3].split() == ["->", "stop", "with", "no", "token:", "{}"]


def test_a_call_to_the_model_is_shown_with_what_became_of_it() -> None:
    talk = asked().started().failed().model_call("unfinished", fault="cut", said="There is").model_call("finished")

    assert [" ".join(line.split()[2:]) for line in table(talk)[-2:]] == [
        "Ada model call 1 unfinished, cut: There is", "Ada model call 2 finished:"
    ]  # fmt: skip


def test_several_windows_have_names() -> None:
    lines = table(Talk().open("Ada", "c1").open("Bashir", "c2").timeout("start", 5, "c2").close("nobody", None, "c1"))

    assert [line.split("  ", 1)[1].strip() for line in lines[3:]] == [
        "3   0.3000  Bashir c2  connected       in 0.0 ms",
        "4   0.4000  Bashir c2  ready           user user-bashir",
        "5   5.5000  Bashir c2  waited in vain  for start, 5.00 s",
        "6   5.6000  Ada c1     closed          by nobody (without a close frame)",
    ]


def test_hostile_text_is_one_line_of_text() -> None:
    talk = asked().thinking().frame({"type": ESCAPES}).frame(b"\xff\xfe\x00").close("server", 4400, reason=ESCAPES)
    talk.change = lambda body: {**body, "payload": {"reasoning": ESCAPES}}
    lines = table(talk.thinking())

    assert len(lines) == 9
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) <= 120
    assert "\\x1b[31mred\\x1b[0m\\x07\\x08\\x9b31m\\u202e<script>" in lines[8]


def test_of_a_very_long_conversation_the_ends_and_the_marked_rows_are_shown() -> None:
    talk = asked()
    for _ in range(1000):
        talk.thinking()
    lines = table(talk, 500)

    assert len(lines) == 1 + 400 + 1 + 1
    assert [line for line in lines if line.startswith(">>")] == [lines[201]]
    assert lines[-1] == "(left out here: 602 records; the trace has them all)"


def test_whoever_was_never_let_in_has_a_name() -> None:
    refused = Closed(n=1, at=0.1, connection="c1", by="server", during="handshake", status=401, user="Ada")

    assert "Ada  refused  by server (401)" in as_table([(refused, None)])


def test_in_a_narrow_terminal_the_text_is_cut_and_an_ignored_message_stands_before_its_reason() -> None:
    text = '{"type": "response.output_item.added"}'
    record = Received(n=1, at=0.1, connection="c1", text=text)
    entries = [(record, Ignored("parts of what the response contains as a whole"))]
    assert f"  ignored  {text} (parts of what the response" in as_table(entries).splitlines()[1]
    narrow = as_table(entries, columns=60).splitlines()[1]
    assert len(narrow) == 60
    assert narrow.endswith('  ignored  {"type": "response.output_ite...')
