"""OpenAI's Chat Completions, streamed and whole; reasoning is `reasoning_content`, as compatible servers send it."""

from collections.abc import Mapping
from typing import Any

from greenlight_gate.model.playing import Arguments, CallTool, Finish, Piece, Say, Think
from greenlight_gate.model.reply import Body, ModelReply, WireFormat, sse


class ChatCompletions(WireFormat):
    """A reply as chunks of `chat.completion.chunk`, or as one `chat.completion`."""

    def __init__(self, reply: ModelReply, body: Mapping[str, Any]) -> None:
        super().__init__(reply)
        options = body.get("stream_options")
        self._with_usage = isinstance(options, Mapping) and bool(options.get("include_usage"))

    def first(self) -> bytes:
        """The role."""
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, piece: Piece) -> bytes:
        """One delta."""
        index = len(self.reply.calls) - 1
        if isinstance(piece, Think):
            return self._chunk({"reasoning_content": piece.text})
        if isinstance(piece, Say):
            return self._chunk({"content": piece.text})
        if isinstance(piece, CallTool):
            call = self.reply.calls[-1]
            function = {"name": call.name, "arguments": ""}
            return self._chunk(
                {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
            )
        if isinstance(piece, Arguments):
            return self._chunk({"tool_calls": [{"index": index, "function": {"arguments": piece.text}}]})
        if isinstance(piece, Finish):
            usage = sse({**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage()})
            return self._chunk({}, piece.reason) + (usage if self._with_usage else b"") + b"data: [DONE]\n\n"
        return b""

    def broken(self) -> bytes:
        """Half a chunk."""
        return self._chunk({"content": "and"})[:60] + b"\n\n"

    def whole(self) -> Body:
        """One completion."""
        reply = self.reply
        message: Body = {"role": "assistant", "content": reply.said or None, "refusal": None}
        if reply.thought:
            message["reasoning_content"] = reply.thought
        if reply.calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in reply.calls
            ]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.reason}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage()}

    def _chunk(self, delta: Body, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return sse({**self._head("chat.completion.chunk"), "choices": [choice]})

    def _head(self, kind: str) -> Body:
        reply = self.reply
        return {
            "id": f"chatcmpl-{reply.id}",
            "object": kind,
            "created": int(reply.created_epoch_s),
            "model": reply.model,
        }

    def _usage(self) -> Body:
        sent, said = self.reply.input_tokens, self.reply.output_tokens
        return {"prompt_tokens": sent, "completion_tokens": said, "total_tokens": sent + said}
