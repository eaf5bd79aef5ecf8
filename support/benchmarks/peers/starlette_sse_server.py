"""The usual server of the default wire by HTTP, Starlette on uvicorn with httptools and uvloop: python starlette_sse_server.py PORT [THINKS]

It answers as fast_sse_server.py does, event by event from an async generator.
"""
import asyncio
import base64
import itertools
import json
import sys
from datetime import datetime, timezone

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

PORT = int(sys.argv[1])
THINKS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
STEPS = (
    [("agent_started", {"message": "on it"})]
    + [("agent_thinking", {"reasoning": "comparing the costs of the last quarter with those of the one before", "step_number": 1})] * THINKS
    + [("tool_executing", {"tool_name": "search", "tool_call_id": "c1", "parameters": {"q": "cost"}})]
    + [("tool_completed", {"tool_name": "search", "tool_call_id": "c1", "status": "ok", "result": {"rows": 12}, "execution_time_ms": 3})]
    + [("agent_completed", {"result": "Costs rose 4 % because storage grew in region A", "execution_time_ms": 12})]
)
runs = itertools.count(1)
sequences = {}


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def user_of(request):
    claims = request.headers["authorization"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]


async def session(request):
    user = user_of(request)
    return JSONResponse({"type": "connection_established", "connection_id": user, "user_id": user, "server_time": now(),
                         "resumable": False, "config": {"heartbeat_interval_s": 30, "max_message_bytes": 65536}})


async def chat(request):
    user, message = user_of(request), json.loads(await request.body())
    run = f"run-{next(runs)}"
    thread = message["payload"].get("thread_id") or f"thread-{user}"

    async def events():
        for kind, payload in STEPS:
            seq = sequences[thread] = sequences.get(thread, 0) + 1
            event = {"type": kind, "request_id": message.get("request_id"), "run_id": run, "thread_id": thread, "user_id": user,
                     "agent_name": "triage", "seq": seq, "event_id": f"{run}-{seq}", "timestamp": now(), "payload": payload}
            yield f"id: {seq}\ndata: {json.dumps(event)}\n\n"
            await asyncio.sleep(0)

    return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


app = Starlette(routes=[Route("/session", session), Route("/chat", chat, methods=["POST"])])
uvicorn.run(app, host="127.0.0.1", port=PORT, http="httptools", loop="uvloop", access_log=False, log_level="warning", backlog=4096)
