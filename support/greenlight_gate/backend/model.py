"""Asks a language model over OpenAI's Chat Completions, streamed, and takes only what it has finished for an answer."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx2

from greenlight_gate.backend.model_turn import MODEL_TOOLS, ModelFailed, ModelToolCall, ModelTurn, OnThought

_CONNECT_S = 5.0
_MOST_TRIES = 3
_LONGEST_RETRY_S = 5.0
_WHOLE = frozenset({"stop", "tool_calls"})


class HttpModel:
    """A model at `url`, the base of the provider's API (".../v1"). `silence_s`: the longest time between two chunks."""

    def __init__(self, url: str, silence_s: float) -> None:
        timeout = httpx2.Timeout(silence_s, connect=_CONNECT_S)
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=100)
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._client = httpx2.AsyncClient(timeout=timeout, limits=limits, trust_env=False)

    async def close(self) -> None:
        """Close the connections to the model."""
        await self._client.aclose()

    async def ask(self, messages: Sequence[Mapping[str, Any]], on_thought: OnThought) -> ModelTurn:
        """Send a conversation and return the model's turn; each line of its reasoning is passed on as it comes.

        Raises ModelFailed for all that is no whole turn; too many requests are tried again after the time that the
        model names.
        """
        body = {"model": "reference", "stream": True, "messages": messages, "tools": _DECLARED}
        for attempt in range(1, _MOST_TRIES + 1):
            turn = ModelTurn()
            try:
                async with self._client.stream("POST", self._url, json=body) as response:
                    if response.status_code == httpx2.codes.TOO_MANY_REQUESTS and attempt < _MOST_TRIES:
                        wait_s = _retry_after(response)
                    elif response.status_code != httpx2.codes.OK:
                        raise ModelFailed(f"the model answered {response.status_code}")
                    else:
                        await _read(response, turn, on_thought)
                        return turn
            except httpx2.HTTPError as error:
                raise ModelFailed(f"the model broke off: {type(error).__name__}", turn.text) from error
            await asyncio.sleep(wait_s)
        raise AssertionError("unreachable: the last try returns or raises")


async def _read(response: httpx2.Response, turn: ModelTurn, on_thought: OnThought) -> None:
    thought = ""
    async for chunk in _chunks(response, turn):
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            turn.text += delta.get("content") or ""
            for part in delta.get("tool_calls") or ():
                _add(turn, part)
            thought += delta.get("reasoning_content") or ""
            while "\n" in thought:
                line, _, thought = thought.partition("\n")
                await on_thought(line)
            turn.finish = choice.get("finish_reason") or turn.finish
    if thought:
        await on_thought(thought)
    if turn.finish not in _WHOLE:
        raise ModelFailed(f"the model's answer is not whole: {turn.finish or 'it has no end'}", turn.text)
    if not (turn.text or turn.calls):
        raise ModelFailed("the model's answer is empty")


async def _chunks(response: httpx2.Response, turn: ModelTurn) -> AsyncIterator[dict[str, Any]]:
    async for line in response.aiter_lines():
        kind, _, data = line.partition(":")
        if kind != "data" or data.strip() == "[DONE]":
            continue
        try:
            yield json.loads(data)
        except ValueError:
            raise ModelFailed("the model sent a chunk that is no JSON", turn.text) from None


def _add(turn: ModelTurn, part: Mapping[str, Any]) -> None:
    index, function = int(part.get("index", 0)), part.get("function") or {}
    if index >= len(turn.calls):
        turn.calls.append(ModelToolCall(str(part.get("id"))))
    call = turn.calls[min(index, len(turn.calls) - 1)]
    call.tool += function.get("name") or ""
    call.arguments += function.get("arguments") or ""


def _retry_after(response: httpx2.Response) -> float:
    named = response.headers.get("retry-after", "")
    return min(float(named), _LONGEST_RETRY_S) if named.isdigit() else 1.0


def _declared(name: str, parameters: Sequence[str]) -> dict[str, Any]:
    properties = {parameter: {"type": "string"} for parameter in parameters}
    schema = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


_DECLARED = [_declared(name, parameters) for name, parameters in MODEL_TOOLS.items()]
