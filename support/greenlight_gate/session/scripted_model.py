"""The scripted model of a target: served by the suite unless it is served already, and asked which calls have come."""

import socket
import ssl
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpx2
import msgspec
from msgspec import Struct

from greenlight_gate.model.calls import ServedCall
from greenlight_gate.model.script import Script, load_script
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.targets.errors import Misconfigured

if TYPE_CHECKING:
    from greenlight_gate.model.server import ModelServer

_BEGIN_S = 15.0
_ANSWER_S = 10.0
_BACKLOG = 256
# The clocks of two machines are compared with an error of at most the time that the question takes.
_EARLIER_S = 1.0


class _Calls(Struct):
    calls: list[ServedCall]
    now_epoch_s: float


class ScriptedModel:
    """A scripted model at `url`, up to /v1. `script`: what it answers. Call `stop` at the end."""

    def __init__(self, script: Script, url: str = "") -> None:
        self.script = script
        self.url = url
        self._server: ModelServer | None = None
        self._begun = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, script: str, url: str) -> "ScriptedModel":
        """That of a script by name or path, which the suite serves where there is no url.

        Raises Misconfigured for a script that cannot be read.
        """
        model = cls(load_script(script), url)
        if not url:
            model.serve()
        return model

    def serve(self) -> None:
        """Serves the script at a free port of this machine: connections are accepted from now on."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._run, args=(listener,), name="greenlight-model", daemon=True)
        self._thread.start()

    def _run(self, listener: socket.socket) -> None:
        # Imported here: it takes a while, in which the session goes on.
        from greenlight_gate.model.server import ModelServer  # noqa: PLC0415

        with listener:
            server = self._server = ModelServer(self.script)
            self._begun.set()
            server.run(sockets=[listener])

    def stop(self) -> None:
        """Ends it, if the suite serves it."""
        if self._thread is not None:
            self._begun.wait(_BEGIN_S)
            if self._server is not None:
                self._server.stop_soon()
            self._thread.join(_BEGIN_S)

    @property
    def count(self) -> int:
        """How many calls have come, if the suite serves it; else 0."""
        return self._server.app.calls.count if self._server is not None else 0

    def is_idle_since(self, count: int) -> bool:
        """Whether no call has come since there were so many; not known of a model that is served elsewhere."""
        return self._thread is not None and self.count == count

    async def check(self) -> None:
        """Raises Misconfigured if no scripted model answers at the url."""
        try:
            await self.calls(time.time())
        except SuiteFault as error:
            raise Misconfigured(f"model.url: {error}; start it with `greenlight model --script ...`") from error

    async def calls(self, since_epoch_s: float) -> Sequence[ServedCall]:
        """The calls that have begun since then, in order, with their times on this machine's clock.

        Raises SuiteFault if no scripted model answers.
        """
        where = urljoin(self.url, "/calls")
        try:
            # Nothing is verified at a machine of the team's own, and reading the authorities would take a while.
            verify = True if where.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            async with httpx2.AsyncClient(verify=verify, trust_env=False, timeout=_ANSWER_S) as client:
                reply = await client.get(where, params={"since": f"{since_epoch_s - _EARLIER_S:.3f}"})
            found = msgspec.json.decode(reply.content, type=_Calls)
        except (httpx2.HTTPError, httpx2.InvalidURL, msgspec.DecodeError) as error:
            raise SuiteFault(
                f"expected the calls of a scripted model at {where}, but {str(error) or type(error).__name__}"
            ) from error
        ahead_s = found.now_epoch_s - time.time()
        if abs(ahead_s) < _EARLIER_S:
            return found.calls
        return [msgspec.structs.replace(call, began_epoch_s=call.began_epoch_s - ahead_s) for call in found.calls]
