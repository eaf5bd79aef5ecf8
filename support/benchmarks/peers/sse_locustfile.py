"""Locust's FastHttpUser against the default wire by HTTP: PORT=9101 locust -f sse_locustfile.py --headless -u 50 -r 50 -t 6s --only-summary.

It reads the stream line by line, and checks run id and sequence of each event.
"""
import base64
import itertools
import json
import os

from locust import FastHttpUser, constant, task

numbers = itertools.count(1)


class ChatUser(FastHttpUser):
    wait_time = constant(0)
    host = f"http://127.0.0.1:{os.environ['PORT']}"

    def on_start(self):
        self.number, self.asked, self.seq = next(numbers), 0, 0
        claims = base64.urlsafe_b64encode(json.dumps({"sub": f"locust-{os.getpid()}-{self.number}"}).encode()).decode().rstrip("=")
        self.headers = {"Authorization": f"Bearer eyJhbGciOiJIUzI1NiJ9.{claims}.c2lnbmF0dXJl", "Content-Type": "application/json",
                        "Accept": "text/event-stream"}

    @task
    def ask(self):
        self.asked += 1
        request, run, bad = f"{self.number}-{self.asked}", None, None
        body = json.dumps({"type": "start_agent", "request_id": request, "payload": {"user_request": "hi", "thread_id": None}})
        with self.client.post("/chat", data=body, headers=self.headers, stream=True, catch_response=True) as response:
            while line := response.stream.readline(b"\n"):
                if not line.startswith(b"data: "):
                    continue
                event = json.loads(line[6:])
                self.seq += 1
                run = run or event["run_id"]
                if event["run_id"] != run or event["seq"] != self.seq or event["request_id"] != request:
                    bad = "wrong run or sequence"
            if bad is None:
                response.success()
            else:
                response.failure(bad)
