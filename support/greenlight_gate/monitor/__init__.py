"""The live monitor: events of all connections, failure patterns, and alerts."""

from greenlight_gate.monitor.alerts import Alert, AlertLog
from greenlight_gate.monitor.monitor import RealTimeEventMonitor, create_monitoring_session

__all__ = ["Alert", "AlertLog", "RealTimeEventMonitor", "create_monitoring_session"]
