"""greenlight services: starts, inspects and stops the services of a target."""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import command_of, defect_option, positive
from greenlight_gate.cli.views.terminal import Terminal
from greenlight_gate.services.local import services_of
from greenlight_gate.services.runtime import Runtime, StackOptions
from greenlight_gate.services.supervisor import ServiceStatus
from greenlight_gate.targets.settings import Misconfigured, load_target


def add(commands: Any) -> None:
    """Adds the command."""
    services = command_of(
        commands, "services", SUMMARIES["services"],
        "greenlight services start --runtime processes",
        "exit codes: 0 done, 1 a service is not up, 3 misconfigured, 130 interrupted",
    )  # fmt: skip
    services.add_argument(
        "action", choices=("start", "stop", "restart", "status", "logs", "clean"),
        help="what to do; clean stops all and removes data, logs and passwords (example: greenlight services status)",
    )  # fmt: skip
    services.add_argument(
        "service", nargs="*", metavar="SERVICE",
        help="for stop, restart and logs: only these services (example: greenlight services restart redis)",
    )  # fmt: skip
    services.add_argument(
        "--environment", default="local", metavar="NAME|FILE.toml",
        help="the target: local, or a target file with `compose` or `command` (default: local; "
        "example: --environment mine.toml)",
    )  # fmt: skip
    services.add_argument(
        "--runtime", choices=("auto", "processes", "docker"), default="auto",
        help="processes of this machine, or containers; auto chooses what is installed and prints it (default: auto; "
        "example: --runtime docker)",
    )  # fmt: skip
    services.add_argument(
        "--port", type=int, default=0,
        help="start: port of the entry point (default: any free port; example: --port 8000)",
    )  # fmt: skip
    defect_option(services.add_argument, "start: activate this defect in both replicas", "fan_out_to_one_replica")
    services.add_argument(
        "--lines",
        type=positive(int),
        default=20,
        help="logs: number of lines for each service (default: 20; example: --lines 100)",
    )
    services.add_argument(
        "--follow",
        action="store_true",
        help="logs: follow the logs until Ctrl-C (example: greenlight services logs --follow)",
    )
    services.add_argument(
        "--yes",
        action="store_true",
        help="clean: do not ask for confirmation (example: greenlight services clean --yes)",
    )


_NOT_UP = 1
_MOST_PORT = 65_535


def services(options: argparse.Namespace) -> int:
    """Carries out one action; returns 0, or 1 if the status shows an unhealthy service. Raises Misconfigured."""
    console = Terminal()
    if not 0 <= options.port <= _MOST_PORT:
        raise Misconfigured(f"--port {options.port}: expected a number from 0 to {_MOST_PORT}")
    target = load_target(options.environment, {})
    runtime = services_of(target, options.runtime, dict(os.environ), Path(options.environment).parent)
    unknown = [name for name in options.service if name not in runtime.services]
    if unknown:
        raise Misconfigured(f"services: unknown {unknown[0]!r}, expected any of {', '.join(runtime.services)}")
    if options.action == "start":
        return _start(runtime, StackOptions([p.user for p in target.personas], options.defect, options.port), console)
    if options.action == "restart":
        with _Screen(console) as screen:
            runtime.restart(options.service, screen.show)
        return 0
    if options.action == "stop":
        stopped = runtime.stop(options.service)
        console.print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
        return 0
    if options.action == "logs":
        return runtime.logs(options.service, int(options.lines), follow=options.follow)
    if options.action == "clean":
        return _clean(runtime, console, sure=options.yes)
    rows = runtime.rows()
    console.print(_table(rows))
    return 0 if all(row.up for row in rows) else _NOT_UP


def _start(runtime: Runtime, wish: StackOptions, console: Console) -> int:
    how = {"processes": "processes of this machine", "docker": "containers (Docker)"}[runtime.runtime]
    console.print(f"Services as {how} ...", highlight=False)
    began = time.monotonic()
    with _Screen(console) as screen:
        started = runtime.start(wish, screen.show)
    if started:
        console.print(f"ready after {time.monotonic() - began:.1f} s; `greenlight services stop` stops them")
    else:
        console.print("already running")
    return 0


def _clean(runtime: Runtime, console: Console, *, sure: bool) -> int:
    if not sure:
        if not sys.stdin.isatty():
            raise Misconfigured("services clean: removes data, logs and passwords: confirm with --yes")
        if console.input("Remove the services' data, logs and passwords? [y/N] ").strip().lower() not in ("y", "yes"):
            console.print("nothing was removed")
            return 0
    runtime.clean()
    console.print("all services are stopped and their data is removed")
    return 0


class _Screen:
    """The state of services while they start: updated on a terminal, elsewhere printed once at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._rows: list[ServiceStatus] = []

    def show(self, rows: list[ServiceStatus]) -> None:
        """Shows these rows."""
        self._rows = rows
        if self._live is not None:
            self._live.update(_table(rows), refresh=True)

    def __enter__(self) -> "_Screen":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._rows:
            self._console.print(_table(self._rows))


def _table(rows: list[ServiceStatus]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("service", "who", "port", "health", "memory", "uptime"):
        table.add_column(name, justify="right" if name in ("port", "memory", "uptime") else "left")
    for row in rows:
        colour = "green" if row.up else "red" if row.health == "not running" else "yellow"
        table.add_row(
            row.service, row.who, str(row.port or ""), f"[{colour}]{row.health}[/]",
            "" if row.memory_mb is None else f"{row.memory_mb:.0f} MB", _for(row.uptime_s),
        )  # fmt: skip
    return table


def _for(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
