"""A small profile of rules, without request ids, for tests that need one of their own; and a server to speak it."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

SMALL = """
name = "small"
[every]
run = "run_id"
[[event]]
when = { type = "started" }
is = "agent_started"
[[event]]
when = { type = "final" }
is = "agent_completed"
text = "answer"
[send.start]
type = "ask"
text = "{prompt}"
"""


@contextlib.contextmanager
def served(
    talk: Callable[[ServerConnection], None],
    process_request: Callable[[ServerConnection, Request], Response | None] | None = None,
) -> Iterator[str]:
    """Where a server can be reached that lets `talk` speak on each connection; `process_request` answers by HTTP."""
    with serve(talk, "127.0.0.1", 0, process_request=process_request) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()
