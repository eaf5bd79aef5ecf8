"""OpenAI's Responses, streamed and whole."""

from typing import Any

from greenlight_gate.model.playing import Arguments, CallTool, Finish, Piece, Say, Think
from greenlight_gate.model.reply import Body, ModelReply, WireFormat, sse

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_PREFIXES = {"reasoning": "rs", "message": "msg", "function_call": "fc"}


class Responses(WireFormat):
    """A reply as events from `response.created` to `response.completed` or `.incomplete`, or as one `response`.

    `items`: the output so far, one item for the reasoning, one for what was said, one for each call.
    """

    def __init__(self, reply: ModelReply) -> None:
        super().__init__(reply)
        self.items: list[Body] = []
        self._number = -1
        self._open = ""

    def first(self) -> bytes:
        """response.created and response.in_progress."""
        began = self._response("in_progress")
        return self._event("response.created", response=began) + self._event("response.in_progress", response=began)

    def piece(self, piece: Piece) -> bytes:
        """One delta of an item, which is added and done as needed."""
        if isinstance(piece, Think):
            return self._item("reasoning") + self._text(
                piece.text, "summary", "response.reasoning_summary_text.delta", summary_index=0
            )
        if isinstance(piece, Say):
            return self._item("message") + self._text(
                piece.text, "content", "response.output_text.delta", content_index=0, logprobs=[]
            )
        if isinstance(piece, CallTool):
            return self._done() + self._item("function_call")
        if isinstance(piece, Arguments):
            item = self.items[-1]
            item["arguments"] += piece.text
            return self._at("response.function_call_arguments.delta", delta=piece.text)
        if isinstance(piece, Finish):
            status = "incomplete" if piece.reason in _INCOMPLETE else "completed"
            return self._done() + self._event(f"response.{status}", response=self._response(status))
        return b""

    def broken(self) -> bytes:
        """Half an event."""
        return self._item("message") + b'event: response.output_text.delta\ndata: {"type": "resp\n\n'

    def whole(self) -> Body:
        """One response."""
        reply = self.reply
        if reply.thought:
            self._item("reasoning")
            self.items[-1]["summary"][0]["text"] = reply.thought
            self._done()
        if reply.said:
            self._item("message")
            self.items[-1]["content"][0]["text"] = reply.said
            self._done()
        calls, reply.calls = reply.calls, []
        for call in calls:
            reply.calls.append(call)
            self._item("function_call")
            self.items[-1]["arguments"] = call.arguments
            self._done()
        return self._response("incomplete" if reply.reason in _INCOMPLETE else "completed")

    def _text(self, text: str, parts: str, event: str, **more: Any) -> bytes:
        self.items[-1][parts][0]["text"] += text
        return self._at(event, delta=text, **more)

    def _item(self, kind: str) -> bytes:
        """Begins an item, unless the latest is of this kind and open."""
        if self._open == kind:
            return b""
        ended = self._done()
        self._open = kind
        item: Body = {
            "id": f"{_PREFIXES[kind]}_{self.reply.id}{len(self.items)}",
            "type": kind,
            "status": "in_progress",
        }
        added: Body
        shown: Body
        place: Body = {}
        begun = ""
        if kind == "reasoning":
            part: Body = {"type": "summary_text", "text": ""}
            added, shown = {"summary": [part]}, {"summary": []}
            begun, place = "response.reasoning_summary_part.added", {"summary_index": 0, "part": dict(part)}
        elif kind == "message":
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            added, shown = {"role": "assistant", "content": [part]}, {"role": "assistant", "content": []}
            begun, place = "response.content_part.added", {"content_index": 0, "part": dict(part)}
        else:
            call = self.reply.calls[-1]
            added = shown = {"call_id": call.id, "name": call.name, "arguments": ""}
        self.items.append({**item, **added})
        seen = self._event("response.output_item.added", output_index=len(self.items) - 1, item={**item, **shown})
        return ended + seen + (self._at(begun, **place) if begun else b"")

    def _done(self) -> bytes:
        """Ends the open item, if there is one."""
        if not self._open:
            return b""
        kind, self._open, item = self._open, "", self.items[-1]
        item["status"] = "incomplete" if self.reply.reason in _INCOMPLETE else "completed"
        if kind == "reasoning":
            part = item["summary"][0]
            ended = self._at("response.reasoning_summary_text.done", summary_index=0, text=part["text"])
            ended += self._at("response.reasoning_summary_part.done", summary_index=0, part=part)
        elif kind == "message":
            part = item["content"][0]
            ended = self._at("response.output_text.done", content_index=0, text=part["text"], logprobs=[])
            ended += self._at("response.content_part.done", content_index=0, part=part)
        else:
            ended = self._at("response.function_call_arguments.done", arguments=item["arguments"], name=item["name"])
        return ended + self._event("response.output_item.done", output_index=len(self.items) - 1, item=item)

    def _at(self, event: str, **values: Any) -> bytes:
        return self._event(event, item_id=self.items[-1]["id"], output_index=len(self.items) - 1, **values)

    def _event(self, kind: str, **values: Any) -> bytes:
        self._number += 1
        return sse({"type": kind, "sequence_number": self._number, **values}, kind)

    def _response(self, status: str) -> Body:
        reply = self.reply
        sent, said = reply.input_tokens, reply.output_tokens
        usage = {
            "input_tokens": sent, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": said,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": sent + said,
        }  # fmt: skip
        reason = _INCOMPLETE.get(reply.reason)
        return {
            "id": f"resp_{reply.id}", "object": "response", "created_at": int(reply.created_epoch_s), "status": status,
            "error": None, "incomplete_details": {"reason": reason} if reason and status == "incomplete" else None,
            "instructions": None, "metadata": {}, "model": reply.model, "output": list(self.items),
            "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
            "usage": None if status == "in_progress" else usage,
        }  # fmt: skip
