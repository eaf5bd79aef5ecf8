"""A draft from recorded frames can be used at once, or says what is missing; a broken capture names its line."""

import json
from typing import Any

import pytest
from greenlight_gate.trace import Sent
from greenlight_gate.wire.capture import CaptureError, read_capture, unfilled
from greenlight_gate.wire.drafting import draft
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import ProfileError

from support.tests.wire.draft_shares import FINISHED, lines_and_profile, share
from support.tests.wire.recorded import CAPTURES, Recorded, capture, shipped

ALL_FIVE_IN_ORDER = ("agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed")
ALL_FIVE = {"agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"}


@pytest.mark.parametrize(
    ("name", "codecs", "shown"),
    [
        ("agno", ["sse?", "json"], ALL_FIVE),
        ("autogenstudio", ["json"], ALL_FIVE - {"agent_thinking"}),
        ("google-adk", ["json"], ALL_FIVE - {"agent_started", "agent_thinking"}),
        ("jupyter", ["json"], ALL_FIVE),
        ("jupyter-v1", ["jupyter-v1"], ALL_FIVE),
    ],
)
def test_a_draft_reads_what_can_be_guessed(name: str, codecs: list[str], shown: set[str]) -> None:
    text = draft(capture(name))
    profile = Profile.from_toml(text)
    assert list(profile.spec.frame.codecs) == codecs
    seen = Recorded(profile, capture(name))
    assert seen.unmapped == []
    assert {kind for events in seen.events.values() for kind, _, _, _ in events} >= shown
    assert "# Every line is a guess" in text


# The least percentage of frames that an untouched draft reads as the finished profile does: draft_shares prints them.
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("agno.jsonl", 100), ("autogenstudio.jsonl", 100), ("autogenstudio-auth.jsonl", 100), ("google-adk.jsonl", 100),
        ("jupyter.jsonl", 92), ("jupyter-v1.jsonl", 90), ("chromium.har", 97),
        ("acp.jsonl", 86), ("langgraph.jsonl", 81), ("langflow.jsonl", 78), ("openai-responses.jsonl", 100),
        # By HTTP.
        ("ai-sdk.jsonl", 90), ("ai-sdk-7.jsonl", 99), ("ai-sdk-7-error.jsonl", 96), ("ag-ui-sse.jsonl", 92),
        ("chat-completions.jsonl", 99), ("openai-responses-sse.jsonl", 100), ("anthropic-messages.jsonl", 89),
        # Approvals are drafted as other frames; of LangGraph's messages, each holds those before it.
        ("ai-sdk-7-approval.jsonl", 76), ("ag-ui-sse-approval.jsonl", 71), ("langgraph-sse.jsonl", 65),
    ],
)  # fmt: skip
def test_an_untouched_draft_reads_most_frames_as_the_finished_profile_does(name: str, least: int) -> None:
    found = share(*lines_and_profile(CAPTURES / name, FINISHED[name]))
    assert found.percent >= least
    assert found.asked[0] == found.asked[1]


def test_a_request_without_a_question_is_none_that_a_draft_can_use() -> None:
    greeting, request = {"type": "ready", "heartbeat_s": 2}, 'POST /messages {"request_id": "q1"}'
    lines: list[dict[str, Any]] = [
        {"scenario": "doctor", "epoch_s": 1795977934.0},
        {"record": "received", "text": json.dumps(greeting), "n": 51, "at": 0.065503, "connection": "c2"},
        {"record": "sent", "what": "start", "text": request, "request": "q1", "n": 52, "at": 0.066, "connection": "c2"},
    ]
    assert "# TODO: the message that asks a question" in draft([json.dumps(line).encode() for line in lines])


def _posted(path: str, body: Any, media: str, *messages: str) -> list[bytes]:
    """What doctor records of a request by HTTP, and of its answer."""
    head = {"status": 200, "after_ms": 1.0, "headers": [f"content-type: {media}"]}
    records: list[dict[str, Any]] = [
        {"scenario": "doctor", "epoch_s": 1795977934.0},
        {"record": "opened", "person": "Ada"},
        {"record": "sent", "what": "start", "text": f"POST {path} {json.dumps(body)}", "request": "q1",
         "expect": {"prompt": "What is 17*23?"}},
        {"record": "responded", "request": "q1", **head},
        *({"record": "received", "text": text} for text in messages),
    ]  # fmt: skip
    made = [{**each, "n": n, "at": n / 10, "connection": "c1"} for n, each in enumerate(records[1:], 1)]
    return [json.dumps(each).encode() for each in (records[0], *made)]


def _event(kind: str, **data: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


def test_a_request_by_http_and_the_names_of_its_events_are_drafted() -> None:
    body = {"question": "What is 17*23?", "conversation": None}
    ids = {"run": "r-7f31", "conversation": "c-12ab"}
    lines = _posted(
        "/v1/ask", body, "text/event-stream; charset=utf-8",
        _event("begin", **ids), _event("thought", text="Let me see."),
        _event("tool", call="k-9a01", name="sum"), _event("tool_result", call="k-9a01", name="sum", value=391),
        _event("piece", text="It "), _event("piece", text="is 391."), _event("end", **ids, answer="It is 391."),
    )  # fmt: skip
    text = draft(lines)
    spec = Profile.from_toml(text).spec

    assert (spec.connection.transport, spec.frame.codecs) == ("sse", ("sse-envelope",))
    start = 'start = { http = { path = "/v1/ask" }, question = "{prompt}", conversation = "{thread}" }'
    assert start in text.splitlines()
    seen = Recorded(Profile.from_toml(text), lines)
    assert seen.unmapped == []
    assert [event[0] for event in seen.events["c1"]][:4] == list(ALL_FIVE_IN_ORDER[:4])
    assert seen.events["c1"][-1] == ("agent_completed", None, None, "It is 391.")
    assert seen.events["c1"][3][1:] == ("sum", "k-9a01", "391")


def test_events_whose_data_names_them_are_read_as_json_also_where_their_fields_were_recorded() -> None:
    lines = _posted(
        "/chat", {"q": "What is 17*23?"}, "text/event-stream", _event("a", type="a", text="It "),
        _event("a", type="a", text="is 391."), _event("z", type="z", text="It is 391."), "data: [DONE]\n\n",
    )  # fmt: skip
    profile = Profile.from_toml(draft(lines))

    assert profile.spec.frame.codecs == ("json-or-text",)
    assert Recorded(profile, lines).events["c1"][-1] == ("agent_completed", None, None, "It is 391.")


def test_where_nothing_else_ends_an_answer_the_mark_of_the_end_does() -> None:
    pieces = [json.dumps({"delta": text}) for text in ("It ", "is ", "391", ".")]
    lines = _posted("/chat", {"q": "What is 17*23?"}, "text/event-stream", *pieces, "[DONE]")

    assert Recorded(Profile.from_toml(draft(lines)), lines).events["c1"][-1][::3] == ("agent_completed", "It is 391.")


def test_lines_of_json_are_a_transport_of_their_own() -> None:
    parts = [json.dumps({"state": state, "text": "x"}) for state in ("accepted", "token", "token", "done")]
    text = draft(_posted("/generate", {"prompt": "What is 17*23?"}, "application/x-ndjson", *parts))

    assert Profile.from_toml(text).spec.connection.transport == "ndjson"


def test_the_body_of_an_error_status_says_what_errors_look_like() -> None:
    lines = _posted(
        "/generate", {"prompt": "What is 17*23?"}, "application/x-ndjson", '{"state": "done", "text": "391"}'
    )
    body = json.dumps({"error": "bad_request", "detail": "send a prompt"})
    refused = {
        "record": "responded",
        "status": 400,
        "after_ms": 1.0,
        "body": body,
        "n": 9,
        "at": 1.0,
        "connection": "c1",
    }
    text = draft([*lines, json.dumps(refused).encode()])

    assert (
        '[controls.error]\nwhen = { error = { exists = true } }\ncapture = { code = "error", text = "detail" }' in text
    )


def test_what_opens_a_channel_gives_what_requests_name() -> None:
    opened = {"method": "GET", "url": "/stream", "status": 200, "type": "text/event-stream"}
    asked = {"client": "cl-1234", "text": "What is 17*23?"}
    text = draft(
        [
            *_on("c1", ("http", opened), ("in", {"type": "hello", "client": "cl-1234"})),
            json.dumps({"conn": "c1", "dir": "out", "data": asked,
                        "http": {"method": "POST", "url": "/say", "status": 202, "type": "application/json"}}).encode(),
            *_on("c1", ("in", {"type": "begun", "turn": "t-55aa"}),
                 ("in", {"type": "finished", "turn": "t-55aa", "text": "391"})),
        ]
    )  # fmt: skip
    spec = Profile.from_toml(text).spec

    assert spec.connection.transport == "channel"
    assert 'opening = { method = "GET", path = "/stream" }' in text.splitlines()
    assert 'start = { http = { path = "/say" }, client = "{client}", text = "{prompt}" }' in text.splitlines()
    assert [dict(step.capture) for step in spec.handshake] == [{"client": "client"}]


def test_a_draft_says_what_it_could_not_find() -> None:
    text = draft([_frame("out", text="hello"), _frame("in", n=1), _frame("in", n=2)])
    assert "# TODO: no end was found" in text
    assert 'start = { text = "{prompt}" }' in text
    with pytest.raises(ProfileError, match="agent_completed"):
        Profile.from_toml(text)


def _frame(direction: str, **members: Any) -> bytes:
    return json.dumps({"dir": direction, "data": members}).encode()


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"agent_name": "Quill", "payload": {"tool_name": "calculator"}}, "payload.tool_name"),
        ({"agent_name": "Quill", "name": "calculator"}, "name"),
        ({"agent": {"name": "Quill"}, "call": {"name": "calculator"}}, "call.name"),
        ({"function": {"name": "calculator"}, "name": "Quill"}, "function.name"),
        ({"data": {"toolName": "calculator"}, "tool": "other"}, "data.toolName"),
        ({"agent_name": "Quill", "user": {"name": "Ada"}, "tool": 5}, ""),
    ],
)
def test_the_name_of_a_tool_is_not_that_of_an_agent(members: dict[str, Any], path: str) -> None:
    text = draft([_frame("in", type="tool_call", **members), _frame("in", type="done", text="391")])

    assert (f'tool = "{path}"' if path else 'tool = { value = "tool" }  # TODO: its name') in text.splitlines()


def test_each_request_gets_an_id_of_its_own() -> None:
    asked = {"type": "ask", "request_id": "r-1", "thread_id": "t-1", "payload": {"text": "What is 17*23?", "id": 7}}
    answer = [_frame("in", type="token", text="391"), _frame("in", type="done", text="391")]
    text = draft([_frame("out", **asked), *answer])

    assert (
        'start = { type = "ask", request_id = "{request}", thread_id = "t-1", payload = { text = "{prompt}", id = 7 } }'
    ) in text.splitlines()
    assert Profile.from_toml(text).spec.send["start"]["request_id"] == "{request}"


def _on(connection: str, *frames: tuple[str, Any]) -> list[bytes]:
    return [json.dumps({"conn": connection, "dir": way, "data": data}).encode() for way, data in frames]


def _answer(run: str) -> list[tuple[str, Any]]:
    return [
        ("in", {"type": "begun", "run_id": run}),
        ("in", {"type": "lookup_tool", "run_id": run, "key": f"k-{run}", "name": "sum"}),
        (
            "in",
            {"type": "lookup_tool_result", "run_id": run, "of": {"key": f"k-{run}"}, "name": "sum", "result": "391"},
        ),
        ("in", {"type": "piece", "run_id": run, "text": "It is "}),
        ("in", {"type": "piece", "run_id": run, "text": "391."}),
        ("in", {"type": "step_done", "run_id": run}),
        ("in", {"type": "said", "run_id": run, "text": "It is 391."}),
        ("in", {"type": "step_done", "run_id": run}),
    ]


# A login, a greeting with an id, an introduction, the request, and its run; "step_done" comes last, but twice in a run.
HTTP = {
    "method": "POST",
    "url": "http://x/api/sessions",
    "body": {"user": "ada"},
    "status": 200,
    "resp": {"id": "s-90"},
}
GREETED = [
    ("http", HTTP),
    ("in", {"type": "welcome", "socket_id": "w-77123"}),
    (
        "out",
        {"type": "join", "link": "w-77123", "token": "[token of Ada]", "about": "I should like to join"},
    ),
    ("in", {"type": "joined"}),
    ("out", {"type": "ask", "id": "q-100231", "session": "s-90", "text": "What is 17*23?"}),
]


def test_the_request_and_all_that_comes_before_it() -> None:
    lines = draft(_on("ada", *GREETED, *_answer("r1"))).splitlines()

    assert 'start = { type = "ask", id = "{request}", session = "{session_id}", text = "{prompt}" }' in lines
    tables = "\n".join(lines)
    for table in (
        '[[before]]\npath = "/api/sessions"\njson = { user = "{user}" }\ncapture = { session_id = "id" }',
        '[[handshake]]\nexpect = { type = "welcome" }\ncapture = { socket_id = "socket_id" }',
        '[[handshake]]\nsend = { type = "join", link = "{socket_id}", token = "{token}", about = "I should',
        '[[handshake]]\nexpect = { type = "joined" }',
    ):
        assert table in tables
    Profile.from_toml(tables)


def test_calls_are_paired_by_the_ids_that_both_frames_have() -> None:
    text = draft(_on("ada", *GREETED, *_answer("r1")))

    assert 'is = "tool_executing"\ntool = "name"\ncall = "key"\n' in text
    assert 'is = "tool_completed"\ntool = "name"\ncall = "of.key"\ntext = "result"' in text


def test_where_each_step_names_the_one_above_it_all_of_an_answer_belong_to_its_request() -> None:
    asked = [{"ask": text, "id": f"q-100{n}", "thread": "", "page": "http://127.0.0.1:9000/"}
             for n, text in enumerate(("What is 17*23?", "What is 12*13?"))]  # fmt: skip
    lines = _on("c1", ("out", asked[0]), *_steps("q-1000", "391"), ("out", asked[1]), *_steps("q-1001", "156"))
    text = draft(lines)
    seen = Recorded(Profile.from_toml(text), lines)

    assert 'start = { ask = "{prompt}", id = "{request}", thread = "", page = "http://127.0.0.1:9000/" }' in text
    one = ["agent_started", "tool_executing", "tool_completed", "agent_completed"]
    assert [kind for kind, *_ in seen.events["c1"]] == one * 2
    assert "# The answer is made of these texts" in text


def _steps(request: str, result: str) -> list[tuple[str, Any]]:
    """Steps that begin and are updated once they have ended, each below the one that it is a part of."""
    run = {"kind": "run", "id": f"r-{result}0", "parent": request, "output": ""}
    tool, said = ({"kind": kind, "id": f"{kind}-{result}0", "parent": run["id"]} for kind in ("tool", "message"))
    shown = [
        {"event": "task_start"}, {"event": "new_step", "step": run},
        {"event": "new_step", "step": {**tool, "name": "calculator", "output": ""}},
        {"event": "update_step", "step": {**tool, "name": "calculator", "output": result}},
        {"event": "stream_start", "step": {**said, "output": "It "}},
        *({"event": "stream_token", "id": said["id"], "token": token} for token in ("is ", f"{result}.")),
        {"event": "new_step", "step": {**said, "output": f"It is {result}."}},
        {"event": "update_step", "step": run}, {"event": "task_end"},
    ]  # fmt: skip
    return [("in", each) for each in shown]


def test_the_end_is_the_last_kind_that_comes_once_in_a_run_and_pieces_of_the_answer_are_no_reasoning() -> None:
    lines = _on("ada", *GREETED, *_answer("r1"), *GREETED[-1:], *_answer("r2"))
    profile = Profile.from_toml(draft(lines))
    seen = Recorded(profile, lines)

    assert [kind for kind, *_ in seen.events["ada"]] == ["tool_executing", "tool_completed", "agent_completed"] * 2
    assert (seen.more, seen.unmapped) == ({"ada": 4}, [])


def test_a_later_request_names_the_thread_that_the_first_answer_gave() -> None:
    asked = [
        ("out", {"ask": text, "thread_id": thread}) for text, thread in (("one?", None), ("and two?", "t-9000411"))
    ]
    came = [
        [("in", {"type": kind, "thread_id": "t-9000411", "run_id": run, "text": "so"}) for kind in ("started", "done")]
        for run in ("r-1", "r-2")
    ]
    came[1].insert(1, ("in", {"type": "started_more", "thread_id": "t-9000411", "run_id": "r-2"}))
    text = draft(_on("c1", asked[0], *came[0], asked[1], *came[1]))

    assert 'start = { ask = "{prompt}", thread_id = "{thread}" }' in text
    assert 'run = "run_id"' in text


def test_a_recorded_prompt_is_the_question_wherever_it_stands() -> None:
    asked = {"note": "a longer text with words", "q": ["<Why?>"]}
    sent = {"record": "sent", "n": 2, "at": 0.1, "connection": "c1", "what": "start", "text": json.dumps(asked)}
    sent |= {"request": "q", "expect": {"prompt": "Why?"}}
    came = {"record": "received", "n": 3, "at": 0.2, "connection": "c1", "text": '{"type": "end", "text": "So."}'}
    text = draft([json.dumps(each).encode() for each in (sent, came)])

    assert 'start = { note = "a longer text with words", q = ["<{prompt}>"] }' in text


def test_a_socket_io_payload_with_sent_frames() -> None:
    lines = _on(
        "ada", ("in", '0{"sid":"s"}'), ("out", '40{"token":"[token]"}'), ("in", "40"), ("in", "2"), ("out", "3"),
        ("out", '42["ask",{"text":"What is 17*23?"}]'), ("in", '42["started",{"run_id":"r1"}]'), ("in", "2"),
        ("out", "3"), ("in", '42["final",{"run_id":"r1","answer":"391"}]'),
    )  # fmt: skip
    text = draft(lines)
    seen = Recorded(Profile.from_toml(text), lines)

    assert 'args = [{ text = "{prompt}" }], event = "ask" }' in text
    assert 'socket = "connect", namespace = "/", data = { token = "{token}" } }' in text
    assert '[[answer]]\nwhen = { engine = "ping" }\nsend = { engine = "pong" }' in text
    assert [kind for kind, *_ in seen.events["ada"]] == ["agent_started", "agent_completed"]
    assert (seen.unmapped, seen.findings) == ([], [])


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([b"{"], "line 1: expected a recorded frame as JSON, got b'{'"),
        ([b"", b"[]"], "line 2: expected a recorded frame"),
        ([b'{"dir":"sideways","data":{}}'], "line 1: "),
        ([b'{"dir":"in","kind":"binary","data":"?"}'], "line 1: "),
        ([b'{"record":"received","n":1}'], "line 1: "),
        ([b'{"data":{}}'], "line 1: "),
    ],
)
def test_a_broken_capture(lines: list[bytes], says: str) -> None:
    with pytest.raises(CaptureError) as caught:
        read_capture(lines, shipped("agno").spec)
    assert str(caught.value).startswith(says)


def test_a_capture_in_which_nothing_came() -> None:
    for lines in ([], [b'{"dir":"out","data":{"a":1}}'], [b'{"dir":"in","data":"hello"}']):
        with pytest.raises(CaptureError, match="at least one frame that came"):
            draft(lines)


@pytest.mark.parametrize(
    ("template", "value", "expected"),
    [
        ({"a": "{x}", "b": 1}, {"a": [1], "b": 1, "c": 2}, {"x": [1]}),
        ({"a": "req-{x}/{y}"}, {"a": "req-1/2"}, {"x": "1", "y": "2"}),
        ({"a": "{{{x}}}"}, {"a": "{7}"}, {"x": "7"}),
        (["job", {"q": "{x}"}], ["job", {"q": "?"}], {"x": "?"}),
        ({"a": {}, "b": []}, {}, {}),
        ({"a": "{x}"}, {}, {}),
        ({"a": "{uuid}"}, {"a": "u"}, {}),
        ({"a": 1}, {"a": 2}, None),
        ({"a": "req-{x}"}, {"a": 5}, None),
        (["a"], ["a", "b"], None),
        ({"a": 1}, "a", None),
    ],
)
def test_a_template_is_read_backwards(template: Any, value: Any, expected: Any) -> None:
    assert unfilled(template, value) == expected


def test_what_was_asked_is_read_from_the_frames_that_were_sent() -> None:
    records, _ = read_capture(capture("jupyter"), shipped("jupyter").spec)
    asked = [record for record in records if isinstance(record, Sent)]
    assert [record.what for record in asked] == ["start"] * 5
    assert len({record.request for record in asked}) == 5
    assert all(record.expect is not None and "marker-" in record.expect.prompt for record in asked)
    sent = json.loads(asked[0].text)
    assert sent["header"]["msg_id"] == f"req-{asked[0].request}"


def test_reasoning_is_never_drafted_as_the_answer() -> None:
    profile = Profile.from_toml(draft(capture("ai-sdk")))
    rules = [({term.path: term.value for term in rule.when}, str(rule.kind)) for rule in profile.spec.rules]
    kinds = {terms["type"]: kind for terms, kind in rules}
    assert (kinds["reasoning-delta"], kinds["text-delta"]) == ("agent_thinking", "answer_part")


def test_a_handshake_of_requests_and_responses_is_drafted_by_the_ids_that_are_repeated() -> None:
    text = draft(capture("acp"))
    spec = Profile.from_toml(text).spec
    assert [step.capture for step in spec.handshake if step.send is None] == [{}, {"session_id": "result.sessionId"}]
    assert 'expect = { id = "session" }' in text
    assert "their_id" not in text
