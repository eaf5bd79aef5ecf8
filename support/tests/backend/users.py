"""A small client of the tests' own: it shows frames as they are and waits with deadlines only."""

import base64
import json
import math
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

import jwt
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

SECRET = "a-secret-for-tests-that-is-long-enough"
USERS = "ada:ada-pass,bashir:bashir-pass"
ENVIRONMENT = {"CHAT_JWT_SECRET": SECRET, "CHAT_USERS": USERS, "CHAT_PACE_MS": "1", "CHAT_SLOW_TOOL_MS": "300"}
DEADLINE_S = 30.0
ENDS = {"agent_completed", "agent_failed", "agent_stopped"}

Event = dict[str, Any]


def token_of(user: str, *, lifetime_s: float = 600, secret: str = SECRET, **claims: Any) -> str:
    now = time.time()
    body = {"sub": user, "aud": "chat", "iat": int(now), "exp": int(now + lifetime_s), "jti": uuid.uuid4().hex}
    return jwt.encode({**body, **claims}, secret, algorithm="HS256")


class User:
    """One tab of one user. `greeting` is the first message of the server."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.greeting = self.read()

    def send(self, message: object) -> None:
        self.socket.send(json.dumps(message))

    def read(self) -> Event:
        message: Event = json.loads(self.socket.recv(timeout=DEADLINE_S))
        return message

    def ask(
        self, question: str, *, thread_id: str | None = None, request_id: object = "r-1", replaces: str | None = None
    ) -> None:
        payload = {"user_request": question, "thread_id": thread_id, "replaces_run_id": replaces}
        self.send({"type": "start_agent", "request_id": request_id, "payload": payload})

    def read_until(self, wanted: Callable[[Event], bool]) -> list[Event]:
        seen = [self.read()]
        while not wanted(seen[-1]):
            seen.append(self.read())
        return seen

    def read_run(self) -> list[Event]:
        return self.read_until(is_end)

    def run(self, question: str, *, thread_id: str | None = None) -> list[Event]:
        self.ask(question, thread_id=thread_id)
        return self.read_run()

    def close_code(self) -> int | None:
        deadline = time.monotonic() + DEADLINE_S
        try:
            while True:
                self.socket.recv(timeout=max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            return None
        except ConnectionClosed:
            return self.socket.close_code

    def raw_frames(self, *, quiet_s: float) -> list[str | bytes]:
        """Everything until nothing came for a while; the end of the connection is shown as `closed: ...`.

        The while counts only if the backend answers a WebSocket ping at its end at once: on a busy machine both of us
        may have had no time to say or hear anything.
        """
        frames: list[str | bytes] = []
        end = time.monotonic() + DEADLINE_S
        try:
            while True:
                try:
                    frames.append(self.socket.recv(timeout=quiet_s))
                except TimeoutError:
                    if not self._answers_within(max(quiet_s / 2, 0.1)) and time.monotonic() < end:
                        continue
                    # What came together with the answer.
                    try:
                        frames.append(self.socket.recv(timeout=0))
                    except TimeoutError:
                        return frames
        except ConnectionClosed as error:
            return [*frames, f"closed: {error}"]

    def _answers_within(self, seconds: float) -> bool:
        began = time.monotonic()
        return self.socket.ping(ack_on_close=True).wait(DEADLINE_S) and time.monotonic() - began <= seconds


@contextmanager
def tab(url: str, user: str = "ada", **options: Any) -> Iterator[User]:
    headers = {"Authorization": f"Bearer {options.pop('token', None) or token_of(user)}"}
    with connect(url, additional_headers=headers, open_timeout=DEADLINE_S, close_timeout=1, **options) as socket:
        yield User(socket)


@contextmanager
def tab_with_an_ending_token(url: str, user: str = "ada", *, least_s: float = 0.3) -> Iterator[tuple[User, int]]:
    """A tab whose token ends in so many seconds or up to one more, and the Unix second in which it ends.

    On a busy machine it may end before anybody is let in with it: then one that lasts for longer is tried.
    """
    with ExitStack() as stack:
        while True:
            ends_at = math.ceil(time.time() + least_s)
            try:
                opened = stack.enter_context(tab(url, token=token_of(user, exp=ends_at)))
                break
            except (InvalidStatus, ConnectionClosed):
                if least_s > DEADLINE_S:
                    raise
                least_s *= 2
        yield opened, ends_at


@contextmanager
def bare_socket(url: str, user: str = "ada") -> Iterator[socket.socket]:
    """A connection after the upgrade, without anybody who would answer pings or closes."""
    parts = urlsplit(url)
    request = (
        f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {token_of(user)}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=DEADLINE_S) as connection:
        connection.sendall(request.encode())
        received = b""
        while b"connection_established" not in received:
            received += connection.recv(4_096)
        yield connection


def read_to_end(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
    return received


def is_end(event: Event) -> bool:
    return event["type"] in ENDS and "parent_run_id" not in event


def kinds(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def eventually(condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> bool:
    """Ask again and again until it is so, or the time is over."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
