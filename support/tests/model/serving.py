"""A running scripted model, and what its clients see."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from greenlight_gate.model.script import Script
from greenlight_gate.model.server import ModelServer, listen

DEADLINE_S = 30.0


class Answered(NamedTuple):
    """A whole response; `broken`: it ended before it was whole."""

    status: int
    headers: dict[str, str]
    body: bytes
    broken: bool = False

    @property
    def json(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.body)
        return read


class RunningModel(NamedTuple):
    """A running model, and its port."""

    port: int
    server: ModelServer

    @contextlib.contextmanager
    def asked(
        self, path: str, prompt: str, *, stream: bool = True, **more: object
    ) -> Iterator[http.client.HTTPResponse]:
        """The response as soon as its head has come; the connection is closed at the end."""
        user = {"messages": [{"role": "user", "content": prompt}], "input": prompt}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        with contextlib.closing(connection):
            connection.request("POST", path, json.dumps({"model": "m", "stream": stream, **user, **more}))
            yield connection.getresponse()

    def ask(self, path: str, prompt: str, *, stream: bool = True, **more: object) -> Answered:
        """The whole response."""
        with self.asked(path, prompt, stream=stream, **more) as response:
            try:
                body, broken = response.read(), False
            except http.client.IncompleteRead as error:
                body, broken = error.partial, True
            return Answered(
                response.status, {name.lower(): value for name, value in response.getheaders()}, body, broken
            )

    def get(self, path: str) -> Answered:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return Answered(response.status, {}, response.read())

    def calls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/calls").json["calls"]
        return found

    def wait_for_state(self, state: str) -> dict[str, Any]:
        """The latest call, once it is in this state."""
        end = time.monotonic() + DEADLINE_S
        while (call := self.calls()[-1])["state"] != state:
            assert time.monotonic() < end, f"waited in vain for {state!r}; it is {call['state']!r}"
        return call


@contextlib.contextmanager
def served(script: Script) -> Iterator[RunningModel]:
    """A model that plays this script, in a thread."""
    with listen("127.0.0.1", 0) as listener:
        server = ModelServer(script)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield RunningModel(listener.getsockname()[1], server)
        finally:
            server.stop_soon()
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
