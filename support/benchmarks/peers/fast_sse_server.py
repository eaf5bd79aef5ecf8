"""A fast server of the default wire by HTTP (the agent-events-sse profile), for measuring clients against: python fast_sse_server.py PORT [THINKS [PAUSE_S]]

Needs httptools and uvloop. It accepts any token, whose `sub` is the user, and answers each POST /chat with 4 + THINKS
events (default 3), each a chunk of its own: all at once or, with PAUSE_S, one in so many seconds. An Accept header that
names ndjson is answered with lines of JSON.
"""
import asyncio
import base64
import itertools
import json
import sys
from datetime import datetime, timezone

import httptools
import uvloop

PORT = int(sys.argv[1])
THINKS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
PAUSE_S = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
STEPS = (
    ["agent_started", '{"message":"on it"}']
    + ["agent_thinking", '{"reasoning":"comparing the costs of the last quarter with those of the one before","step_number":1}'] * THINKS
    + ["tool_executing", '{"tool_name":"search","tool_call_id":"c1","parameters":{"q":"cost"}}']
    + ["tool_completed", '{"tool_name":"search","tool_call_id":"c1","status":"ok","result":{"rows":12},"execution_time_ms":3}']
    + ["agent_completed", '{"result":"Costs rose 4 % because storage grew in region A","execution_time_ms":12}']
)
STEPS = list(zip(STEPS[::2], STEPS[1::2]))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"
SSE, NDJSON = HEAD % b"text/event-stream; charset=utf-8", HEAD % b"application/x-ndjson"
runs = itertools.count(1)
sequences = {}
users = {}


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def user_of(token):
    user = users.get(token)
    if user is None:
        claims = token.split(b".")[1]
        user = users[token] = json.loads(base64.urlsafe_b64decode(claims + b"=" * (-len(claims) % 4)))["sub"]
    return user


class Session(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data):
        self.parser.feed_data(data)

    def on_message_begin(self):
        self.body, self.token, self.lines = b"", b"", False

    def on_url(self, url):
        self.path = url

    def on_header(self, name, value):
        name = name.lower()
        if name == b"authorization":
            self.token = value
        elif name == b"accept":
            self.lines = b"ndjson" in value

    def on_body(self, data):
        self.body += data

    def on_message_complete(self):
        user = user_of(self.token)
        if self.path == b"/chat":
            chunks = self.chunks(user, json.loads(self.body))
            self.transport.write(NDJSON if self.lines else SSE)
            if PAUSE_S:
                self.pause(chunks)
            else:
                for chunk in chunks:
                    self.transport.write(chunk)
            return
        hello = json.dumps({"type": "connection_established", "connection_id": user, "user_id": user, "server_time": now(),
                            "resumable": False, "config": {"heartbeat_interval_s": 30, "max_message_bytes": 65536}}).encode()
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(hello), hello))

    def pause(self, chunks):
        chunk = next(chunks, None)
        if chunk is not None and not self.transport.is_closing():
            self.transport.write(chunk)
            asyncio.get_running_loop().call_later(PAUSE_S, self.pause, chunks)

    def chunks(self, user, message):
        run = f"run-{next(runs)}"
        thread = message["payload"].get("thread_id") or f"thread-{user}"
        seq = sequences.get(thread, 0)
        stamp = now()
        for kind, payload in STEPS:
            seq += 1
            event = (
                f'{{"type":"{kind}","request_id":{json.dumps(message.get("request_id"))},"run_id":"{run}","thread_id":"{thread}","user_id":"{user}",'
                f'"agent_name":"triage","seq":{seq},"event_id":"{run}-{seq}","timestamp":"{now() if PAUSE_S else stamp}","payload":{payload}}}')
            part = f"{event}\n" if self.lines else f"id: {seq}\ndata: {event}\n\n"
            sequences[thread] = seq
            yield f"{len(part):x}\r\n{part}\r\n".encode()
        yield b"0\r\n\r\n"


async def main():
    server = await asyncio.get_running_loop().create_server(Session, "127.0.0.1", PORT, backlog=4096)
    await server.serve_forever()


uvloop.run(main())
