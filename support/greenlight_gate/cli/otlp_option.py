"""Traces for OpenTelemetry: `--otlp` of `greenlight monitor` and `greenlight run`.

What needs opentelemetry-sdk is imported only where it is used.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from greenlight_gate.cli.options import otlp
from greenlight_gate.extras import missing
from greenlight_gate.measure import record_feed
from greenlight_gate.monitor.round import RoundObserver, Watched
from greenlight_gate.targets.settings import Misconfigured

if TYPE_CHECKING:
    from greenlight_gate.monitor.tracing import RunTraces


def add(group: Any) -> None:
    """Adds `--otlp` and `--otlp-content` (`monitor_observers.ObserverOption`)."""
    otlp(group)


@contextlib.contextmanager
def observing(options: argparse.Namespace, watched: Watched) -> Iterator[RoundObserver | None]:
    """Sends the runs of all rounds; rounds themselves are not looked at. Raises Misconfigured."""
    with traced(options) as traces:
        if traces is None:
            yield None
            return
        traces.begin(watched.environment, watched.url, "unknown")
        record_feed.listen(traces, tracing=True)
        try:
            yield None
        finally:
            record_feed.leave(traces)


@contextlib.contextmanager
def traced(options: argparse.Namespace) -> Iterator["RunTraces | None"]:
    """What traces runs, where that is asked for. At the end all are sent, and what could not be is said.

    Raises Misconfigured.
    """
    if options.otlp is None:
        if options.otlp_content:
            raise Misconfigured("--otlp-content needs --otlp, which sends traces")
        yield None
        return
    if why := missing("otel"):
        raise Misconfigured(f"--otlp {why}")
    from greenlight_gate.monitor.tracing import ENDPOINT, is_configured, tracing  # noqa: PLC0415

    if not options.otlp and not is_configured(os.environ):
        raise Misconfigured(f"--otlp: expected the URL of a receiver, or {ENDPOINT} in the environment")
    with tracing(options.otlp, content=options.otlp_content) as traces:
        yield traces
    if traces.lost:
        where = urlsplit(options.otlp).hostname or "the receiver of the environment"
        all_spans = traces.sent + traces.lost
        sys.stderr.write(f"greenlight: {traces.lost} of {all_spans} spans were not accepted by {where}\n")
