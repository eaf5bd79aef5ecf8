"""The scripted model of a target: served by the suite unless it is served already, and asked which calls have come."""

import socket
import ssl
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

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
# More than a question and its answer usually take.
_EARLIER_S = 1.0


class _Calls(Struct):
    calls: list[ServedCall]
    now_epoch_s: float
    script: str = ""


class HeardCall(NamedTuple):
    """A call, and when it has begun and ended, in seconds on the monotonic clock of this process.

    The model's own clock may show any time. `error_s`: how long the question for the calls took: a call may have begun
    earlier by that, or ended later. `ended_at` is None while the call is under way.
    """

    call: ServedCall
    began_at: float
    ended_at: float | None
    error_s: float = 0.0


class ModelGone(SuiteFault):
    """The scripted model does not answer any longer, so that nothing can be said of any call."""


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
    def is_served_here(self) -> bool:
        """Whether the suite serves it, in this process."""
        return self._thread is not None

    @property
    def count(self) -> int:
        """How many calls have come, if the suite serves it; else 0."""
        return self._server.app.calls.count if self._server is not None else 0

    def is_idle_since(self, count: int) -> bool:
        """Whether no call has come since there were so many; not known of a model that is served elsewhere."""
        return self.is_served_here and self.count == count

    async def check(self) -> None:
        """Raises Misconfigured if no scripted model answers at the url."""
        how = "start it with `greenlight model --script ...`"
        try:
            found = await self._asked(0.0)
        except ModelGone as error:
            raise Misconfigured(f"model.url: {error.said}; {how}") from error
        if found.script != self.script.digest:
            said = f"expected the script of model.script ({self.script.name}) at {self.url}, but another one is played"
            raise Misconfigured(f"model.url: {said}; {how} of this very file")

    async def calls(self, since: float) -> Sequence[HeardCall]:
        """The calls that have begun since then (monotonic seconds), in order. Raises ModelGone if no model answers."""
        asked_at = time.monotonic()
        found = await self._asked(max(0.0, asked_at - since) + _EARLIER_S)
        # The answer was written at some time in between.
        heard_at = time.monotonic()
        return [
            HeardCall(
                call, heard_at - (ago_s := found.now_epoch_s - call.began_epoch_s),
                None if call.took_s is None else asked_at - ago_s + call.took_s, heard_at - asked_at,
            )
            for call in found.calls
        ]  # fmt: skip

    async def _asked(self, last_s: float) -> _Calls:
        import httpx2  # noqa: PLC0415 -- it takes long, and most targets have no scripted model

        where = f"{self.url.rstrip('/').removesuffix('/v1')}/calls"
        try:
            # Nothing is verified at a machine of the team's own, and reading the authorities would take a while.
            verify = True if where.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            async with httpx2.AsyncClient(verify=verify, trust_env=False, timeout=_ANSWER_S) as client:
                reply = await client.get(where, params={"last_s": f"{last_s:.3f}"})
            reply.raise_for_status()
            return msgspec.json.decode(reply.content, type=_Calls)
        except (httpx2.HTTPError, httpx2.InvalidURL, msgspec.DecodeError) as error:
            raise ModelGone(
                f"expected the calls of a scripted model at {where}, but {str(error) or type(error).__name__}"
            ) from error
