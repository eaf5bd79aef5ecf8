"""The live monitor: what happens on all connections right now, which patterns show, and alerts."""

from support.monitor.alerts import Alert, AlertLog
from support.monitor.monitor import RealTimeEventMonitor, create_monitoring_session

__all__ = ["Alert", "AlertLog", "RealTimeEventMonitor", "create_monitoring_session"]
