"""The proxy itself: ports, addresses, TLS, and nothing left behind."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.latency import Latency
from greenlight_gate.faults.link import Link
from greenlight_gate.faults.proxy import FaultProxy, ProxyFault
from greenlight_gate.faults.refuse import Refuse
from greenlight_gate.faults.stall import Stall

from support.tests.faults.lines import Line, Wire, connect, on_a_line, run, target, until
from support.tests.hostile.certificate import Authority
from support.tests.needs import skip_without_program


@contextlib.contextmanager
def taken(host: str = "127.0.0.1") -> Iterator[int]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        yield listener.getsockname()[1]


def test_a_port_that_is_taken_is_named() -> None:
    async def scene() -> None:
        with (
            taken() as port,
            pytest.raises(ProxyFault, match=rf"cannot listen at 127\.0\.0\.1:{port}: Address already"),
        ):
            await FaultProxy("127.0.0.1", 1, listen_port=port).start()

    run(scene())


def test_a_target_that_nobody_serves_hangs_up_and_says_why() -> None:
    async def scene() -> None:
        with taken() as port:
            pass
        async with FaultProxy("127.0.0.1", port) as proxy:
            user = await connect(proxy)
            assert await user.rest() == (b"", "rst")
            assert proxy.last is not None
            assert proxy.last.failure == f"127.0.0.1:{port}: Connection refused"
            user.writer.close()

    run(scene())


def test_a_target_of_another_name_that_does_not_exist() -> None:
    async def scene() -> None:
        async with FaultProxy("no-such-host.invalid", 80) as proxy:
            user = await connect(proxy)
            assert (await user.rest())[0] == b""
            assert proxy.last is not None
            assert "no-such-host.invalid:80: " in proxy.last.failure
            user.writer.close()

    run(scene())


def test_a_target_with_several_addresses_is_reached_at_the_one_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with target() as server:
            real = socket.getaddrinfo

            def several(host: str, port: int, *rest: object, **options: object) -> list[object]:
                found = real("127.0.0.1", port, type=socket.SOCK_STREAM)
                # The first address answers nobody at this port.
                nobody = [(*entry[:4], ("127.0.0.9", port)) for entry in found]
                return [*nobody, *found] if host == "several.test" else list(real(host, port, *rest, **options))  # type: ignore[arg-type]

            monkeypatch.setattr(socket, "getaddrinfo", several)
            async with FaultProxy("several.test", server.port) as proxy:
                user = await connect(proxy)
                await user.say(b"hello")
                assert await (await server.next()).hear(5) == b"hello"
                user.writer.close()

    run(scene())


def test_a_target_on_ipv6() -> None:
    async def scene() -> None:
        try:
            with taken("::1"):
                pass
        except OSError:
            skip_without_program("IPv6", "this machine has no address ::1")
        async with target("::1") as server, FaultProxy("::1", server.port) as proxy:
            user = await connect(proxy)
            await user.say(b"hello")
            assert await (await server.next()).hear(5) == b"hello"
            user.writer.close()

    run(scene())


def test_another_source_address_is_what_the_target_sees() -> None:
    async def scene() -> None:
        async with target() as server, FaultProxy("127.0.0.1", server.port, source="127.0.0.77") as proxy:
            user = await connect(proxy)
            there = await server.next()
            assert there.writer.get_extra_info("peername")[0] == "127.0.0.77"
            user.writer.close()

    run(scene())


def test_a_source_address_that_cannot_be_had_is_said() -> None:
    async def scene() -> None:
        async with target() as server, FaultProxy("127.0.0.1", server.port, source="192.0.2.1") as proxy:
            user = await connect(proxy)
            assert (await user.rest())[0] == b""
            assert proxy.last is not None
            assert proxy.last.failure
            user.writer.close()

    run(scene())


def test_tls_goes_through_untouched_and_is_checked_against_the_real_host(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.server_context("127.0.0.1")

    async def scene() -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(5))
            await reader.read()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
        trusting = ssl.create_default_context(cafile=str(authority.ca_file))
        async with FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
            right = asyncio.open_connection(*proxy.address, ssl=trusting, server_hostname="127.0.0.1")
            user = Wire(*await right)
            await user.say(b"hello")
            assert await user.hear(5) == b"hello"
            user.writer.close()
            with pytest.raises(ssl.SSLCertVerificationError, match=r"127\.0\.0\.2"):
                await asyncio.open_connection(*proxy.address, ssl=trusting, server_hostname="127.0.0.2")
        server.close()

    run(scene())


def test_a_proxy_that_is_stopped_in_mid_connection_hangs_up_on_both() -> None:
    async def play(line: Line) -> None:
        line.proxy.add(latency := Latency(5))
        await latency.switch_on()
        await line.there.say(b"on its way")
        await until(lambda: line.link.down._work is not None)
        await line.proxy.stop()
        assert await line.user.rest() == (b"", "rst")
        assert await line.there.rest() == (b"", "rst")
        await line.proxy.stop()

    on_a_line(play)


def test_nothing_is_left_of_many_lines_that_ended_in_all_ways() -> None:
    async def one(proxy: FaultProxy, number: int) -> None:
        user = await connect(proxy)
        await user.say(b"x")
        link = next(link for link in reversed(proxy.links) if link.number > 0)
        ends: list[object] = [link.close, link.reset, lambda: None]
        how = ends[number % 3]
        assert callable(how)
        if number % 4 == 0:
            await link.add(Stall())
        how()
        user.writer.transport.abort()

    async def scene() -> None:
        before, tasks = psutil.Process().num_fds(), len(asyncio.all_tasks())
        async with target() as server:
            async with FaultProxy("127.0.0.1", server.port) as proxy:
                proxy.add(refuse := Refuse())
                for _ in range(3):
                    await asyncio.gather(*(one(proxy, number) for number in range(40)))
                await refuse.switch_on()
                await refuse.switch_off()
            assert not proxy.links
        await until(lambda: len(asyncio.all_tasks()) == tasks and psutil.Process().num_fds() == before)

    run(scene())


def test_a_fault_of_one_line_leaves_the_others_alone() -> None:
    async def play(line: Line) -> None:
        first: Link = line.link
        await first.add(Stall())
        other = await connect(line.proxy)
        await other.say(b"hello")
        await until(lambda: len(line.proxy.links) == 2)
        assert await line.there.is_silent(0.05)
        other.writer.close()

    on_a_line(play)


def test_a_fault_that_belongs_to_nothing_acts_on_nothing() -> None:
    async def scene() -> None:
        fault = Fault()
        await fault.switch_on()
        assert fault.links == []

    run(scene())
