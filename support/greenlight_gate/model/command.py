"""The command of the scripted model: it serves until it is stopped, and says in one line where."""

import json
import os
import sys
import threading

from greenlight_gate.model.script import load_script
from greenlight_gate.model.server import ModelServer, listen
from greenlight_gate.targets.errors import Misconfigured


def serve_model(script: str, host: str, port: int, *, die_with_parent: bool = False) -> None:
    """Serves a script (a name or a path) until SIGTERM, SIGINT or, with `die_with_parent`, the end of standard input.

    Standard output gets one line of JSON with the addresses once the socket listens. Raises Misconfigured for a script
    that cannot be read, and for an address that cannot be used.
    """
    loaded = load_script(script)
    try:
        listener = listen(host, port)
    except OSError as error:
        raise Misconfigured(f"cannot serve on {host}:{port}: {error.strerror or error}") from None
    with listener:
        server = ModelServer(loaded)
        if die_with_parent:
            threading.Thread(target=_watch_parent, args=(server,), name="parent-watch", daemon=True).start()
        http = f"http://{host}:{listener.getsockname()[1]}"
        sys.stdout.write(json.dumps({"ready": True, "url": f"{http}/v1", "http": http, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
        if sys.stderr.isatty():
            sys.stderr.write(
                f"OPENAI_BASE_URL={http}/v1  ANTHROPIC_BASE_URL={http}\n"
                f"Calls are listed at {http}/calls, Ctrl-C stops\n"
            )
        server.run(sockets=[listener])


def _watch_parent(server: ModelServer) -> None:
    while os.read(sys.stdin.fileno(), 4_096):
        continue
    server.stop_soon()
