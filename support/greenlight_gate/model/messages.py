"""Anthropic's Messages, streamed and whole."""

import contextlib
import json
from typing import Any

from greenlight_gate.model.playing import Arguments, CallTool, Finish, Piece, Say, Think
from greenlight_gate.model.reply import Body, WireFormat, sse

_REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}
_ERRORS = {400: "invalid_request_error", 404: "not_found_error", 429: "rate_limit_error"}
_SIGNATURE = "c2lnbmVk"


class Messages(WireFormat):
    """A reply as events from `message_start` to `message_stop`, or as one `message`."""

    _index = -1
    _open = ""

    def first(self) -> bytes:
        """message_start."""
        message = {**self._head(), "content": [], "stop_reason": None, "usage": self._usage(0)}
        return _event({"type": "message_start", "message": message}) + _event({"type": "ping"})

    def piece(self, piece: Piece) -> bytes:
        """One delta of a content block, which is begun and ended as needed."""
        if isinstance(piece, Think):
            delta = {"type": "thinking_delta", "thinking": piece.text}
            return self._block("thinking", {"type": "thinking", "thinking": "", "signature": ""}) + self._delta(delta)
        if isinstance(piece, Say):
            delta = {"type": "text_delta", "text": piece.text}
            return self._block("text", {"type": "text", "text": ""}) + self._delta(delta)
        if isinstance(piece, CallTool):
            call = self.reply.calls[-1]
            return self._ended() + self._block(
                "tool", {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
            )
        if isinstance(piece, Arguments):
            return self._delta({"type": "input_json_delta", "partial_json": piece.text})
        if isinstance(piece, Finish):
            ended: Body = {"stop_reason": _REASONS[piece.reason], "stop_sequence": None}
            usage = {"output_tokens": self.reply.output_tokens}
            end = _event({"type": "message_delta", "delta": ended, "usage": usage})
            return self._ended() + end + _event({"type": "message_stop"})
        return b""

    def broken(self) -> bytes:
        """Half an event."""
        return (
            self._block("text", {"type": "text", "text": ""}) + b'event: content_block_delta\ndata: {"type": "con\n\n'
        )

    def whole(self) -> Body:
        """One message."""
        reply = self.reply
        content: list[Body] = []
        if reply.thought:
            content.append({"type": "thinking", "thinking": reply.thought, "signature": _SIGNATURE})
        if reply.said:
            content.append({"type": "text", "text": reply.said})
        content += [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": _parsed(call.arguments)}
            for call in reply.calls
        ]
        reason, usage = _REASONS[reply.reason], self._usage(reply.output_tokens)
        return {**self._head(), "content": content, "stop_reason": reason, "usage": usage}

    @staticmethod
    def error(status: int, message: str) -> Body:
        """The body of a refusal: as Anthropic writes it."""
        return {"type": "error", "error": {"type": _ERRORS.get(status, "api_error"), "message": message}}

    def _head(self) -> Body:
        reply = self.reply
        head: Body = {
            "id": f"msg_{reply.id}", "type": "message", "role": "assistant", "model": reply.model, "stop_sequence": None
        }  # fmt: skip
        return head

    def _usage(self, said: int) -> Body:
        return {"input_tokens": self.reply.input_tokens, "output_tokens": said}

    def _block(self, kind: str, block: Body) -> bytes:
        if kind == self._open:
            return b""
        ended = self._ended()
        self._index, self._open = self._index + 1, kind
        return ended + _event({"type": "content_block_start", "index": self._index, "content_block": block})

    def _ended(self) -> bytes:
        if not self._open:
            return b""
        signed = self._delta({"type": "signature_delta", "signature": _SIGNATURE}) if self._open == "thinking" else b""
        self._open = ""
        return signed + _event({"type": "content_block_stop", "index": self._index})

    def _delta(self, delta: Body) -> bytes:
        return _event({"type": "content_block_delta", "index": self._index, "delta": delta})


def _event(data: Body) -> bytes:
    return sse(data, str(data["type"]))


def _parsed(arguments: str) -> Any:
    # The wire has no place for arguments that are cut off.
    with contextlib.suppress(ValueError):
        return json.loads(arguments)
    return {}
