"""Half-open handshakes are held, counted and let go."""

import asyncio
import contextlib

import msgspec
from greenlight_gate.client.abuse import half_open_handshakes
from greenlight_gate.targets.settings import load_target


async def _held(count: int) -> tuple[int, int, list[bytes]]:
    """How many came about, how many the server saw leave, and what each of them said."""
    said: list[bytes] = []
    gone = 0
    all_said, all_gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal gone
        said.append(await reader.readuntil(b"websocket\r\n"))
        if len(said) == count:
            all_said.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        gone += 1
        writer.close()
        if gone == count:
            all_gone.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        target = msgspec.structs.replace(load_target("staging", {}), url=f"ws://127.0.0.1:{port}/ws")
        async with half_open_handshakes(target, count) as held:
            await asyncio.wait_for(all_said.wait(), 10)
            assert gone == 0
        await asyncio.wait_for(all_gone.wait(), 10)
        return held, gone, said


def test_strangers_begin_to_come_in_stay_and_leave() -> None:
    held, gone, said = asyncio.run(asyncio.wait_for(_held(20), 20))
    assert (held, gone) == (20, 20)
    assert set(said) == {said[0]}
    assert said[0].startswith(b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\n\r\n" not in said[0]


def test_a_closed_door_has_nobody_before_it() -> None:
    async def nobody() -> int:
        target = msgspec.structs.replace(load_target("staging", {}), url="ws://127.0.0.1:1/ws")
        async with half_open_handshakes(target, 3) as held:
            return held

    assert asyncio.run(nobody()) == 0
