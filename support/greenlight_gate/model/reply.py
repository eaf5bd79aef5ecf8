"""What the model has sent so far in one call, and the interface of a wire format."""

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from greenlight_gate.model.playing import Arguments, CallTool, Finish, Piece, Say, Think

Body = dict[str, Any]


@dataclass
class Called:
    """A tool call of the model: its arguments are JSON as far as they were sent."""

    name: str
    id: str
    arguments: str = ""


@dataclass
class ModelReply:
    """One answer of the model, as far as it was sent. `input_tokens` is about what came with the request."""

    model: str
    input_tokens: int
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created_epoch_s: float = field(default_factory=time.time)
    thought: str = ""
    said: str = ""
    calls: list[Called] = field(default_factory=list)
    reason: str = ""

    def take(self, piece: Piece) -> None:
        """Adds one piece."""
        if isinstance(piece, Think):
            self.thought += piece.text
        elif isinstance(piece, Say):
            self.said += piece.text
        elif isinstance(piece, CallTool):
            self.calls.append(Called(piece.name, piece.id or f"call_{uuid.uuid4().hex[:24]}"))
        elif isinstance(piece, Arguments):
            self.calls[-1].arguments += piece.text
        elif isinstance(piece, Finish):
            self.reason = piece.reason

    @property
    def output_tokens(self) -> int:
        """About how many tokens were sent."""
        return tokens(self.thought) + tokens(self.said) + sum(tokens(call.arguments) for call in self.calls)


class WireFormat:
    """How a reply is written. `first` and `piece` are for a stream, `whole` for one body, `error` for a refusal.

    `piece` is called after the reply has taken the piece. `broken`: a chunk that is no JSON.
    """

    def __init__(self, reply: ModelReply) -> None:
        self.reply = reply

    def first(self) -> bytes:
        """What begins a stream."""
        raise NotImplementedError

    def piece(self, piece: Piece) -> bytes:
        """The chunks of one piece, and at its end what ends the stream."""
        raise NotImplementedError

    def broken(self) -> bytes:
        """A chunk that is cut off."""
        raise NotImplementedError

    def whole(self) -> Body:
        """The body of an answer that is not streamed."""
        raise NotImplementedError

    @staticmethod
    def error(status: int, message: str) -> Body:
        """The body of a refusal: as OpenAI writes it."""
        kind = "rate_limit_exceeded" if status == 429 else "invalid_request_error" if status < 500 else "server_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


def tokens(text: str) -> int:
    """About how many tokens a text has."""
    return -(-len(text) // 4)


def sse(data: Body, event: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode(errors="replace")
