"""What a hostile client may send: it is answered or closed, nobody else notices, and the memory stays bounded."""

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx2
import pytest
import uvicorn
from greenlight_gate.backend import http_protocol
from greenlight_gate.backend.launch import BackendProcess
from uvicorn.server import ServerState
from websockets.exceptions import ConnectionClosed

from support.tests.backend.users import DEADLINE_S, User, bare_socket, eventually, is_end, read_to_end, tab

LONG = "Please research the tides thoroughly."
MOST_GROWTH_BYTES = 60_000_000


def metric(backend: BackendProcess, name: str) -> int:
    found = re.search(rf"^{name} (\d+)$", httpx2.get(f"{backend.http_url}/metrics").text, re.MULTILINE)
    assert found is not None
    return int(found[1])


@contextmanager
def nobody_notices(backend: BackendProcess) -> Iterator[None]:
    """Bashir's run, under way meanwhile, ends within the usual deadline; the process stays as large as it was."""
    before = metric(backend, "process_resident_memory_bytes")
    with tab(backend.url, "bashir") as bashir:
        bashir.ask(LONG)
        bashir.read_until(lambda event: event["type"] == "tool_executing")
        yield
        end = bashir.read_run()[-1]
        assert end["type"] == "agent_completed"
    assert metric(backend, "process_resident_memory_bytes") - before < MOST_GROWTH_BYTES


def masked(opcode: int, payload: bytes) -> bytes:
    """One final frame as a client sends it; a mask of zeros leaves the payload as it is."""
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + size + b"\0\0\0\0" + payload


NESTED: list[Callable[[int], str]] = [
    lambda depth: "[" * depth,
    lambda depth: "[" * depth + "]" * depth,
    lambda depth: '{"type":' * depth,
    lambda depth: '{"type":"start_agent","payload":{"user_request":' + "[" * depth + "]" * depth + "}}",
    lambda depth: '{"type":"ping","nonce":' + "[" * depth + '"\\ud83d\\ude00"' + "]" * depth + "}",
]


def test_deep_nesting_is_answered(backend: BackendProcess) -> None:
    with nobody_notices(backend):
        for nested in NESTED:
            with tab(backend.url) as ada:
                for depth in (10, 480, *range(980, 1_000), 8_000):
                    ada.socket.send(nested(depth))
                    assert ada.read()["error_code"] in {"BAD_JSON", "BAD_REQUEST"}
                is_too_long(ada, nested(100_000))


def test_ten_megabytes_are_too_long(backend: BackendProcess) -> None:
    with nobody_notices(backend):
        for compression in (None, "deflate"):
            with tab(backend.url, compression=compression) as ada:
                is_too_long(ada, "x" * 10_000_000)


def is_too_long(user: User, text: str) -> None:
    with contextlib.suppress(ConnectionClosed):  # the server need not read it to the end
        user.socket.send(text)
    assert user.read()["error_code"] == "TOO_LARGE"
    assert user.close_code() == 1009


def test_control_characters(backend: BackendProcess, ada: User) -> None:
    every = "".join(map(chr, [*range(32), *range(127, 160), 0x2028, 0xFEFF, 0xFFFE]))
    with nobody_notices(backend):
        for raw in every[:32]:
            ada.socket.send(f'{{"type":"ping","nonce":"{raw}"}}')
            assert ada.read()["error_code"] == "BAD_JSON"
        ada.send({"type": "ping", "nonce": every})
        assert ada.read()["nonce"] == every
        for message in (
            {"type": "start_agent", "request_id": every, "payload": {"user_request": "Hi", "thread_id": every}},
            {"type": "stop_agent", "request_id": every, "run_id": every},
            {"type": "session_restore", "request_id": every, "thread_id": every, "last_seq": 0},
        ):
            ada.send(message)
            answer = ada.read()
            assert (answer["error_code"], answer["request_id"]) == ("FORBIDDEN_THREAD", every)
        for question in (every + "x", f"Please remember that {every}.", f"What do my notes say about {every}?"):
            ada.ask(question, request_id=every)
            assert ada.read_run()[-1]["type"] == "agent_completed"


# The answers to the second number are more than the network holds: only the latest is owed then.
@pytest.mark.parametrize("number_of_pings", [10_000, 60_000])
def test_a_flood_of_pings(backend: BackendProcess, number_of_pings: int) -> None:
    with nobody_notices(backend), bare_socket(backend.url) as connection:
        flood = b"".join(masked(0x9, f"{number:0125}".encode()) for number in range(number_of_pings))
        connection.sendall(flood + masked(0x1, b'{"type":"ping","nonce":"after"}'))
        received = b""
        while b'"after"' not in received or f"{number_of_pings - 1:0125}".encode() not in received:
            received += connection.recv(262_144)


def test_messages_that_nobody_reads_the_answers_to(backend: BackendProcess) -> None:
    message = masked(0x1, json.dumps({"type": "ping", "nonce": "x" * 60_000}).encode())
    with nobody_notices(backend), bare_socket(backend.url) as connection:
        with contextlib.suppress(ConnectionError):  # it hangs up before all are sent
            for _ in range(600):
                connection.sendall(message)
        with contextlib.suppress(ConnectionError):
            assert len(read_to_end(connection)) < 600 * 60_000


def test_two_hundred_half_open_handshakes(backend: BackendProcess, ada: User) -> None:
    parts = urlsplit(backend.url)
    with ExitStack() as stack, nobody_notices(backend):
        for number in range(200):
            half_open = stack.enter_context(socket.create_connection((parts.hostname, parts.port)))
            half_open.sendall(b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"[: number % 50])
        with tab(backend.url, "cleo") as cleo:
            assert is_end(cleo.run("What is 17*23?")[-1])
        assert is_end(ada.run("What is 17*23?")[-1])
        files = metric(backend, "process_open_fds")
        assert files > 200
    assert eventually(lambda: metric(backend, "process_open_fds") <= files - 200)


@pytest.mark.parametrize(
    ("begun", "status_line"),
    [
        (b"", b""),
        (b"GET /ws HTTP/1.1\r\nHost: x\r\n", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET", b"HTTP/1.1 204 No Content"),
    ],
)
def test_whoever_never_finishes_a_request_is_sent_away(
    monkeypatch: pytest.MonkeyPatch, begun: bytes, status_line: bytes
) -> None:
    monkeypatch.setattr(http_protocol, "_REQUEST_WITHIN_S", 0.1)

    async def scene() -> bytes:
        config = uvicorn.Config(answer_nothing, log_config=None, lifespan="off")
        config.load()
        state = ServerState()
        server = await asyncio.get_running_loop().create_server(
            lambda: http_protocol.TimeoutHttpProtocol(config, state, {}), "127.0.0.1", 0
        )
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(begun)
            received = await asyncio.wait_for(reader.read(), DEADLINE_S)
            writer.close()
            return received

    assert asyncio.run(scene()).partition(b"\r\n")[0] == status_line


async def answer_nothing(scope: object, receive: object, send: Callable[[object], object]) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[misc]
    await send({"type": "http.response.body"})  # type: ignore[misc]
