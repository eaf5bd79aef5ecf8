"""Each run as a trace: a real receiver decodes what a real exporter sends of real connections to a backend."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import greenlight_gate
import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.client.connection_manager import WebSocketConnectionManager
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.measure import record_feed
from greenlight_gate.targets.settings import load_profile, load_target
from greenlight_gate.wire.profile import Profile

from support.tests.backend.changing import Changing
from support.tests.backend.users import ENVIRONMENT
from support.tests.cli.process import SECRET, greenlight
from support.tests.needs import skip_without_extra

skip_without_extra("otel")

from greenlight_gate.monitor.run_spans import SEMANTIC_CONVENTIONS  # noqa: E402
from greenlight_gate.monitor.tracing import tracing  # noqa: E402
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: E402
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status  # noqa: E402
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes  # noqa: E402

PROFILE = Path(greenlight_gate.__file__).parent / "wire/profiles/agent-events.toml"
START = "[send.start]\n"
PROMPT = "What is 17*23?"
Talk = Callable[[WebSocketConnectionManager], Coroutine[Any, Any, None]]


class Receiver:
    """An OTLP receiver over HTTP: `requests` as they came, `bodies` their bytes, `headers` those of the latest."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.bodies: list[bytes] = []
        self.paths: set[str] = set()
        self.headers: dict[str, str] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.paths.add(self.path)
                receiver.headers = dict(self.headers.items())
                receiver.bodies.append(body)
                receiver.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def spans(self) -> list[Span]:
        scopes = [scope for request in self.requests for each in request.resource_spans for scope in each.scope_spans]
        return [span for scope in scopes for span in scope.spans]

    def named(self, name: str) -> Span:
        (span,) = [span for span in self.spans if span.name.partition(" ")[0] == name]
        return span

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


def attributes(of: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


@contextmanager
def heard(receiver: Receiver) -> Iterator[None]:
    """Everything that is recorded inside is traced, and has been received at the end."""
    with tracing(receiver.url, content=False) as traces:
        record_feed.listen(traces, tracing=True)
        try:
            yield
        finally:
            record_feed.leave(traces)
    assert (traces.lost, traces.sent) == (0, len(receiver.spans))


def traced(receiver: Receiver, url: str, talk: Talk, *, content: bool = False, profile: Profile | None = None) -> None:
    """What is sent of `talk`; it ends when all has been received."""

    async def run() -> None:
        target = load_target("staging", {}).at(url)
        known = profile or load_profile(target)
        async with WebSocketConnectionManager(target, known, {"CHAT_JWT_SECRET": SECRET}) as users:
            await talk(users)

    with tracing(receiver.url, content=content) as traces:
        traces.begin("staging", f"{url}?token=x", "same-host")
        record_feed.listen(traces, tracing=True)
        try:
            asyncio.run(run())
        finally:
            record_feed.leave(traces)
    assert (traces.lost, traces.sent) == (0, len(receiver.spans))


def asking(times: int = 1, text: str = PROMPT) -> Talk:
    async def talk(users: WebSocketConnectionManager) -> None:
        await users.connect("Ada")
        for _ in range(times):
            await users.send_message("Ada", text)
            assert [event async for event in users.receive_events("Ada")]

    return talk


def test_a_run_is_a_trace_of_connect_acknowledgement_tools_and_answer(
    backend: BackendProcess, receiver: Receiver
) -> None:
    traced(receiver, backend.url, asking())

    root = receiver.named("invoke_agent")
    parts = [receiver.named(name) for name in ("connect", "acknowledgement", "execute_tool", "answer")]
    assert len(receiver.spans) == 5
    assert {span.trace_id for span in receiver.spans} == {root.trace_id}
    assert {span.parent_span_id for span in parts} == {root.span_id}
    assert root.parent_span_id == b""
    assert len({span.span_id for span in receiver.spans}) == 5
    for span in receiver.spans:
        assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= root.end_time_unix_nano
        assert span.status.code == Status.STATUS_CODE_UNSET
        assert len(span.events) == 0
    begins = [span.start_time_unix_nano for span in parts]
    assert begins == sorted(begins)
    assert receiver.paths == {"/v1/traces"}

    known, tool = attributes(root), attributes(receiver.named("execute_tool"))
    assert root.kind == Span.SPAN_KIND_CLIENT
    assert root.name == f"invoke_agent {known['gen_ai.agent.name']}"
    assert known["gen_ai.operation.name"] == "invoke_agent"
    assert known["gen_ai.provider.name"] == known["greenlight.environment"] == "staging"
    assert known["gen_ai.conversation.id"]
    assert known["greenlight.run.outcome"] == "agent_completed"
    assert (known["server.address"], known["greenlight.findings"]) == ("127.0.0.1", 0)
    assert (tool["gen_ai.operation.name"], tool["gen_ai.tool.name"]) == ("execute_tool", "calculator")
    (sent,) = receiver.requests
    resource = attributes(sent.resource_spans[0].resource)
    assert resource["service.name"] == "greenlight"
    assert sent.resource_spans[0].scope_spans[0].schema_url.endswith(f"/{SEMANTIC_CONVENTIONS}")


def test_the_names_of_generative_ai_are_those_of_the_conventions(backend: BackendProcess, receiver: Receiver) -> None:
    traced(receiver, backend.url, asking(), content=True)

    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    used = {name for span in receiver.spans for name in attributes(span) if name.startswith("gen_ai.")}
    assert len(used) == 8
    assert used <= known
    operations = {value.value for value in gen_ai_attributes.GenAiOperationNameValues}
    assert {attributes(span).get("gen_ai.operation.name", "chat") for span in receiver.spans} <= operations


def test_a_second_run_on_a_connection_is_a_trace_of_its_own_with_a_link(
    backend: BackendProcess, receiver: Receiver
) -> None:
    traced(receiver, backend.url, asking(2))

    connect = receiver.named("connect")
    first, second = (span for span in receiver.spans if span.name.startswith("invoke_agent"))
    assert (connect.trace_id, connect.parent_span_id) == (first.trace_id, first.span_id)
    assert second.trace_id != first.trace_id
    assert list(first.links) == []
    (link,) = second.links
    assert (link.trace_id, link.span_id) == (connect.trace_id, connect.span_id)


def test_findings_are_events_where_they_belong_and_quote_nothing(changing: Changing, receiver: Receiver) -> None:
    with changing.broken("tool_completed_missing") as server:
        traced(receiver, server.url, asking())

    root, tool = receiver.named("invoke_agent"), receiver.named("execute_tool")
    rules = {attributes(event)["greenlight.rule"] for event in root.events}
    assert {event.name for event in root.events} == {"greenlight.finding"}
    assert "PAIRING-2" in rules
    assert root.status.code == tool.status.code == Status.STATUS_CODE_ERROR
    assert set(root.status.message.split(", ")) == rules
    assert attributes(root)["error.type"] in rules
    assert attributes(tool)["error.type"] == "unfinished"
    for event in root.events:
        assert root.start_time_unix_nano <= event.time_unix_nano
        assert attributes(event).keys() == {
            "greenlight.rule", "greenlight.severity", "greenlight.requirement", "greenlight.evidence"
        }  # fmt: skip


def test_prompts_and_answers_leave_only_if_that_is_asked_for(backend: BackendProcess, receiver: Receiver) -> None:
    traced(receiver, backend.url, asking())
    sent = b"".join(receiver.bodies)
    # The number of the answer may be in any id.
    assert [text for text in (b"17*23", b"gen_ai.input.messages", b"gen_ai.output.messages") if text in sent] == []

    with Receiver() as other:
        traced(other, backend.url, asking(), content=True)
        known = attributes(other.named("invoke_agent"))
        (asked,), (answered,) = (json.loads(known[f"gen_ai.{which}.messages"]) for which in ("input", "output"))
        assert asked == {"role": "user", "parts": [{"type": "text", "content": PROMPT}]}
        assert (answered["role"], answered["finish_reason"]) == ("assistant", "stop")
        assert "391" in answered["parts"][0]["content"]


def test_no_token_leaves_wherever_it_was(changing: Changing, receiver: Receiver) -> None:
    tokens: list[str] = []

    async def talk(users: WebSocketConnectionManager) -> None:
        await users.connect("Ada")
        tokens.append((await users._access.token_for(load_target("staging", {}).personas[0])).token or "")
        await users.send_message("Ada", f"{PROMPT} {tokens[0]}")
        assert [event async for event in users.receive_events("Ada")]

    with changing.broken("token_echoed_in_frame") as server:
        traced(receiver, server.url, talk, content=True)

    sent = b"".join(receiver.bodies)
    (event,) = receiver.named("connect").events
    assert attributes(event)["greenlight.rule"] == "CONTENT-5"
    assert attributes(event)["greenlight.actual"].startswith("a token")
    assert "[token of Ada]" in attributes(receiver.named("invoke_agent"))["gen_ai.input.messages"]
    assert tokens[0].count(".") == 2
    assert tokens[0].rpartition(".")[2].encode() not in sent
    assert SECRET.encode() not in sent


def test_a_refused_connection_is_a_trace_of_its_own(receiver: Receiver, changing: Changing) -> None:
    async def talk(users: WebSocketConnectionManager) -> None:
        with pytest.raises(NotConnected):
            await users.connect("Ada")

    with BackendProcess.start(env={**ENVIRONMENT, "CHAT_JWT_SECRET": "another-secret-that-is-long-enough"}) as server:
        traced(receiver, server.url, talk)

    connect = receiver.named("connect")
    assert len(receiver.spans) == 1
    assert connect.parent_span_id == b""
    assert connect.status.code == Status.STATUS_CODE_ERROR
    assert attributes(connect)["http.response.status_code"] == 401


# What the target receives ----------------------------------------------------------------------------------------


def test_the_upgrade_carries_the_context_of_its_span(receiver: Receiver) -> None:
    heads: list[str] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def once() -> None:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            target = load_target("staging", {}).at(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws")
            async with WebSocketConnectionManager(target, load_profile(target), {"CHAT_JWT_SECRET": SECRET}) as users:
                with pytest.raises(NotConnected):
                    await users.connect("Ada")

    with heard(receiver):
        asyncio.run(once())
    asyncio.run(once())

    connect = receiver.named("connect")
    assert f"\r\ntraceparent: 00-{connect.trace_id.hex()}-{connect.span_id.hex()}-01\r\n" in heads[0]
    assert "traceparent" not in heads[1].lower()


@pytest.mark.parametrize(("path", "where"), [("metadata.traceparent", "metadata"), ("payload.trace_id", "payload")])
def test_a_request_carries_the_context_of_its_run_where_the_profile_says(
    path: str, where: str, backend: BackendProcess, receiver: Receiver, tmp_path: Path
) -> None:
    profile = Profile.from_toml(PROFILE.read_text("utf-8").replace(START, f'{START}trace = "{path}"\n'))

    def sent(name: str) -> dict[str, Any]:
        async def once() -> None:
            target = load_target("staging", {}).at(backend.url)
            async with WebSocketConnectionManager(
                target, profile, {"CHAT_JWT_SECRET": SECRET}, tmp_path / name
            ) as users:
                await asking()(users)
                assert users.findings == []

        asyncio.run(once())
        records = map(json.loads, (tmp_path / name).read_bytes().splitlines())
        (asked,) = [record for record in records if record.get("what") == "start"]
        message: dict[str, Any] = json.loads(asked["text"])
        return message

    with heard(receiver):
        traced_message = sent("traced.jsonl")
    plain = sent("plain.jsonl")

    root = receiver.named("invoke_agent")
    key = path.rpartition(".")[2]
    assert traced_message[where][key] == f"00-{root.trace_id.hex()}-{root.span_id.hex()}-01"
    assert key not in plain.get(where, {})
    assert "trace" not in plain
    assert "trace" not in traced_message


# The command -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_greenlight_run_sends_what_the_scenarios_did(receiver: Receiver, tmp_path: Path) -> None:
    ran = greenlight(
        tmp_path, "run", "--categories", "functional", "--otlp", "--metrics-push", "out.prom",
        env={"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_EXPORTER_OTLP_HEADERS": "x-team=chat"},
    )  # fmt: skip

    assert ran.code == 0, ran.out + ran.err
    names = {span.name.partition(" ")[0] for span in receiver.spans}
    assert names == {"connect", "invoke_agent", "acknowledgement", "execute_tool", "answer"}
    assert receiver.headers["x-team"] == "chat"
    runs = [span for span in receiver.spans if span.name.startswith("invoke_agent")]
    pushed = (tmp_path / "out.prom").read_text(encoding="utf-8")
    counted = [line for line in pushed.splitlines() if line.startswith("greenlight_runs_total{")]
    assert sum(float(line.rpartition(" ")[2]) for line in counted) == len(runs)
    assert 'verdict="APPROVED"} 1.0' in pushed


def test_a_receiver_that_is_not_there_loses_spans_and_says_so(
    backend: BackendProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with tracing("http://127.0.0.1:9", content=False) as traces:
        record_feed.listen(traces, tracing=True)

        async def run() -> None:
            target = load_target("staging", {}).at(backend.url)
            async with WebSocketConnectionManager(target, load_profile(target), {"CHAT_JWT_SECRET": SECRET}) as users:
                await asking()(users)

        try:
            asyncio.run(run())
        finally:
            record_feed.leave(traces)
    assert (traces.sent, traces.lost) == (0, 5)
