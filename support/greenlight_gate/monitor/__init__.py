"""The live monitor: what happens on all connections right now, which patterns show, and alerts."""

from greenlight_gate.monitor.alerts import Alert, AlertLog
from greenlight_gate.monitor.monitor import RealTimeEventMonitor, create_monitoring_session

__all__ = ["Alert", "AlertLog", "RealTimeEventMonitor", "create_monitoring_session"]
