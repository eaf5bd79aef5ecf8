"""What a backend sent to the model, read from the body of its request in any of the three wire formats."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

# Whose messages are never without a content.
_SPEAKERS = ("user", "system", "developer")
_TEXTS = ("text", "input_text")
_MOST_SHOWN = 100


class Conversation(NamedTuple):
    """A conversation as the model sees it.

    `asked`: the user's last message, `previous` the one before it. `results`: what tools gave back since then, in
    `rounds` turns of the model. `tools`: the names of those that may be called. `instructions`: what the backend has
    written before all messages.
    """

    asked: str
    previous: str
    rounds: int
    results: tuple[str, ...]
    tools: tuple[str, ...]
    instructions: str = ""

    @property
    def role(self) -> str:
        """What the model is asked to be: the same in all calls of one agent, and another one for a title."""
        return hashlib.sha256("\0".join((self.instructions, *self.tools)).encode()).hexdigest()[:8]


class _PastTurn(NamedTuple):
    """One message: what a user said, calls of tools by the model, or a result of a tool."""

    what: str
    text: str = ""


def of_chat(body: Mapping[str, Any]) -> Conversation:
    """Of a request to Chat Completions (`messages`, `tools`)."""
    said: list[_PastTurn] = []
    for message in _tables(body.get("messages")):
        role = message.get("role")
        if role == "user":
            said.append(_PastTurn("user", text_of(message.get("content"))))
        elif role == "tool":
            said.append(_PastTurn("result", text_of(message.get("content"))))
        elif role == "assistant" and message.get("tool_calls"):
            said.append(_PastTurn("calls"))
    tools = (_tables(tool.get("function")) or (tool,) for tool in _tables(body.get("tools")))
    instructions = _instructions_in(_tables(body.get("messages")))
    return _conversation(said, (str(found[0].get("name", "")) for found in tools), instructions)


def of_responses(items: Iterable[Mapping[str, Any]], body: Mapping[str, Any]) -> Conversation:
    """Of a request to Responses. `items`: those of the earlier responses it continues, and its own `input`."""
    said: list[_PastTurn] = []
    items = tuple(items)
    for item in items:
        kind = str(item.get("type") or "message")
        if kind == "message" and item.get("role") == "user":
            said.append(_PastTurn("user", text_of(item.get("content"))))
        elif kind.endswith("_call_output"):
            said.append(_PastTurn("result", text_of(item.get("output"))))
        elif kind.endswith("_call") and not (said and said[-1].what == "calls"):
            # Parallel calls are items of their own.
            said.append(_PastTurn("calls"))
    instructions = f"{text_of(body.get('instructions'))}{_instructions_in(items)}"
    return _conversation(said, (str(tool.get("name", "")) for tool in _tables(body.get("tools"))), instructions)


def input_items(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The items of a request to Responses; a text stands for one message of the user."""
    given = body.get("input")
    return ({"role": "user", "content": given},) if isinstance(given, str) else _tables(given)


def of_messages(body: Mapping[str, Any]) -> Conversation:
    """Of a request to Messages, where results of tools are content of the user's turns."""
    said: list[_PastTurn] = []
    for message in _tables(body.get("messages")):
        content = message.get("content")
        blocks = ({"type": "text", "text": content},) if isinstance(content, str) else _tables(content)
        kinds = [block.get("type") for block in blocks]
        if message.get("role") == "assistant":
            said += [_PastTurn("calls")] if "tool_use" in kinds else []
            continue
        said += [
            _PastTurn("result", text_of(block.get("content"))) for block in blocks if block.get("type") == "tool_result"
        ]
        if "text" in kinds:
            said.append(_PastTurn("user", text_of(blocks)))
    tools = (str(tool.get("name", "")) for tool in _tables(body.get("tools")))
    return _conversation(said, tools, text_of(body.get("system")))


def mistake_in(body: Mapping[str, Any], name: str) -> str:
    """What a provider refuses in the messages under this name (`messages`, or `input` of Responses); "" for nothing."""
    given = body.get(name)
    if name == "input" and (given is None or isinstance(given, str)):
        return ""
    if not isinstance(given, list) or (not given and name == "messages"):
        return f"{name}: expected at least one message, got {_short(given)}"
    for index, message in enumerate(given):
        if not isinstance(message, Mapping):
            return f"{name}[{index}]: expected an object, got {_short(message)}"
        content = message.get("content")
        if message.get("role") in _SPEAKERS and not _is_content(content):
            return f"{name}[{index}].content: expected a text or a list of parts with texts, got {_short(content)}"
    return ""


def _is_content(content: object) -> bool:
    if isinstance(content, str):
        return True
    return isinstance(content, list) and bool(content) and all(_is_part(part) for part in content)


def _is_part(part: object) -> bool:
    if not isinstance(part, Mapping):
        return False
    return part.get("type") not in _TEXTS or isinstance(part.get("text"), str)


def _short(value: object) -> str:
    return json.dumps(value)[:_MOST_SHOWN]


def text_of(content: object) -> str:
    """The text of a content: a text itself, or the texts of its parts, one a line."""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in _tables(content) if isinstance(part.get("text"), str))


def _instructions_in(messages: Iterable[Mapping[str, Any]]) -> str:
    return "\n".join(text_of(each.get("content")) for each in messages if each.get("role") in ("system", "developer"))


def _conversation(said: list[_PastTurn], tools: Iterator[str], instructions: str) -> Conversation:
    users = [index for index, each in enumerate(said) if each.what == "user"]
    since = said[users[-1] + 1 :] if users else said
    return Conversation(
        asked=said[users[-1]].text if users else "",
        previous=said[users[-2]].text if len(users) > 1 else "",
        rounds=sum(each.what == "calls" for each in since),
        results=tuple(each.text for each in since if each.what == "result"),
        tools=tuple(tools),
        instructions=instructions,
    )


def _tables(value: object) -> tuple[Mapping[str, Any], ...]:
    """The tables of a list, or the one that there is."""
    if isinstance(value, Mapping):
        return (value,)
    return tuple(each for each in value if isinstance(each, Mapping)) if isinstance(value, list | tuple) else ()
