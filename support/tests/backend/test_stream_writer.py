"""What a connection by HTTP writes to ends when it is cancelled, at whatever moment that comes."""

import asyncio
from typing import Any, cast

import pytest
from greenlight_gate.backend.stream_writer import StreamWriter

DEADLINE_S = 5


@pytest.mark.parametrize("turns", range(6))
def test_a_client_who_goes_just_as_something_is_written_ends_the_stream(turns: int) -> None:
    async def scene() -> bool:
        async def send(message: Any) -> None:
            del message

        writer = StreamWriter(cast("asyncio.Transport", None), heartbeat_s=0)
        pump = asyncio.create_task(writer.pump(send))
        await asyncio.sleep(0.01)
        writer.write_frame("one")
        for _ in range(turns):
            await asyncio.sleep(0)
        pump.cancel()
        _, waiting = await asyncio.wait({pump}, timeout=DEADLINE_S)
        return not waiting

    assert asyncio.run(scene())
