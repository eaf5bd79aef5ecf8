"""greenlight serve: the embedded backend in the foreground."""

import argparse

from support.backend.cli import main


def serve(options: argparse.Namespace) -> int:
    """Serves until it is told to stop; the backend says for itself what is wrong with its arguments."""
    arguments = ["--host", options.host, "--port", str(options.port)]
    for defect in options.defect:
        arguments += ["--defect", defect]
    if options.admin_token_env:
        arguments += ["--admin-token-env", options.admin_token_env]
    arguments += ["--vary", options.vary] if options.vary else []
    if options.list_defects:
        arguments.append("--list-defects")
    return main(arguments)
