"""A user's private notes: stored, and searched by words."""

import re

from greenlight_gate.backend.store import Store
from greenlight_gate.backend.tools.tool import ToolResult, ToolTask

_WORD = re.compile(r"\w+")
_SMALL_WORDS = frozenset(
    {"a", "about", "an", "and", "are", "is", "it", "my", "of", "on", "or", "our", "that", "the", "this", "to", "was"}
    | {"were", "what", "your"}
)
_SHOWN = 3


class Notes:
    """Adds a note (`action` "add", `text`), or searches (`action` "search", `topic`; empty for the newest)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, task: ToolTask) -> ToolResult:
        """Run the action in the notes of this user only."""
        if task.parameters["action"] == "add":
            text = task.parameters["text"].rstrip(" .!")
            await self._store.add_note(task.user_id, text)
            return ToolResult(ok=True, text=f"I have put this into your private notes: “{text}”.")
        return ToolResult(ok=True, text=await self._search(task.user_id, task.parameters["topic"]))

    async def _search(self, user_id: str, topic: str) -> str:
        words = [word for word in _WORD.findall(topic) if word.lower() not in _SMALL_WORDS][:10]
        if topic and not words:
            words = _WORD.findall(topic)[:10]
        found = await self._store.find_notes(user_id, words, _SHOWN)
        subject = f" about {topic}" if topic else ""
        if not found:
            return f"Your notes say nothing{subject or ' yet'}."
        return f"Your notes say{subject}: {'; '.join(f'“{text}”' for text in found)}."
