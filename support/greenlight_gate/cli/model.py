"""greenlight model: a scripted model in the foreground, for any backend that can be pointed at one."""

import argparse
from typing import Any

from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import command_of
from greenlight_gate.model.faults import FAULTS

_EPILOG = (
    "It speaks OpenAI Chat Completions and Responses and Anthropic Messages, streamed or not; point your backend at it "
    "with OPENAI_BASE_URL=http://127.0.0.1:8790/v1 or ANTHROPIC_BASE_URL=http://127.0.0.1:8790 and any key. GET /calls "
    f"lists what came.\n\nfaults of a script: {', '.join(FAULTS)}.\n\nexit codes: 0 stopped, 3 misconfigured"
)


def add(commands: Any) -> None:
    """Adds the command."""
    model = command_of(
        commands, "model", SUMMARIES["model"],
        "greenlight model --script model.toml --port 8790",
        _EPILOG,
    )  # fmt: skip
    model.add_argument(
        "--script", required=True, metavar="FILE.toml",
        help="what it says, thinks and calls for which prompt; `reference` is the one of the reference prompts "
        "(example: --script model.toml)",
    )  # fmt: skip
    model.add_argument(
        "--host", default="127.0.0.1",
        help="address to listen on (default: %(default)s; example: --host 0.0.0.0)",
    )  # fmt: skip
    model.add_argument(
        "--port", type=int, default=8790,
        help="port to listen on, 0 for any (default: %(default)s; example: --port 8791)",
    )  # fmt: skip


def model(options: argparse.Namespace) -> int:
    """Serves until it is stopped. Raises Misconfigured."""
    from greenlight_gate.model.command import serve_model  # noqa: PLC0415

    serve_model(options.script, options.host, options.port)
    return 0
