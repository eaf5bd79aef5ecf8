"""Metrics for Prometheus: `--metrics` of `greenlight monitor` (`monitor_observers.ObserverOption`)."""

import argparse
import contextlib
from collections.abc import Iterator
from typing import Any

from greenlight_gate.extras import missing
from greenlight_gate.measure import record_feed
from greenlight_gate.monitor.round import RoundObserver, Watched
from greenlight_gate.targets.settings import Misconfigured

_LOOPBACK = "127.0.0.1"


def host_and_port(text: str) -> tuple[str, int]:
    """An address to listen on: HOST:PORT, or PORT of the loopback interface. Raises ArgumentTypeError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, for instance {_LOOPBACK}:9464, got {text!r}")
    return host or _LOOPBACK, int(port)


def add(group: Any) -> None:
    """Adds `--metrics`."""
    group.add_argument(
        "--metrics", type=host_and_port, metavar="HOST:PORT",
        help="serve metrics for Prometheus at http://HOST:PORT/metrics; without HOST on the loopback interface "
        "(example: --metrics 127.0.0.1:9464)",
    )  # fmt: skip


@contextlib.contextmanager
def observing(options: argparse.Namespace, watched: Watched) -> Iterator[RoundObserver | None]:
    """Serves the metrics of all rounds. Raises Misconfigured."""
    if options.metrics is None:
        yield None
        return
    if why := missing("metrics"):
        raise Misconfigured(f"--metrics {why}")
    from greenlight_gate.monitor.metrics_server import Address, serving  # noqa: PLC0415
    from greenlight_gate.monitor.round_metrics import OpenConnections, RoundMetrics  # noqa: PLC0415

    rounds, address = RoundMetrics(watched.environment), Address(*options.metrics)
    connections = OpenConnections(rounds.metrics)
    with contextlib.ExitStack() as held:
        try:
            heard = held.enter_context(serving(rounds.metrics.registry, address))
        except OSError as error:
            raise Misconfigured(f"--metrics {address}: cannot listen there ({error.strerror or error})") from error
        print(f"metrics at http://{heard}/metrics", flush=True)
        record_feed.listen(connections)
        held.callback(record_feed.leave, connections)
        yield rounds
