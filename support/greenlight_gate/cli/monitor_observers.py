"""What may observe the rounds of `greenlight monitor`: each adds its options, and observes while rounds are played."""

import argparse
from contextlib import AbstractContextManager
from typing import Any, Protocol

from greenlight_gate.cli import metrics_option, monitor_notices, monitor_page, otlp_option
from greenlight_gate.monitor.round import RoundObserver, Watched


class ObserverOption(Protocol):
    """A module of `greenlight_gate.cli` (or anything else with these two functions)."""

    def add(self, group: Any) -> None:
        """Adds its options to an argument group of the command."""

    def observing(self, options: argparse.Namespace, watched: Watched) -> AbstractContextManager[RoundObserver | None]:
        """The observer from the first round to the end; None where its options are not used. Raises Misconfigured."""


# To add one: a module with these two functions, and its name here.
OBSERVERS: tuple[ObserverOption, ...] = (monitor_page, monitor_notices, metrics_option, otlp_option)
