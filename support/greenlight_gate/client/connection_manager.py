"""WebSocketConnectionManager: users' connections for scripts, recorded and judged as in scenarios."""

import ssl
import types
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.session import Session
from greenlight_gate.events import Event
from greenlight_gate.findings import Finding
from greenlight_gate.targets.access import Access, ssl_context
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.suggestions import nearest_first
from greenlight_gate.trace import Expect
from greenlight_gate.wire.profile import Profile


class WebSocketConnectionManager:
    """Connects users of a target, sends their requests and yields the events. Use it as `async with`.

    `environ` holds the credentials that the target file names; `trace` is a file for all that is sent and received.
    Raises Misconfigured (at once) for a credential that is missing. `findings` are the rules' objections so far.
    """

    def __init__(self, target: Target, profile: Profile, environ: Mapping[str, str], trace: Path | None = None) -> None:
        self.target = target
        self.profile = profile
        self._access = Access(target, environ)
        self._tls: ssl.SSLContext | None = ssl_context(target)
        self.recorder = Recorder("script", trace, profile, target.budgets, self._access.redact_bytes)
        self._sessions: dict[str, Session] = {}
        self._questions: dict[str, UserRequest] = {}

    async def __aenter__(self) -> "WebSocketConnectionManager":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        await self.close()

    @property
    def findings(self) -> list[Finding]:
        """The findings so far."""
        return self.recorder.findings

    async def connect(self, user: str) -> Session:
        """Opens a connection of one of the target's users. Raises NotConnected, or ValueError for an unknown name."""
        personas = {persona.name: persona for persona in self.target.personas}
        if user not in personas:
            raise ValueError(f"{user!r} is none of the target's users: {', '.join(nearest_first(user, personas))}")
        session = Session(user, personas[user], self.target, profile=self.profile, recorder=self.recorder)
        await session.connect(await self._access.token_for(personas[user]), self._tls)
        self._sessions[user] = session
        return session

    async def send_message(self, user: str, text: str, thread: str | None = None, **expect: Any) -> UserRequest:
        """Sends a request. `thread` continues a conversation; `expect` is what is expected (`trace.Expect`).

        Raises NotConnected if the connection has ended or was never opened.
        """
        if user not in self._sessions:
            raise NotConnected(f"{user} is not connected: call connect({user!r}) first")
        question = await self._sessions[user].ask(text, Expect(**expect), thread)
        self._questions[user] = question
        return question

    async def receive_events(self, user: str) -> AsyncIterator[Event]:
        """The events of the user's latest request as they come, until its run ends or a wait times out."""
        question, session = self._questions[user], self._sessions[user]
        seen: list[Event] = []
        while await session.wait_until(question, lambda: len(question.events) > len(seen)):
            seen.append(question.events[len(seen)])
            yield seen[-1]

    async def close(self) -> None:
        """Closes all connections, and judges what is still open. Raises the suite's own error in judging, if any."""
        for session in self._sessions.values():
            await session.close()
        self.recorder.finish()
        if self.recorder.fault is not None:
            raise self.recorder.fault
