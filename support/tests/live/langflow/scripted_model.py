"""The model of the flow: the scripted one at LIVE_MODEL_URL. Langflow stores this file with the flow."""

import os
from typing import ClassVar

from langchain_openai import ChatOpenAI
from lfx.custom import Component
from lfx.io import Output


class ScriptedModel(Component):
    """A language model that is silent for three seconds at most."""

    display_name = "Scripted model"
    name = "ScriptedModel"
    outputs: ClassVar = [Output(display_name="Model", name="model", types=["LanguageModel"], method="build_model")]

    def build_model(self) -> ChatOpenAI:
        """The model."""
        url = os.environ["LIVE_MODEL_URL"]
        return ChatOpenAI(model="scripted", base_url=url, api_key="any-key", max_retries=0, timeout=3, streaming=True)
