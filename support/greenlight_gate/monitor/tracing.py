"""Sends each run as a trace over OTLP/HTTP, while users are connected (extra `otel`)."""

import contextlib
import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from greenlight_gate import __version__
from greenlight_gate.events import Event, Reading
from greenlight_gate.measure import record_feed
from greenlight_gate.measure.load_counts import Counts
from greenlight_gate.monitor.run_spans import SpanSettings, TraceSpans
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.trace import AnyRecord

ENDPOINT: str = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT: str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_PATH = "/v1/traces"
# All spans of a scenario come at once.
_MOST_WAITING = 32_768


def is_configured(environ: Mapping[str, str]) -> bool:
    """Whether the environment names a receiver, by the variables of OpenTelemetry."""
    return bool(environ.get(ENDPOINT) or environ.get(TRACES_ENDPOINT))


class _Counting(SpanExporter):
    """Counts the spans that were sent, and those that could not be."""

    def __init__(self, exporter: SpanExporter) -> None:
        self.sent = self.lost = 0
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends a batch."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.sent += len(spans)
        else:
            self.lost += len(spans)
        return result

    def shutdown(self) -> None:
        """Closes the exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        return self._exporter.force_flush(timeout_millis)


class RunTraces:
    """Makes spans of all runs of this process, and sends them (`record_feed.FeedListener`).

    `endpoint`: of the receiver, "" for that of the environment. `content`: with prompts, answers and what findings
    quote. What cannot be sent is `lost`, as is what a receiver is too slow for.
    """

    is_tracing = True

    def __init__(self, endpoint: str, *, content: bool) -> None:
        self.endpoint = endpoint
        url = endpoint if not endpoint or endpoint.endswith(_PATH) else endpoint.rstrip("/") + _PATH
        self._exporter = _Counting(OTLPSpanExporter(endpoint=url or None))
        self._processor = BatchSpanProcessor(self._exporter, max_queue_size=_MOST_WAITING)
        resource = Resource.create({"service.version": __version__})
        if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": "greenlight"}))
        self._settings = SpanSettings(resource, _new_span_id, content=content)
        self._traces: dict[int, TraceSpans] = {}
        self._made = 0

    def begin(self, environment: str, url: str, clock: str) -> None:
        """The target is known (`session.session_observer.SessionObserver`)."""
        self._settings = msgspec.structs.replace(self._settings, environment=environment, url=url.partition("?")[0])

    @property
    def sent(self) -> int:
        """How many spans a receiver has accepted."""
        return self._exporter.sent

    @property
    def lost(self) -> int:
        """How many spans of those that were made no receiver has accepted; known once they are shut down."""
        return self._made - self._exporter.sent

    def shutdown(self) -> None:
        """Sends what still waits, for as long as OTEL_EXPORTER_OTLP_TIMEOUT says (10 s)."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]

    def on_record(self, source: record_feed.FeedSource, record: AnyRecord, reading: Reading | None) -> None:
        """One record."""
        self._of(source).take(record, reading)

    def on_event(self, source: record_feed.FeedSource, run: RunState, event: Event, at: float) -> None:
        """An event of a run."""
        self._of(source).on_event(run, event, at)

    def on_settled(self, source: record_feed.FeedSource, outcome: Outcome) -> None:
        """A request is settled."""
        self._of(source).on_settled(outcome)

    def finished(self, source: record_feed.FeedSource) -> None:
        """A trace is complete: its spans are sent."""
        spans = self._traces.pop(id(source), None)
        if spans is not None:
            for span in spans.finish():
                self._made += 1
                self._processor.on_end(span)

    def counted(self, load: object, counts: Counts) -> None:
        """Virtual users of a load send no trace context: thousands of traces a second would disturb the load."""

    def _of(self, source: record_feed.FeedSource) -> TraceSpans:
        spans = self._traces.get(id(source))
        if spans is None:
            spans = self._traces[id(source)] = TraceSpans(source, self._settings)
        return spans


@contextlib.contextmanager
def tracing(endpoint: str, *, content: bool) -> Iterator[RunTraces]:
    """What traces runs when it listens to the feed; at the end of its `with` block all spans are sent, or `lost`."""
    # What could not be sent is counted, and reported once; a header that cannot be read may be a credential.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    traces = RunTraces(endpoint, content=content)
    try:
        yield traces
    finally:
        traces.shutdown()


def _new_span_id() -> int:
    return secrets.randbits(64) or 1
