"""The live monitor of a session: failure patterns become alerts while the run goes on."""

import contextlib
import logging
from collections.abc import Callable, Iterator

from greenlight_gate.measure import record_feed
from greenlight_gate.monitor import Alert, AlertLog, RealTimeEventMonitor
from greenlight_gate.report.monitoring_files import ALERTS
from greenlight_gate.session.validation_session import ValidationSession

log = logging.getLogger("greenlight")


@contextlib.contextmanager
def alerting(suite: ValidationSession, tell: Callable[[Alert], None]) -> Iterator[RealTimeEventMonitor]:
    """Watches a session that has begun: each alert goes to alerts.log, to the execution log and to `tell`.

    The observers of the session's plan listen as long.
    """
    target = suite.target
    same_clock = target.clock == "same-host"
    monitor = RealTimeEventMonitor(suite.folder.name, target.thresholds, same_clock=same_clock)
    for listener in (AlertLog(suite.folder / ALERTS), lambda alert: log.warning("%s", alert), tell):
        monitor.subscribe(on_alert=listener)
    monitor.start_monitoring()
    for observer in suite.plan.observers:
        observer.begin(target.name, target.url, target.clock)
        record_feed.listen(observer, tracing=observer.is_tracing)
    try:
        yield monitor
    finally:
        for observer in suite.plan.observers:
            record_feed.leave(observer)
        monitor.stop_monitoring()
        for fault in monitor.faults:
            log.error("an alert could not be shown: %r", fault)
