"""The fault proxy: a TCP proxy on loopback between users and a target. It passes TLS through unchanged."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.link import Link, Side

_MOST_LINKS = 10_000
_CONNECT_S = 10.0
_STOP_S = 5.0


class ProxyFault(Exception):
    """The proxy cannot do what it was asked to; one line says why."""


class FaultProxy:
    """Listens on loopback and connects each link to `host`:`port`, trying all of its addresses in turn.

    `faults` act on all links; a link can have faults of its own (`Link.add`, or `each`, which makes them when a link
    begins). `source`: the address that the target sees ("" for any). `links` are the open ones, oldest
    first; `last` the one opened last. Use it with `async with`, inside one event loop.
    """

    def __init__(
        self, host: str, port: int, *, listen_port: int = 0, source: str = "",
        each: Callable[[], tuple[Fault, ...]] | None = None,
    ) -> None:  # fmt: skip
        self.target = (host, port)
        self.source = source
        self.faults: tuple[Fault, ...] = ()
        self.links: dict[Link, None] = {}
        self.last: Link | None = None
        self.port = listen_port
        self._each = each
        self._count = 0
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._welcoming: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> tuple[str, int]:
        """The address to connect to: (host, port)."""
        return "127.0.0.1", self.port

    async def start(self) -> None:
        """Listens. Raises ProxyFault for a port that is not available."""
        self._listener = self._bound()
        self.port = self._listener.getsockname()[1]
        self.listen_again()

    async def stop(self) -> None:
        """Ends all links and leaves no task and no socket behind. Calling it again does nothing."""
        await self.stop_listening()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for task in list(self._welcoming):
            task.cancel()
        await asyncio.gather(*self._welcoming, return_exceptions=True)
        async with asyncio.timeout(_STOP_S):
            for link in list(self.links):
                link.reset()
                await link.user.gone.wait()
                await link.target.gone.wait()

    async def __aenter__(self) -> "FaultProxy":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def add(self, *faults: Fault) -> None:
        """Adds faults of all links; each is off until it is switched on, and acts before those added later."""
        for fault in faults:
            fault.acts_on(self)
        self.faults = (*self.faults, *faults)
        self.refresh()

    def refresh(self) -> None:
        """Faults were added or switched."""
        for link in self.links:
            link.refresh()

    def forget(self, link: Link) -> None:
        """A connection has ended."""
        self.links.pop(link, None)

    # Listening --------------------------------------------------------------------------------------------------------

    async def stop_listening(self) -> None:
        """Refuses new connections from now on; the port is kept."""
        if self._accepting is None or self._listener is None:
            return
        self._accepting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._accepting
        self._accepting = None
        self._listener.close()
        self._listener = self._bound()

    def listen_again(self) -> None:
        """Accepts new connections again. Raises ProxyFault if that fails."""
        if self._accepting is not None or self._listener is None:
            return
        try:
            self._listener.listen(_MOST_LINKS)
        except OSError as error:
            raise ProxyFault(f"cannot listen at 127.0.0.1:{self.port}: {_reason(error)}") from error
        self._accepting = asyncio.get_running_loop().create_task(self._accept(self._listener))

    def _bound(self) -> socket.socket:
        """A socket that holds the port without listening: connections to it are refused."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self.address)
            listener.setblocking(False)
        except OSError as error:
            listener.close()
            raise ProxyFault(f"cannot listen at 127.0.0.1:{self.port}: {_reason(error)}") from error
        return listener

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                newcomer, _ = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno not in (errno.ECONNABORTED, errno.EMFILE, errno.ENFILE):
                    raise
                await asyncio.sleep(0.01)
                continue
            task = loop.create_task(self._welcome(newcomer))
            self._welcoming.add(task)
            task.add_done_callback(self._welcoming.discard)

    async def _welcome(self, newcomer: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._count += 1
        link = Link(self, self._count)
        if len(self.links) >= _MOST_LINKS:
            newcomer.close()
            return
        self.links[link] = None
        self.last = link
        try:
            async with asyncio.timeout(_CONNECT_S):
                await self._connect(link)
        except (OSError, TimeoutError) as error:
            link.failure = f"{self.target[0]}:{self.target[1]}: {_reason(error)}"
        except asyncio.CancelledError:
            newcomer.close()
            self.forget(link)
            raise
        for fault in self._each() if self._each is not None else ():
            await link.add(fault)
        link.refresh()
        await loop.connect_accepted_socket(lambda: link.user, newcomer)
        if link.failure or link.target.gone.is_set():
            # A refusal by the target is passed on with an RST, since the connection is already accepted.
            link.target.gone.set()
            link.reset()
            return
        link.target.resume()
        for fault in self.faults:
            if fault.on:
                fault.opened(link)

    async def _connect(self, link: Link) -> None:
        def side() -> Side:
            return link.target

        host, port = self.target
        local = (self.source, 0) if self.source else None
        await asyncio.get_running_loop().create_connection(side, host, port, local_addr=local)
        # Nothing may be read before the other side is connected.
        link.target.pause()


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no connection within {_CONNECT_S:g} s"
    number = getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else str(error) or type(error).__name__
