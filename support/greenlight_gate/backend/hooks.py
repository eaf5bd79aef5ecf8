"""The hook points at which a defect may change what the backend does.

Each method of `Chain` is one hook point, and its docstring says when it is called and with which arguments.
A healthy backend has a chain without functions: each call returns its argument unchanged.

The hub, connection or run of a hook is typed as `object` here, since it is only passed on: the functions of
`defects/`, which receive it, name its class.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from greenlight_gate.backend.bus import Subscriber
from greenlight_gate.backend.frames import Body, CloseFrame, Frame, Outgoing, Refusal
from greenlight_gate.backend.tokens import Attempt, Identity
from greenlight_gate.backend.tools.tool import Call, ToolResult

_T = TypeVar("_T")
HOOKS = frozenset({
    "accepted", "access", "acting", "answer", "approval", "begin", "body", "cancel", "choice", "closing",
    "credentials", "delivery", "draft", "ended", "expiry", "frame", "greeting", "handshake", "head", "incoming",
    "leave", "metrics", "model_call", "outcome", "outlive", "ping", "prompt", "refusal", "repeated", "replay", "route",
    "subprotocol", "taken", "tool", "unfinished", "wait",
})  # fmt: skip


class Chain:
    """The functions of all active defects, by hook point, in the order in which they were requested.

    `requests` are the `NAME` or `NAME=VALUE` texts that it was built from.
    """

    def __init__(
        self, hooks: Mapping[str, Sequence[Callable[..., Any]]] | None = None, requests: tuple[str, ...] = ()
    ) -> None:
        hooks = hooks or {}
        self._at = {name: tuple(hooks.get(name, ())) for name in HOOKS}
        self.requests = requests

    def become(self, other: "Chain") -> None:
        """Replace the active defects by those of another chain, for everything that holds this one."""
        self._at, self.requests = other._at, other.requests  # noqa: SLF001 - of the same kind

    async def handshake(self, hub: object, attempt: Attempt) -> int | None:
        """Before an upgrade is answered; may wait. `async (hub, attempt) -> status`: refuse with it, or None."""
        for hook in self._at["handshake"]:
            status: int | None = await hook(hub, attempt)
            if status is not None:
                return status
        return None

    def credentials(self, hub: object, attempt: Attempt, identity: Identity | None) -> Identity | None:
        """When a token was judged. `(hub, attempt, identity or None) -> identity or None`; None refuses."""
        return _through(self._at["credentials"], identity, hub, attempt)

    def subprotocol(self, chosen: str | None) -> str | None:
        """When an upgrade is accepted. `(chosen) -> chosen`: one of the offered subprotocols, or None."""
        return _through(self._at["subprotocol"], chosen)

    def expiry(self, connection: object, expires_at: float | None) -> float | None:
        """When a connection opens. `(connection, epoch seconds) -> epoch seconds`, None for never."""
        return _through(self._at["expiry"], expires_at, connection)

    def outlive(self, connection: object, may: bool) -> bool:
        """When the token expires during a run. `(connection, may) -> may`: whether the run may finish."""
        return _through(self._at["outlive"], may, connection)

    def greeting(self, connection: object, message: Body) -> Body:
        """For connection_established, before it is sent. `(connection, message) -> message`."""
        return _through(self._at["greeting"], message, connection)

    async def accepted(self, connection: object) -> None:
        """Right after connection_established; may wait, send and close. `async (connection) -> None`."""
        await _each(self._at["accepted"], connection)

    def incoming(self, connection: object, message: Body) -> Body | None:
        """For each well-formed message of a client. `(connection, message) -> message`, None ignores it."""
        kept: Body | None = message
        for hook in self._at["incoming"]:
            if kept is None:
                return None
            kept = hook(connection, kept)
        return kept

    def repeated(self, connection: object, message: Body) -> bool:
        """When a request comes whose id has an open run. `(connection, message) -> bool`: whether it is ignored."""
        return all(hook(connection, message) for hook in self._at["repeated"])

    def refusal(self, connection: object, refusal: Refusal) -> Refusal | None:
        """Before an error is sent. `(connection, refusal) -> refusal`, None keeps silent and open."""
        kept: Refusal | None = refusal
        for hook in self._at["refusal"]:
            if kept is None:
                return None
            kept = hook(connection, kept)
        return kept

    def acting(self, connection: object, message: Body, user_id: str) -> str:
        """When a message is about a thread or a run. `(connection, message, user id) -> user id`: who asks for it."""
        return _through(self._at["acting"], user_id, connection, message)

    def access(self, allowed: bool, action: str, user_id: str, owner: str | None) -> bool:
        """When a thread or run is named. `(allowed, "start"|"stop"|"restore", user id, owner) -> allowed`."""
        for hook in self._at["access"]:
            allowed = hook(allowed, action, user_id, owner)
        return allowed

    async def begin(self, run: object) -> None:
        """Before a run's first event; may wait. `async (run) -> None`."""
        await _each(self._at["begin"], run)

    async def wait(self, run: object, event: Outgoing) -> None:
        """After an event has its timestamp and before it is sent; may wait. `async (run, event) -> None`."""
        await _each(self._at["wait"], run, event)

    def draft(self, run: object, event: Outgoing) -> list[Outgoing]:
        """Before an event is numbered and stored. `(run, event) -> events`; what is dropped leaves no gap."""
        return _spread(self._at["draft"], [event], run)

    def route(self, hub: object, event: Outgoing, recipients: list[Subscriber]) -> list[Subscriber]:
        """When an event is distributed. `(hub, event, recipients) -> recipients`."""
        for hook in self._at["route"]:
            recipients = hook(hub, event, recipients)
        return recipients

    def delivery(self, connection: object, event: Outgoing) -> list[Outgoing]:
        """For each connection that gets a live event. `(connection, event) -> events`; numbers are already given."""
        return _spread(self._at["delivery"], [event], connection)

    def frame(self, connection: object, event: Outgoing, frame: Frame) -> list[Frame]:
        """For each frame that carries an event, live or replayed. `(connection, event, frame) -> frames`."""
        frames = [frame]
        for hook in self._at["frame"]:
            frames = [changed for each in frames for changed in hook(connection, event, each)]
        return frames

    async def taken(self, connection: object) -> None:
        """After a message beside a channel, before its POST is answered; may wait. `async (connection) -> None`."""
        await _each(self._at["taken"], connection)

    def head(self, connection: object, head: tuple[int, Mapping[str, str]]) -> tuple[int, Mapping[str, str]]:
        """Before an HTTP request of the chat is answered. `(connection, (status, headers)) -> (status, headers)`."""
        return _through(self._at["head"], head, connection)

    async def body(self, connection: object, data: bytes) -> list[bytes]:
        """For each part of a stream by HTTP, b"" at its end; may wait. `async (connection, data) -> parts`."""
        parts = [data]
        for hook in self._at["body"]:
            parts = [changed for each in parts for changed in await hook(connection, each)]
        return parts

    def replay(self, connection: object, events: list[Outgoing]) -> list[Outgoing]:
        """For the missed events of a restored thread. `(connection, events) -> events`."""
        for hook in self._at["replay"]:
            events = hook(connection, events)
        return events

    def approval(self, run: object, seconds: float) -> float:
        """Before the user is asked. `(run, seconds) -> seconds`: how long to wait for the answer, 0 not to ask."""
        return _through(self._at["approval"], seconds, run)

    def choice(self, run: object, choice: str) -> str:
        """When the user has answered, or the time for it is over. `(run, choice) -> choice`."""
        return _through(self._at["choice"], choice, run)

    async def tool(self, run: object, call: Call) -> None:
        """After tool_executing and before the tool runs; may wait. `async (run, call) -> None`."""
        await _each(self._at["tool"], run, call)

    def outcome(self, run: object, call: Call, outcome: ToolResult) -> ToolResult:
        """When a tool has finished. `(run, call, outcome) -> outcome`."""
        for hook in self._at["outcome"]:
            outcome = hook(run, call, outcome)
        return outcome

    def answer(self, run: object, answer: str) -> str:
        """When the answer is ready. `(run, answer) -> answer`."""
        for hook in self._at["answer"]:
            answer = hook(run, answer)
        return answer

    def prompt(self, run: object, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Before the model is asked. `(run, messages) -> messages`."""
        return _through(self._at["prompt"], messages, run)

    def model_call(self, run: object, call: Awaitable[_T]) -> Awaitable[_T]:
        """When the model is asked. `(run, awaitable) -> awaitable`: of the model's turn."""
        return _through(self._at["model_call"], call, run)

    def unfinished(self, run: object, said: str) -> str:
        """When the model has not finished. `(run, said) -> answer`: "" for none, so that the run fails."""
        answer = ""
        for hook in self._at["unfinished"]:
            answer = hook(run, said)
        return answer

    def cancel(self, run: object) -> bool:
        """When a run is stopped. `(run) -> bool`: whether it is actually stopped."""
        return all(hook(run) for hook in self._at["cancel"])

    def leave(self, connection: object, ends: bool) -> bool:
        """When a client has left. `(connection, ends) -> ends`: whether the runs of its requests end."""
        return _through(self._at["leave"], ends, connection)

    async def ended(self, run: object, journal: object) -> None:
        """After a run's last event; may wait. `async (run, journal) -> None`: the journal could emit more."""
        await _each(self._at["ended"], run, journal)

    def ping(self, connection: object) -> bool:
        """When a WebSocket ping arrives. `(connection) -> bool`: whether it is answered."""
        return all(hook(connection) for hook in self._at["ping"])

    def closing(self, connection: object, close: CloseFrame) -> Frame:
        """Before the backend closes a connection. `(connection, close) -> frame`."""
        frame: Frame = close
        for hook in self._at["closing"]:
            frame = hook(connection, frame)
        return frame

    def metrics(self, hub: object, values: dict[str, float]) -> dict[str, float]:
        """When the metrics are read. `(hub, values) -> values`."""
        for hook in self._at["metrics"]:
            values = hook(hub, values)
        return values


async def _each(hooks: Iterable[Callable[..., Awaitable[None]]], *arguments: object) -> None:
    for hook in hooks:
        await hook(*arguments)


def _spread(hooks: Iterable[Callable[..., list[_T]]], items: list[_T], context: object) -> list[_T]:
    for hook in hooks:
        items = [changed for item in items for changed in hook(context, item)]
    return items


def _through(hooks: Iterable[Callable[..., _T]], value: _T, *context: object) -> _T:
    for hook in hooks:
        value = hook(*context, value)
    return value
