"""A TCP entry point that distributes connections over the replicas in turn.

`python -m greenlight_gate.backend.stack.entry --port 8000 127.0.0.1:8001 127.0.0.1:8002`. A replica that does not
accept a connection is skipped; bytes are forwarded unchanged.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence

_CONNECT_S = 1.0
_CHUNK = 65_536
_BACKLOG = 4_096


class EntryProxy:
    """Round robin over `(host, port)` of the replicas."""

    def __init__(self, replicas: Sequence[tuple[str, int]]) -> None:
        self._replicas = list(replicas)
        self._turn = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection; it is cut at once if no replica accepts it."""
        with contextlib.closing(writer):
            connected = await self._next()
            if connected is None:
                writer.transport.abort()
                return
            inner_reader, inner_writer = connected
            with contextlib.closing(inner_writer):
                pumps = [
                    asyncio.create_task(_pump(reader, inner_writer)),
                    asyncio.create_task(_pump(inner_reader, writer)),
                ]
                done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_EXCEPTION)
                if any(task.exception() for task in done):
                    # A cut on one side cuts the other side.
                    writer.transport.abort()
                    inner_writer.transport.abort()
                for task in pumps:
                    task.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)

    async def _next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in self._replicas:
            host, port = self._replicas[self._turn % len(self._replicas)]
            self._turn += 1
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_S):
                    return await asyncio.open_connection(host, port)
        return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _run(host: str, port: int, replicas: Sequence[tuple[str, int]]) -> None:
    server = await asyncio.start_server(EntryProxy(replicas).serve, host, port, backlog=_BACKLOG)
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    await ending.wait()
    server.close()


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="greenlight_gate.backend.stack.entry", description="Distribute connections over replicas in turn."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("replica", nargs="+", type=_address, help="HOST:PORT of a replica")
    options = parser.parse_args()
    asyncio.run(_run(options.host, options.port, options.replica))
    return 0


if __name__ == "__main__":
    sys.exit(main())
