"""The backend of the suite: it comes back where it was, with what it knew, or it is said why not."""

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.bdd.own_backend import BackendFailed, OwnBackend
from support.tests.backend.people import ENVIRONMENT, window


@pytest.fixture
def own() -> Iterator[OwnBackend]:
    backend = OwnBackend((), ENVIRONMENT)
    try:
        yield backend
    finally:
        backend.put_away()


@pytest.mark.parametrize("kill", [False, True])
def test_comes_back_where_it_was_and_knows_old_conversations(own: OwnBackend, kill: bool) -> None:
    before = own.start()
    with window(before.url) as ada:
        thread = ada.run("What is 17*23?")[0]["thread_id"]
    own.stop(kill=kill)
    assert own.is_away
    assert not before.alive
    assert before.exit_code == (-9 if kill else 0)
    after = own.start()
    assert not own.is_away
    assert (after.url, after.pid != before.pid) == (before.url, True)
    with window(after.url) as ada:
        assert "17*23" in ada.run("And what was my previous question?", thread_id=thread)[-1]["payload"]["result"]


def test_a_port_that_somebody_took_meanwhile_is_named(own: OwnBackend) -> None:
    url = own.start().url
    own.stop(kill=True)
    with (
        socket.create_server(("127.0.0.1", urlsplit(url).port or 0)),
        pytest.raises(BackendFailed, match=r"cannot serve on .*: Address already in use"),
    ):
        own.start()


def test_nothing_is_left_behind(own: OwnBackend) -> None:
    own.start()
    data: Path = own._data
    assert (data / "chat.sqlite3").exists()
    own.put_away()
    own.put_away()
    assert not data.exists()
    assert own.process is not None
    assert not own.process.alive
