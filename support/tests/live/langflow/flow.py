"""The flow: a question goes to Langflow's agent, with the scripted model and tools, and its answer comes out."""

from typing import Any

from lfx.components.input_output import ChatInput, ChatOutput
from lfx.components.models_and_agents.agent import AgentComponent
from lfx.graph import Graph
from scripted_model import ScriptedModel
from scripted_tools import ScriptedTools


def flow() -> dict[str, Any]:
    """The flow, as Langflow stores it."""
    # An agent shows what it does only if what it leads to is called so.
    asked, answer = ChatInput(_id="ChatInput-asked"), ChatOutput(_id="ChatOutput-answer")
    model, tools = ScriptedModel(_id="model"), ScriptedTools(_id="tools")
    agent = AgentComponent(_id="Agent-agent").set(
        model=model.build_model, tools=tools.build_tools, input_value=asked.message_response,
        system_prompt="You are a test assistant.",
    )  # fmt: skip
    answer.set(input_value=agent.message_response)
    return dict(Graph(asked, answer).dump(name="live"))
