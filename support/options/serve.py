"""greenlight serve: its options."""

from typing import Any

from support.options.common import command_of


def add(commands: Any) -> None:
    """Adds the command."""
    serve = command_of(
        commands, "serve", "run the embedded backend in the foreground, as another team's would run",
        "greenlight serve --port 8000 --defect started_twice",
    )  # fmt: skip
    serve.add_argument(
        "--host", default="127.0.0.1",
        help="address to listen on (default: %(default)s; example: --host 0.0.0.0)",
    )  # fmt: skip
    serve.add_argument(
        "--port", type=int, default=8000,
        help="port to listen on, 0 for any (default: %(default)s; example: --port 8001)",
    )  # fmt: skip
    serve.add_argument(
        "--defect", action="append", default=[], metavar="NAME[=VALUE]",
        help="seed a defect; may be repeated (example: --defect tool_name_missing)",
    )  # fmt: skip
    serve.add_argument(
        "--admin-token-env", default="", metavar="NAME",
        help="PUT /admin/defects changes the defects while it runs, for whoever shows the token in this variable "
        "(default: nobody can; example: --admin-token-env CHAT_ADMIN_TOKEN)",
    )  # fmt: skip
    serve.add_argument(
        "--vary", default="", metavar="SEED",
        help="be healthy in another way: other shapes, fragments, pauses, words, drawn from a whole number "
        "(example: --vary 7)",
    )  # fmt: skip
    serve.add_argument(
        "--list-defects", action="store_true",
        help="print the known defects and exit (example: greenlight serve --list-defects)",
    )  # fmt: skip
