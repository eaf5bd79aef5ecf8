"""A server whose delay is known: python delayed_server.py PORT DELAY_MS FROZEN_MS FILE. Speaks the default wire.

Each answer begins DELAY_MS after its question, to a fraction of a millisecond as far as the machine lets it; what the
delay really was goes into FILE, a line in milliseconds each. With FROZEN_MS the whole process stands still for so long
at the beginning of each second, as under a stop-the-world pause.
"""
import asyncio
import itertools
import json
import sys
import time
from datetime import datetime, timezone

import uvloop
from picows import WSListener, WSMsgType, ws_create_server

PORT, DELAY_S = int(sys.argv[1]), float(sys.argv[2]) / 1e3
FROZEN_S = float(sys.argv[3]) / 1e3
REALLY = open(sys.argv[4], "w", buffering=1)
STEPS = (
    ("agent_started", {"message": "on it"}),
    ("agent_thinking", {"reasoning": "comparing the costs", "step_number": 1}),
    ("tool_executing", {"tool_name": "search", "tool_call_id": "c1", "parameters": {"q": "cost"}}),
    ("tool_completed", {"tool_name": "search", "tool_call_id": "c1", "status": "ok", "result": "12", "execution_time_ms": 3}),
    ("agent_completed", {"result": "Costs rose because storage grew", "execution_time_ms": 12}),
)
users, runs = itertools.count(1), itertools.count(1)
due = []


class Session(WSListener):
    def on_ws_connected(self, transport):
        self.user, self.seq = f"user-{next(users)}", 0
        hello = {"type": "connection_established", "connection_id": self.user, "user_id": self.user, "config": {}}
        transport.send(WSMsgType.TEXT, json.dumps(hello).encode())

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(1000)
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            message = json.loads(frame.get_payload_as_utf8_text())
            if message["type"] == "start_agent":
                due.append((time.monotonic(), self, transport, message["request_id"]))

    def answer(self, transport, request, asked):
        run = f"run-{next(runs)}"
        REALLY.write(f"{(time.monotonic() - asked) * 1e3:.3f}\n")
        for kind, payload in STEPS:
            self.seq += 1
            stamp = datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
            transport.send(WSMsgType.TEXT, json.dumps({
                "type": kind, "request_id": request, "run_id": run, "thread_id": f"thread-{self.user}", "user_id": self.user,
                "agent_name": "slow", "seq": self.seq, "event_id": f"{run}-{self.seq}", "timestamp": stamp,
                "payload": payload}).encode())


async def answers():
    # The timers of the loop have whole milliseconds; this looks more often.
    while True:
        while due and due[0][0] + DELAY_S <= time.monotonic():
            asked, session, transport, request = due.pop(0)
            session.answer(transport, request, asked)
        await asyncio.sleep(0)


async def freeze():
    while True:
        await asyncio.sleep(1.0 - FROZEN_S)
        time.sleep(FROZEN_S)


async def main():
    server = await ws_create_server(lambda request: Session(), "127.0.0.1", PORT)
    tasks = [asyncio.create_task(answers())] + ([asyncio.create_task(freeze())] if FROZEN_S else [])
    await server.serve_forever()
    await asyncio.gather(*tasks)


uvloop.run(main())
