"""Opening the one connection: what is asked for, what is no upgrade, and over which way."""

import asyncio
import contextlib
import socket
import ssl
import threading
from pathlib import Path

import pytest
from greenlight_gate.faults.proxy import FaultProxy
from greenlight_gate.transport.interface import Accepted, NotOpened
from greenlight_gate.transport.upgrade import Upgrade
from greenlight_gate.transport.websocket import WebSocket

from support.tests.hostile import conduct as does
from support.tests.hostile.certificate import Authority
from support.tests.hostile.server import TEXT, Act, HostileServer, Wire
from support.tests.transport.keeping import DEADLINE_S, MOST, NORMAL, Kept, after_upgrade, end, frame, play, raw

_NO, _YES, _OK = b"HTTP/1.1 403 No", b"HTTP/1.1 101 Yes", b"HTTP/1.1 200 OK"
_NONE = "no HTTP answer to the upgrade"


def test_what_is_asked_for_and_how_it_was_accepted() -> None:
    async def act(wire: Wire) -> None:
        asked.update(wire.headers)
        await wire.upgrade("Sec-WebSocket-Protocol: chat\r\nX-Note: hello\r\n")
        await wire.frame(TEXT, b"greeting")
        await does.forever(wire)

    asked: dict[str, str] = {}

    async def greeted(_: WebSocket, kept: Kept) -> None:
        await kept.until(lambda: bool(kept.of("text")))

    kept, _ = play(act, greeted)
    (accepted,) = kept.of("open")

    assert (asked["x-who"], asked["user-agent"], asked["sec-websocket-protocol"]) == ("Ada", "greenlight", "chat")
    assert (accepted.subprotocol, accepted.headers[-1]) == ("chat", ("X-Note", "hello"))
    assert accepted.head.endswith(b"X-Note: hello\r\n\r\n")
    assert kept.of("text") == [b"greeting"]


def pieces(*parts: bytes) -> Act:
    async def act(wire: Wire) -> None:
        for part in parts:
            await wire.raw(part)
            await asyncio.sleep(0.01)  # so that each is read by itself

    return act


def forever(head: bytes, more: bytes) -> Act:
    """An answer that goes on for as long as anybody reads."""

    async def act(wire: Wire) -> None:
        await wire.raw(head)
        while True:
            await wire.raw(more * 100)

    return act


@pytest.mark.parametrize(
    ("act", "status", "body", "said"),
    [
        (pieces(_NO + b"\r\nContent-Length: 4\r\n", b"\r\n", b"no", b"pe", b"more"), 403, b"nope", "HTTP 403: nope"),
        (pieces(_NO + b"\r\n\r\nuntil", b" the end"), 403, b"until the end", "HTTP 403: until the end"),
        (pieces(_NO + b"\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n", b"2\r\npe\r\n0\r\n\r\n"), 403, b"nope",
         "HTTP 403: nope"),
        (pieces(b"HTTP/1.1 302 Found\r\nLocation: http://other/?token=x\r\nContent-Length: 0\r\n\r\n"), 302, b"",
         "HTTP 302, a redirect to http://other/"),
        (pieces(_YES + b"\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n" + frame(TEXT, b"x")), None, b"",
         "missing Sec-WebSocket-Accept header"),
        (pieces(_YES + b"\r\n"), None, b"", f"{_NONE} (connection closed while reading HTTP"),
        (pieces(b"SSH-2.0-OpenSSH\r\n"), None, b"", f"{_NONE} (invalid HTTP status line"),
        (raw(_OK + b"\r\n" + b"A: b\r\n" * 50_000), None, b"", f"{_NONE} (expected no more"),
        (forever(_YES + b"\r\nUpgrade: ", b"w" * 1000), None, b"", f"{_NONE} (read "),
        (forever(_OK + b"\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), None, b"", f"{_NONE} (stream ends "),
    ],
)  # fmt: skip
def test_an_answer_that_is_no_upgrade(act: Act, status: int | None, body: bytes, said: str) -> None:
    with pytest.raises(NotOpened) as raised:
        play(act, end)

    assert str(raised.value).startswith(said)
    assert "token" not in str(raised.value)
    assert (raised.value.status, raised.value.body) == (status, body)


def test_a_refusal_whose_body_does_not_end_is_one() -> None:
    with pytest.raises(NotOpened) as raised:
        play(forever(b"HTTP/1.1 401 No\r\n\r\nof it", b"x" * 1000), end)

    assert raised.value.status == 401
    assert raised.value.body.startswith(b"of itx")
    assert 100_000 < len(raised.value.body) <= 262_144


@pytest.mark.parametrize(
    ("url", "headers"), [("http://127.0.0.1:1/", {}), ("ws://127.0.0.1:1/", {"Cookie": "a\r\nInjected: b"})]
)
def test_what_cannot_be_asked_for_is_no_connection(url: str, headers: dict[str, str]) -> None:
    with pytest.raises(NotOpened):
        Upgrade(url, headers=headers)


def test_nobody_is_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        upgrade = Upgrade(f"ws://127.0.0.1:{unused.getsockname()[1]}/")
        with pytest.raises(ConnectionRefusedError):
            asyncio.run(WebSocket(Kept(), upgrade, max_message_bytes=MOST).open())


def test_who_waits_no_longer_leaves_nothing_open() -> None:
    left = threading.Event()

    async def silent(wire: Wire) -> None:
        with contextlib.suppress(ConnectionResetError):
            assert await wire.reader.read() == b""
        left.set()

    async def scene(url: str) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(WebSocket(Kept(), Upgrade(url), max_message_bytes=MOST).open(), 0.1)

    with HostileServer(silent, does.health()) as server:
        asyncio.run(scene(server.url))
        assert left.wait(DEADLINE_S)


def test_what_the_receiver_raises_when_it_opens_is_raised_by_open() -> None:
    class Broken(Kept):
        def on_open(self, accepted: Accepted, at: float) -> None:
            raise RuntimeError("no room for it")

    async def scene(url: str) -> None:
        await WebSocket(Broken(), Upgrade(url), max_message_bytes=MOST).open()

    with HostileServer(after_upgrade(), does.health()) as server, pytest.raises(RuntimeError, match="no room for it"):
        asyncio.run(asyncio.wait_for(scene(server.url), DEADLINE_S))


def test_tls_through_a_proxy_and_from_an_address(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trust = ssl.create_default_context(cafile=authority.ca_file)
    peers: list[str] = []

    async def act(wire: Wire) -> None:
        peers.append(wire.writer.get_extra_info("peername")[0])
        await after_upgrade(raw(frame(TEXT, b"hello") + NORMAL))(wire)

    async def scene(url: str) -> Kept:
        proxy = FaultProxy("127.0.0.1", int(url.rpartition(":")[2].partition("/")[0]))
        await proxy.start()
        try:
            kept = Kept()
            kept.connection = WebSocket(kept, Upgrade(url), max_message_bytes=MOST)
            await kept.connection.open(tls=trust, via=proxy.address)
            await end(kept.connection, kept)
            direct = WebSocket(Kept(), Upgrade(url), max_message_bytes=MOST)
            await direct.open(tls=trust, source="127.0.0.7")
            direct.abort()
            # The certificate is for the address that is asked for, not for where the proxy is.
            other = Upgrade(url.replace("127.0.0.1", "127.0.0.2"))
            with pytest.raises(ssl.SSLCertVerificationError):
                await WebSocket(Kept(), other, max_message_bytes=MOST).open(tls=trust, via=proxy.address)
            return kept
        finally:
            await proxy.stop()

    with HostileServer(act, does.health(), authority.server_context("127.0.0.1")) as server:
        kept = asyncio.run(asyncio.wait_for(scene(server.url), DEADLINE_S))

    assert kept.of("text") == [b"hello"]
    assert peers == ["127.0.0.1", "127.0.0.7"]


def test_a_wss_address_is_never_asked_for_without_tls() -> None:
    with pytest.raises(AssertionError, match="without TLS"):
        asyncio.run(WebSocket(Kept(), Upgrade("wss://127.0.0.1:1/"), max_message_bytes=MOST).open())
