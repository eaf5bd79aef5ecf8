"""The backend on uvicorn's other WebSocket implementation, `CHAT_WEBSOCKETS=websockets`, does the same."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.backend.server import _protocol
from greenlight_gate.backend.settings import SettingsError, settings_from
from greenlight_gate.backend.websockets_protocol import WebsocketsProtocol
from greenlight_gate.backend.wsproto_protocol import WsprotoProtocol

from support.tests.backend.test_hostile import masked
from support.tests.backend.users import DEADLINE_S, ENVIRONMENT, bare_socket, read_to_end, tab
from support.tests.cli.process import judged

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


def long(size: int) -> bytes:
    """A text message of so many bytes, masked with zeros."""
    return b"\x81\xff" + size.to_bytes(8, "big") + b"\0\0\0\0" + b"x" * size


@pytest.fixture(scope="module")
def other() -> Iterator[BackendProcess]:
    with BackendProcess.start(env={**ENVIRONMENT, "CHAT_WEBSOCKETS": "websockets"}) as process:
        yield process
        assert (process.alive, process.stderr_tail()) == (True, "")


def test_the_variable_names_the_implementation() -> None:
    assert _protocol(settings_from({}).websockets) is WsprotoProtocol
    assert _protocol(settings_from({"CHAT_WEBSOCKETS": "wsproto"}).websockets) is WsprotoProtocol
    assert _protocol(settings_from({"CHAT_WEBSOCKETS": "websockets"}).websockets) is WebsocketsProtocol
    with pytest.raises(SettingsError, match=r"^CHAT_WEBSOCKETS must be wsproto or websockets, not 'ws'$"):
        settings_from({"CHAT_WEBSOCKETS": "ws"})


def test_a_message_in_fragments_with_pings_between_them_is_answered(other: BackendProcess) -> None:
    with tab(other.url) as ada:
        asked = json.dumps(
            {"type": "start_agent", "request_id": "r", "payload": {"user_request": "What is 17*23? 👩‍👧"}}
        )
        ada.socket.send([asked[:9], asked[9:-40], asked[-40:]])
        assert ada.socket.ping(b"between").wait(DEADLINE_S)
        assert "391" in ada.read_run()[-1]["payload"]["result"]
        assert ada.run("What is 6*7?")[-1]["type"] == "agent_completed"


def test_what_ends_a_connection_ends_it_with_the_same_code(other: BackendProcess) -> None:
    limit = 65_536
    cases = {
        "binary": (masked(BINARY, b"{}"), 1003, b""),
        "no UTF-8": (masked(TEXT, b"\xff\xfe"), 1007, b""),
        "an unknown opcode": (masked(5, b""), 1002, b""),
        "a ping of 200 bytes": (masked(PING, b"x" * 200), 1002, b""),
        "longer than the limit": (long(limit + 1), 1009, b"TOO_LARGE"),
        "longer than is read": (long(limit * 64 + 1), 1009, b"TOO_LARGE"),
        "closed by the client": (masked(CLOSE, (1000).to_bytes(2, "big")), 1000, b""),
        "closed right behind a ping": (masked(PING, b"p") + masked(CLOSE, (1000).to_bytes(2, "big")), 1000, b""),
    }
    for name, (sent, code, said) in cases.items():
        with bare_socket(other.url) as connection:
            connection.sendall(sent)
            received = read_to_end(connection)
        assert said in received, name
        assert code.to_bytes(2, "big") in received[received.rfind(b"\x88") :][2:4], (name, received[-60:])
    with tab(other.url, "bashir") as bashir:
        assert bashir.run("What is 6*7?")[-1]["type"] == "agent_completed"


def test_a_request_that_the_package_does_not_read_is_answered(other: BackendProcess) -> None:
    host, _, port = other.http_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        long = b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Long: " + b"x" * 9_000
        connection.sendall(long + b"\r\n\r\n")
        assert read_to_end(connection).startswith(b"HTTP/1.1 431 ")


@pytest.mark.slow
def test_it_is_approved(tmp_path: Path) -> None:
    ran = judged(tmp_path, "--categories", "functional", "--ci-mode", env={"CHAT_WEBSOCKETS": "websockets"})

    assert (ran.code, ran.verdict, ran.rules) == (0, "APPROVED", set()), ran.out + ran.err


def test_a_wrong_value_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    ran = judged(tmp_path, "--categories", "functional", env={"CHAT_WEBSOCKETS": "ws"})

    assert ran.code == 3
    assert "CHAT_WEBSOCKETS must be wsproto or websockets, not 'ws'" in ran.err
    assert "Traceback" not in ran.err
