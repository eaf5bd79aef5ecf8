"""The tools of the flow, which the answers of the scripted model use. Langflow stores this file with the flow."""

import asyncio
import re
import sys
from typing import ClassVar

from langchain_core.tools import BaseTool, StructuredTool
from lfx.custom import Component
from lfx.io import Output

# The file is run anew for each request: what users have noted stays here.
WRITTEN: dict[str, str] = sys.modules[asyncio.__name__].__dict__.setdefault("_notes_of_users", {})


class ScriptedTools(Component):
    """Tools of one user."""

    display_name = "Scripted tools"
    name = "ScriptedTools"
    outputs: ClassVar = [Output(display_name="Tools", name="tools", types=["Tool"], method="build_tools")]

    def build_tools(self) -> list[BaseTool]:
        """The tools of the user who asks."""
        user = str(self.user_id)

        async def calculator(expression: str) -> str:
            """Multiplies the numbers of an expression such as 6*7, in a moment: two at once can be seen so."""
            await asyncio.sleep(0.1)
            a, b = re.findall(r"\d+", expression)
            return str(int(a) * int(b))

        def notes(action: str, text: str = "", topic: str = "") -> str:
            """Adds a note of the user, or searches their notes."""
            if action == "add":
                WRITTEN[user] = text
                return f"Noted: {text}"
            return "lunch is at noon" if topic == "lunch" else WRITTEN.get(user, "there is no such note")

        def weather(place: str) -> str:
            """Reads the weather."""
            raise ConnectionError(f"the station on {place} is unavailable")

        async def research(topic: str) -> str:
            """Looks a topic up, which takes a while."""
            await asyncio.sleep(0.5)
            return (
                f"What is known about {topic} is shown in many books, and none contradicts the others about the moon."
            )

        at_once = [StructuredTool.from_function(each) for each in (notes, weather)]
        return [*at_once, *(StructuredTool.from_function(coroutine=each) for each in (calculator, research))]
