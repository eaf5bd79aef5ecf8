"""Times, shapes and answers."""

import json

from greenlight_gate.trace import Expect

from support.tests.rules.broken.base import broken, changed, only
from support.tests.rules.talk import ANSWER, Talk, asked, iso

GREETING = Expect(prompt="Please repeat Grüße", thinking=True, contains=(("Grüße",),))


@broken(
    ("CONTENT-3", "a timestamp not before that of the previous event", "2700.000 ms earlier", (7, 8)),
)
def timestamp_runs_backwards() -> Talk:
    return changed(only("agent_completed", lambda body: {**body, "timestamp": iso(-2.0)}))


@broken(
    ("CONTENT-3", "a timestamp within 300 s of now", "'1970-01-01T00:00:00.000000Z', which is -1767225600 s off", (4,)),
)
def timestamp_zero() -> Talk:
    return changed(lambda body: {**body, "timestamp": "1970-01-01T00:00:00.000000Z"})


@broken(
    ("CONTENT-1", "a timestamp (ISO 8601 or epoch)", "inf", (5,)),
)
def timestamp_infinite() -> Talk:
    return changed(only("agent_thinking", lambda b: json.dumps(b).replace(f'"{b["timestamp"]}"', "1e999")))


@broken(
    ("CONTENT-6", "timestamp format ISO Z in agent_thinking", "epoch s (1767225601.5)", (11,)),
    ("CONTENT-3", "a timestamp not before that of the previous event", "300.000 ms earlier", (11, 12)),
)
def timestamp_format_flips() -> Talk:
    talk = asked().answer().ask("q2")
    talk.change = only("agent_thinking", lambda body: {**body, "timestamp": 1_767_225_601.5})
    return talk.answer("r2", request="q2")


@broken(
    ("CONTENT-6", "agent_thinking in the same shape as before on this connection", "another shape", (6,)),
)
def event_hidden_in_system_message_only_once() -> Talk:
    talk = asked().started().thinking()
    talk.change = lambda body: {"type": "system_message", "data": {"event": body.pop("type"), **body}}
    talk.thinking()
    talk.change = lambda body: body
    return talk.executing().tool_done().completed()


@broken(
    ("CONTENT-4", "an answer", "a fallback text: 'Sorry, something went wrong.'", (3, 8)),
)
def canned_answer() -> Talk:
    return asked().started().thinking().executing().tool_done().completed(result="Sorry, something went wrong.")


@broken(
    ("CONTENT-4", "an answer", "the prompt again: 'You said: What is the weather in Oslo?'", (3, 8)),
)
def answer_echoes_question() -> Talk:
    prompt = "What is the weather in Oslo?"
    return asked().started().thinking().executing().tool_done().completed(result=f"You said: {prompt}")


@broken(
    ("CONTENT-4", "an answer", "an empty one", (3, 8)),
)
def empty_answer() -> Talk:
    return asked().started().thinking().executing().tool_done().completed(result="")


@broken(
    ("CONTENT-1", "agent_completed with its result or results", "null", (8,)),
    ("CONTENT-4", "an answer", "an empty one", (3, 8)),
)
def null_answer() -> Talk:
    return asked().started().thinking().executing().tool_done().completed(result=None)


@broken(
    ("CONTENT-4", "an answer with 'rain'", "'The Norwegian krone has fallen.'", (3, 8)),
)
def answer_to_something_else() -> Talk:
    return asked().started().thinking().executing().tool_done().completed(result="The Norwegian krone has fallen.")


@broken(
    ("CONTENT-2", "'Grüße' undamaged", "'GrÃ¼ÃŸe': UTF-8 was read as Windows-1252", (3, 6)),
)
def text_read_in_another_encoding() -> Talk:
    return asked(GREETING).started().thinking().completed(result="Here you are: GrÃ¼ÃŸe aus KÃ¶ln")


@broken(
    ("CONTENT-2", "'Grüße' undamaged", "'Gr\ufffd\ufffdße': characters were cut in two and decoded in parts", (3, 6)),
)
def character_cut_at_a_chunk_border() -> Talk:
    return asked(GREETING).started().thinking().completed(result="Grüße\n" * 9 + "Gr\ufffd\ufffdße\nGrüße")


@broken(
    ("CONTENT-4", "an answer", "agent_failed: 'the model is busy'", (3, 6)),
)
def failed_instead_of_an_answer() -> Talk:
    return asked().started().thinking().failed()


@broken(
    ("LIFECYCLE-6", "a stop of this run before it", "agent_stopped without one", (3, 6)),
)
def stopped_though_nobody_said_so() -> Talk:
    return asked().started().thinking().stopped()


@broken(
    ("CONTENT-5", "no token, secret or stack trace", "a stack trace at byte 254", (8,)),
)
def stack_trace_in_answer() -> Talk:
    trace = '\nTraceback (most recent call last):\n  File "/srv/chat/agent.py", line 212, in run\nKeyError: 1'
    return asked().started().thinking().executing().tool_done().completed(result=ANSWER + trace)


@broken(
    ("CONTENT-5", "no token, secret or stack trace", "a JSON web token at byte 309", (7,)),
)
def token_echoed() -> Talk:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
    return asked().started().thinking().executing().tool_done(result={"authorization": token}).completed()


@broken(
    ("REFUSAL-4", "a clear error", "nothing within 2.0 s", (3, 4)),
)
def oversize_dropped_silently() -> Talk:
    return Talk().open().send("invalid").timeout("refusal", 2.0)


@broken(
    ("REFUSAL-4", "a clear error", "unknown kind ack instead", (3, 5)),
)
def unknown_type_acknowledged_as_ok() -> Talk:
    return Talk().open().send("invalid").frame({"type": "ack", "status": "ok"}).timeout("refusal", 2.0)


@broken(
    ("REFUSAL-4", "a clear error", "a close with 1011", (3, 4)),
)
def bad_json_crashes_the_connection() -> Talk:
    return Talk().open().send("invalid").close("server", 1011)


@broken(
    ("REFUSAL-4", "an error that says what is wrong", "an error without text or code", (3, 4)),
)
def error_without_words() -> Talk:
    return Talk().open().send("invalid").frame({"type": "error_message", "error_code": "", "error_message": None})
