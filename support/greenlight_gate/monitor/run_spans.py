"""The spans of a trace file: each run is an OpenTelemetry trace, with findings as events of its spans.

Names and attributes follow the semantic conventions for generative AI of `SEMANTIC_CONVENTIONS`
(https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-agent-spans/); what they do not know begins with greenlight.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SpanEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from greenlight_gate import __version__
from greenlight_gate.events import Event, EventKind, Reading
from greenlight_gate.findings import Finding
from greenlight_gate.measure.record_feed import FeedSource
from greenlight_gate.measure.run_observations import ObservedRun, RunObservations, ToolCall
from greenlight_gate.rules.engine.canary import named
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.trace import AnyRecord, Closed, Opened, to_be_refused

SEMANTIC_CONVENTIONS: Final = "1.37.0"
SCOPE: Final = InstrumentationScope(
    "greenlight_gate", __version__, f"https://opentelemetry.io/schemas/{SEMANTIC_CONVENTIONS}"
)
_ERROR: Final = StatusCode.ERROR
_NO_FAULT: Final = Status(StatusCode.UNSET)

Attributes = dict[str, str | int | float | bool]
NewSpanId = Callable[[], int]


class SpanSettings(msgspec.Struct, frozen=True):
    """What all spans of a session share. `content`: prompts, answers and the texts of findings are in them."""

    resource: Resource
    new_span_id: NewSpanId
    environment: str = ""
    url: str = ""
    content: bool = False


class TraceSpans:
    """Observes one trace, and makes its spans once it is complete: a finding may come after the end of its run."""

    def __init__(self, source: FeedSource, settings: SpanSettings) -> None:
        self.source = source
        self.settings = settings
        self._runs: list[ObservedRun] = []
        self._connects: dict[str, Opened | Closed] = {}
        self._times = array("d")
        # Times of spans are those of the records; nothing is measured against the server's clock.
        self._observed = RunObservations(source.epoch_s, "unknown", ran=self._runs.append, delivered=_not_measured)

    def take(self, record: AnyRecord, reading: Reading | None) -> None:
        """One record."""
        self._times.append(record.at)
        if isinstance(record, Opened) or (isinstance(record, Closed) and record.during == "handshake"):
            self._connects[record.connection] = record
        self._observed.take(record, reading)

    def on_event(self, run: RunState, event: Event, at: float) -> None:
        """An event of a run."""
        self._observed.on_event(run, event, at)

    def on_settled(self, outcome: Outcome) -> None:
        """A request is settled."""
        self._observed.on_settled(outcome)

    def finish(self) -> Iterator[ReadableSpan]:
        """The trace is complete: its spans, those of a run after one another."""
        self._observed.finish()
        runs = [run for run in self._runs if run.asked.traceparent]
        of_run, of_connection = self._findings(runs)
        first_runs: dict[str, ObservedRun] = {}
        for run in runs:
            first_runs.setdefault(_trace_of(run.asked.traceparent), run)
        for connection, record in self._connects.items():
            if record.traceparent:
                run_of = first_runs.get(_trace_of(record.traceparent))
                yield self._connect(record, run_of, of_connection.get(connection, []))
        for number, run in enumerate(runs):
            yield from self._run(run, of_run.get(number, []))

    def _findings(self, runs: Sequence[ObservedRun]) -> tuple[dict[int, list[Finding]], dict[str, list[Finding]]]:
        """The findings of each run, by its place in `runs`, and those of each connection that are of no run.

        What names no run belongs to the latest request on its connection before the record that proves it.
        """
        of_run: dict[int, list[Finding]] = {}
        of_connection: dict[str, list[Finding]] = {}
        for finding in self.source.findings:
            number = self._run_of(finding, runs)
            if number is not None:
                of_run.setdefault(number, []).append(finding)
                continue
            known = finding.connection if finding.connection in self._connects else next(iter(self._connects), "")
            of_connection.setdefault(known, []).append(finding)
        return of_run, of_connection

    @staticmethod
    def _run_of(finding: Finding, runs: Sequence[ObservedRun]) -> int | None:
        for number, run in enumerate(runs):
            if finding.run is not None and run.outcome.run is not None and run.outcome.run.id == finding.run:
                return number
        shown = max(finding.evidence, default=0)
        earlier = [
            number for number, run in enumerate(runs)
            if run.asked.connection == finding.connection and run.asked.n <= shown
        ]  # fmt: skip
        return earlier[-1] if earlier else None

    # The spans -------------------------------------------------------------------------------------------------

    def _connect(self, record: Opened | Closed, run: ObservedRun | None, findings: list[Finding]) -> ReadableSpan:
        """The upgrade of a connection. It is part of the first run's trace, or a trace of its own without one."""
        opened = isinstance(record, Opened)
        took_s = record.handshake_ms / 1e3 if isinstance(record, Opened) else 0.0
        status = _NO_FAULT
        attributes = self._common()
        attributes["greenlight.connection"] = record.connection
        if isinstance(record, Closed) and record.status is not None:
            attributes["http.response.status_code"] = record.status
        elif opened:
            attributes["http.response.status_code"] = 101
        if findings or not (opened or to_be_refused(record)):
            attributes["error.type"] = findings[0].rule if findings else "refused"
            status = Status(_ERROR, _rules_of(findings) or "the connection was not opened")
        return self._span(
            "connect", _context(record.traceparent), record.at - took_s, record.at, attributes,
            parent=_context(run.asked.traceparent) if run is not None else None, kind=SpanKind.CLIENT,
            events=self._events(findings, record.at), status=status,
        )  # fmt: skip

    def _run(self, run: ObservedRun, findings: list[Finding]) -> Iterator[ReadableSpan]:
        outcome, root = run.outcome, _context(run.asked.traceparent)
        connect = self._connects.get(run.asked.connection)
        began_at, ended_at = outcome.request.at, max(outcome.at, outcome.request.at)
        links = []
        if connect is not None and connect.traceparent:
            if _trace_of(connect.traceparent) == _trace_of(run.asked.traceparent):
                began_at = min(began_at, connect.at - getattr(connect, "handshake_ms", 0.0) / 1e3)
            else:
                links = [Link(_context(connect.traceparent))]
        yield self._span(
            f"invoke_agent {self._clean(run.agent)}" if run.agent else "invoke_agent", root, began_at, ended_at,
            self._of_run(run, findings), kind=SpanKind.CLIENT, events=self._events(findings, ended_at),
            status=_status_of(run, findings), links=links,
        )  # fmt: skip
        yield from self._parts(run, root, ended_at)

    def _parts(self, run: ObservedRun, root: SpanContext, ended_at: float) -> Iterator[ReadableSpan]:
        outcome = run.outcome
        state = outcome.run
        answering_since = outcome.request.at
        if state is not None and state.started_at is not None:
            answering_since = state.started_at
            yield self._child("acknowledgement", root, outcome.request.at, state.started_at, self._common())
        for tool in run.tools:
            answering_since = max(answering_since, tool.ended_at or 0.0)
            yield self._tool(tool, root, ended_at)
        if outcome.ended_by is EventKind.COMPLETED:
            yield self._child("answer", root, min(answering_since, ended_at), ended_at, self._common())

    def _tool(self, tool: ToolCall, root: SpanContext, run_ended_at: float) -> ReadableSpan:
        name = self._clean(tool.name)
        attributes = self._common() | {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
        if tool.call is not None:
            attributes["gen_ai.tool.call.id"] = self._clean(tool.call)
        error = "unfinished" if tool.ended_at is None else "tool_failed" if tool.failed else ""
        if error:
            attributes["error.type"] = error
        ended_at = max(run_ended_at, tool.began_at) if tool.ended_at is None else tool.ended_at
        return self._child(
            f"execute_tool {name}".rstrip(), root, tool.began_at, ended_at, attributes,
            status=Status(_ERROR, error) if error else _NO_FAULT,
        )  # fmt: skip

    def _of_run(self, run: ObservedRun, findings: list[Finding]) -> Attributes:
        state, asked = run.outcome.run, run.asked
        attributes = self._common() | {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": self.settings.environment,
            "greenlight.scenario": self._clean(self.source.scenario),
            "greenlight.run.outcome": run.ended_as,
            "greenlight.run.silence_seconds": round(run.silence_s, 6),
            "greenlight.findings": len(findings),
        }
        thread = (state.thread if state is not None else None) or asked.thread
        optional = {
            "gen_ai.agent.name": run.agent, "gen_ai.conversation.id": thread,
            "greenlight.run.id": state.id if state is not None else None,
        }  # fmt: skip
        attributes |= {name: self._clean(value) for name, value in optional.items() if value is not None}
        if _is_fault(run) or findings:
            attributes["error.type"] = findings[0].rule if findings else run.ended_as
        if self.settings.content:
            prompt = asked.expect.prompt if asked.expect is not None else ""
            attributes["gen_ai.input.messages"] = self._message("user", prompt)
            if run.answer is not None:
                attributes["gen_ai.output.messages"] = self._message("assistant", run.answer, finish_reason="stop")
        return attributes

    def _message(self, role: str, text: str, **more: str) -> str:
        message = {"role": role, "parts": [{"type": "text", "content": self._clean(text)}], **more}
        return msgspec.json.encode([message]).decode()

    def _common(self) -> Attributes:
        address = urlsplit(self.settings.url)
        attributes: Attributes = {"greenlight.environment": self.settings.environment}
        if address.hostname:
            attributes["server.address"] = address.hostname
            attributes["server.port"] = address.port or (443 if address.scheme == "wss" else 80)
        return attributes

    def _events(self, findings: list[Finding], otherwise_at: float) -> list[SpanEvent]:
        return [self._event(finding, otherwise_at) for finding in findings]

    def _event(self, finding: Finding, otherwise_at: float) -> SpanEvent:
        shown = [n for n in finding.evidence if 0 < n <= len(self._times)]
        at = self._times[max(shown) - 1] if shown else otherwise_at
        attributes: Attributes = {
            "greenlight.rule": finding.rule, "greenlight.severity": str(finding.severity),
            "greenlight.requirement": finding.requirement,
            "greenlight.evidence": ", ".join(map(str, finding.evidence)),
        }  # fmt: skip
        if self.settings.content:
            attributes["greenlight.expected"] = self._clean(finding.expected)
            attributes["greenlight.actual"] = self._clean(finding.actual)
        return SpanEvent("greenlight.finding", attributes, self._ns(at))

    def _clean(self, text: str | None) -> str:
        return named(self.source.clean(text or ""))

    def _child(
        self, name: str, parent: SpanContext, began_at: float, ended_at: float, attributes: Attributes, *,
        status: Status = _NO_FAULT,
    ) -> ReadableSpan:  # fmt: skip
        context = SpanContext(
            parent.trace_id, self.settings.new_span_id(), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)
        )
        return self._span(name, context, began_at, ended_at, attributes, parent=parent, status=status)

    def _span(
        self, name: str, context: SpanContext, began_at: float, ended_at: float, attributes: Attributes, *,
        parent: SpanContext | None = None, kind: SpanKind = SpanKind.INTERNAL, events: Sequence[SpanEvent] = (),
        links: Sequence[Link] = (), status: Status = _NO_FAULT,
    ) -> ReadableSpan:  # fmt: skip
        return ReadableSpan(
            name, context, parent, self.settings.resource, attributes, events, links, kind, status=status,
            start_time=self._ns(began_at), end_time=self._ns(ended_at), instrumentation_scope=SCOPE,
        )  # fmt: skip

    def _ns(self, at: float) -> int:
        return int((self.source.epoch_s + at) * 1e9)


def _not_measured(_: float, in_parallel: bool) -> None:
    """The server's clock is unknown here."""
    raise AssertionError(in_parallel)


def _context(traceparent: str) -> SpanContext:
    _, trace, span, _ = traceparent.split("-")
    return SpanContext(int(trace, 16), int(span, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _trace_of(traceparent: str) -> str:
    return traceparent.split("-")[1]


def _is_fault(run: ObservedRun) -> bool:
    """Whether the run did not end as it should, and not because of the suite."""
    outcome, expect = run.outcome, run.asked.expect
    expected = outcome.ended_by is EventKind.COMPLETED or (expect is not None and outcome.ended_by is expect.end)
    return not (expected or outcome.excused)


def _status_of(run: ObservedRun, findings: list[Finding]) -> Status:
    if findings:
        return Status(_ERROR, _rules_of(findings))
    return Status(_ERROR, run.ended_as) if _is_fault(run) else _NO_FAULT


def _rules_of(findings: list[Finding]) -> str:
    return ", ".join(dict.fromkeys(finding.rule for finding in findings))
