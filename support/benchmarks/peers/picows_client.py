"""A bare picows client with typed decoding: python picows_client.py PORT USERS SECONDS. Prints the events it checked.

The floor for Python: Cython reads the frames, msgspec decodes each whole event into a struct, and only run id, request
and sequence are looked at.
"""
import asyncio
import json
import sys
import time

import msgspec
import uvloop
from picows import WSListener, WSMsgType, ws_connect

PORT, USERS, SECONDS = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])


class Payload(msgspec.Struct):
    message: str | None = None
    reasoning: str | None = None
    step_number: int | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None
    parameters: dict | None = None
    status: str | None = None
    result: str | dict | None = None
    execution_time_ms: float | None = None


class Event(msgspec.Struct):
    type: str
    request_id: str | None = None
    run_id: str | None = None
    thread_id: str | None = None
    user_id: str | None = None
    agent_name: str | None = None
    seq: int | None = None
    event_id: str | None = None
    timestamp: str | None = None
    payload: Payload | None = None


decode = msgspec.json.Decoder(Event).decode
events = bad = 0
end = float("inf")


class User(WSListener):
    def __init__(self, number):
        self.number, self.asked, self.seq, self.run = number, 0, 0, None

    def on_ws_connected(self, transport):
        self.transport = transport

    def ask(self):
        self.asked, self.run = self.asked + 1, None
        self.request = f"{self.number}-{self.asked}"
        self.transport.send(WSMsgType.TEXT, json.dumps(
            {"type": "start_agent", "request_id": self.request, "payload": {"user_request": "hi", "thread_id": None}}).encode())

    def on_ws_frame(self, transport, frame):
        global events, bad
        event = decode(frame.get_payload_as_memoryview())
        if event.type == "connection_established":
            self.ask()
            return
        events += 1
        self.seq += 1
        if self.run is None:
            self.run = event.run_id
        if event.run_id != self.run or event.seq != self.seq or event.request_id != self.request:
            bad += 1
        if event.type == "agent_completed" and time.monotonic() < end:
            self.ask()


async def main():
    global end
    end = time.monotonic() + SECONDS
    made = [await ws_connect(lambda number=number: User(number), f"ws://127.0.0.1:{PORT}/ws") for number in range(USERS)]
    await asyncio.sleep(SECONDS + 0.2)
    for transport, _ in made:
        transport.disconnect()


uvloop.run(main())
print(json.dumps({"events": events, "bad": bad}))
