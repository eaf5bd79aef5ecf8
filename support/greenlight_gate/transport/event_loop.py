"""The event loop that connections run on: uvloop's, where it is installed."""

import asyncio
import importlib.util


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new event loop; asyncio's own where uvloop does not exist (Windows)."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415 -- checked just now

    return uvloop.new_event_loop()
