"""A backend whose defects change while it runs: tests of many defects share one instead of starting one each."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import pytest
from greenlight_gate.backend.launch import BackendProcess

from support.tests.backend.users import DEADLINE_S, ENVIRONMENT

VARIABLE, TOKEN = "CHAT_TEST_ADMIN", "a-token-for-whoever-may"


def admin(process: BackendProcess, method: str, body: object = None, token: str = TOKEN) -> tuple[int, Any]:
    """The admin call: its status, and what it answers."""
    headers = {"Authorization": f"Bearer {token}".encode()} if token else {}
    with closing(HTTPConnection(urlsplit(process.http_url).netloc, timeout=DEADLINE_S)) as connection:
        connection.request(method, "/admin/defects", json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


class Changing:
    """Starts its backend when it is first needed, and another one when a defect was too much for that."""

    def __init__(self) -> None:
        self._process: BackendProcess | None = None

    def __enter__(self) -> "Changing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.stop()

    @property
    def process(self) -> BackendProcess:
        """The backend, which runs and has not complained of anything."""
        if self._process is not None and not (self._process.alive and self._process.stderr_tail() == ""):
            self._process.stop()
            self._process = None
        if self._process is None:
            self._process = BackendProcess.start(env={**ENVIRONMENT, VARIABLE: TOKEN}, admin_token_env=VARIABLE)
        return self._process

    @contextmanager
    def broken(self, *defects: str) -> Iterator[BackendProcess]:
        """The backend with these defects and no others, as if it had been started with them; it survives them."""
        process = self.process
        code, did = admin(process, "PUT", {"defects": defects})
        assert (code, did.get("defects"), did.get("connections_left")) == (200, list(defects), 0), did
        yield process
        assert process.alive, process.stderr_tail()
        assert process.stderr_tail() == "", process.stderr_tail()


@pytest.fixture(scope="session")
def changing() -> Iterator[Changing]:
    """One that the tests of a worker share."""
    with Changing() as shared:
        yield shared
