"""greenlight serve: the embedded backend in the foreground."""

import argparse
import os
import sys

from support.backend.cli import main
from support.extras import missing
from support.options.common import MISCONFIGURED

# Where one of these is set, the backend is a replica, and needs the packages of the stack.
_SHARED = ("CHAT_DATABASE_URL", "CHAT_REDIS_URL")


def serve(options: argparse.Namespace) -> int:
    """Serves until it is told to stop; the backend says for itself what is wrong with its arguments."""
    shared = [name for name in _SHARED if os.environ.get(name)]
    if shared and (why := missing("stack")):
        sys.stderr.write(f"greenlight: {shared[0]}: a replica {why}\n")
        return MISCONFIGURED
    arguments = ["--host", options.host, "--port", str(options.port)]
    for defect in options.defect:
        arguments += ["--defect", defect]
    if options.admin_token_env:
        arguments += ["--admin-token-env", options.admin_token_env]
    arguments += ["--vary", options.vary] if options.vary else []
    if options.list_defects:
        arguments.append("--list-defects")
    return main(arguments)
