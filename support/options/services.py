"""greenlight services: its options."""

from typing import Any

from support.options.common import command_of, positive


def add(commands: Any) -> None:
    """Adds the command."""
    services = command_of(
        commands, "services", "start, stop and look at the services of a target (default: the stack of `local`)",
        "greenlight services start --runtime processes",
    )  # fmt: skip
    services.add_argument(
        "action", choices=("start", "stop", "restart", "status", "logs", "clean"),
        help="what is to be done; clean ends all and removes data and logs (example: greenlight services status)",
    )  # fmt: skip
    services.add_argument(
        "service", nargs="*", metavar="SERVICE",
        help="only these, for stop, restart and logs (example: greenlight services restart redis)",
    )  # fmt: skip
    services.add_argument(
        "--environment", default="local", metavar="NAME|FILE.toml",
        help="whose services: local, or a target file with compose or a command (default: local; "
        "example: --environment mine.toml)",
    )  # fmt: skip
    services.add_argument(
        "--runtime", choices=("auto", "processes", "docker"), default="auto",
        help="processes of this machine, or containers; auto takes what is there, and says which (default: auto; "
        "example: --runtime docker)",
    )  # fmt: skip
    services.add_argument(
        "--port", type=int, default=0,
        help="start: where people come in (default: any free port; example: --port 8000)",
    )  # fmt: skip
    services.add_argument(
        "--defect", action="append", default=[], metavar="NAME[=VALUE]",
        help="start: seed a defect in both replicas; may be repeated (example: --defect fan_out_to_one_replica)",
    )  # fmt: skip
    services.add_argument(
        "--lines", type=positive(int), default=20, help="logs: how many of each (default: 20; example: --lines 100)"
    )
    services.add_argument(
        "--follow", action="store_true", help="logs: go on until Ctrl-C (example: greenlight services logs --follow)"
    )
    services.add_argument(
        "--yes", action="store_true", help="clean: do not ask (example: greenlight services clean --yes)"
    )
