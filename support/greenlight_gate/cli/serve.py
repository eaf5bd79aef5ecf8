"""greenlight serve: the embedded backend in the foreground."""

import argparse
import os
import secrets
import sys
from typing import Any

from greenlight_gate.backend.cli import main
from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import MISCONFIGURED, command_of, defect_option
from greenlight_gate.extras import missing


def add(commands: Any) -> None:
    """Adds the command."""
    serve = command_of(
        commands, "serve", SUMMARIES["serve"],
        "greenlight serve --port 8000 --defect started_twice",
        "exit codes: 0 stopped, 3 misconfigured",
    )  # fmt: skip
    serve.add_argument(
        "--host", default="127.0.0.1",
        help="address to listen on (default: %(default)s; example: --host 0.0.0.0)",
    )  # fmt: skip
    serve.add_argument(
        "--port", type=int, default=8000,
        help="port to listen on, 0 for any (default: %(default)s; example: --port 8001)",
    )  # fmt: skip
    defect_option(serve.add_argument, "activate this defect", "tool_name_missing")
    serve.add_argument(
        "--admin-token-env", default="", metavar="NAME",
        help="enable PUT /admin/defects, which changes the defects at run time, for requests with the token in this "
        "environment variable (default: disabled; example: --admin-token-env CHAT_ADMIN_TOKEN)",
    )  # fmt: skip
    serve.add_argument(
        "--vary", default="", metavar="SEED",
        help="vary the healthy behaviour (message shapes, fragments, pauses, texts) at random from this integer seed "
        "(example: --vary 7)",
    )  # fmt: skip
    serve.add_argument(
        "--model", default="", metavar="URL",
        help="let the model at this URL answer (Chat Completions), for instance that of `greenlight model` "
        "(example: --model http://127.0.0.1:8790/v1)",
    )  # fmt: skip
    serve.add_argument(
        "--list-defects", action="store_true",
        help="print all defects and exit (example: greenlight serve --list-defects)",
    )  # fmt: skip


# Where one of these is set, the backend is a replica, and needs the packages of the stack.
_SHARED = ("CHAT_DATABASE_URL", "CHAT_REDIS_URL")
_SECRET = "CHAT_JWT_SECRET"  # noqa: S105 -- a name


def serve(options: argparse.Namespace) -> int:
    """Serves until it is stopped; the backend itself reports invalid arguments."""
    shared = [name for name in _SHARED if os.environ.get(name)]
    if shared and (why := missing("stack")):
        sys.stderr.write(f"greenlight: {shared[0]}: a replica {why}\n")
        return MISCONFIGURED
    made, notice = {}, ""
    if not options.list_defects and not os.environ.get(_SECRET):
        made[_SECRET] = secrets.token_hex(32)
        notice = (
            f"greenlight serve: {_SECRET} is not set, so this secret was made for now. Who signs tokens, as a target "
            f"with it as secret_env does, needs it too:\n  export {_SECRET}={made[_SECRET]}\n"
        )
    arguments = ["--host", options.host, "--port", str(options.port)]
    for defect in options.defect:
        arguments += ["--defect", defect]
    if options.admin_token_env:
        arguments += ["--admin-token-env", options.admin_token_env]
    arguments += ["--vary", options.vary] if options.vary else []
    arguments += ["--model", options.model] if options.model else []
    if options.list_defects:
        arguments.append("--list-defects")
    return main(arguments, prog="greenlight serve", more=made, notice=notice)
