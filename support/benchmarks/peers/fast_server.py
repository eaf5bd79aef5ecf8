"""A fast server of the default wire (the agent-events profile), for measuring clients against: python fast_server.py PORT [THINKS [NAME]]

Needs picows and uvloop. It accepts any token, and answers each start_agent with 4 + THINKS events (default 3).
Several of them share a port: the system divides the connections among them. NAME begins the ids of each.
"""
import asyncio
import itertools
import json
import sys
from datetime import datetime, timezone

import uvloop
from picows import WSListener, WSMsgType, ws_create_server

PORT = int(sys.argv[1])
THINKS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
NAME = sys.argv[3] if len(sys.argv) > 3 else ""
STEPS = (
    ["agent_started", '{"message":"on it"}']
    + ["agent_thinking", '{"reasoning":"comparing the costs of the last quarter with those of the one before","step_number":1}'] * THINKS
    + ["tool_executing", '{"tool_name":"search","tool_call_id":"c1","parameters":{"q":"cost"}}']
    + ["tool_completed", '{"tool_name":"search","tool_call_id":"c1","status":"ok","result":{"rows":12},"execution_time_ms":3}']
    + ["agent_completed", '{"result":"Costs rose 4 % because storage grew in region A","execution_time_ms":12}']
)
STEPS = list(zip(STEPS[::2], STEPS[1::2]))
connections = itertools.count(1)
runs = itertools.count(1)


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Session(WSListener):
    def on_ws_connected(self, transport):
        self.user = f"{NAME}user-{next(connections)}"
        self.seq = {}
        hello = {"type": "connection_established", "connection_id": self.user, "user_id": self.user, "server_time": now(),
                 "resumable": False, "config": {"heartbeat_interval_s": 30, "max_message_bytes": 65536}}
        transport.send(WSMsgType.TEXT, json.dumps(hello).encode())

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(1000)
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            message = json.loads(frame.get_payload_as_utf8_text())
            if message["type"] == "ping":
                transport.send(WSMsgType.TEXT, json.dumps({"type": "pong", "nonce": message.get("nonce"), "server_time": now()}).encode())
            elif message["type"] == "start_agent":
                self.answer(transport, message)

    def answer(self, transport, message):
        run = f"{NAME}run-{next(runs)}"
        thread = message["payload"].get("thread_id") or f"thread-{self.user}"
        seq = self.seq.get(thread, 0)
        stamp = now()
        for kind, payload in STEPS:
            seq += 1
            transport.send(WSMsgType.TEXT, (
                f'{{"type":"{kind}","request_id":{json.dumps(message.get("request_id"))},"run_id":"{run}","thread_id":"{thread}","user_id":"{self.user}",'
                f'"agent_name":"triage","seq":{seq},"event_id":"{run}-{seq}","timestamp":"{stamp}","payload":{payload}}}').encode())
        self.seq[thread] = seq


async def main():
    server = await ws_create_server(lambda request: Session(), "127.0.0.1", PORT, backlog=4096, reuse_port=True)
    await server.serve_forever()


uvloop.run(main())
