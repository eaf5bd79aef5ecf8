"""Every module here registers broken traces; importing the package registers them all."""

from support.tests.rules.broken import (
    content,
    frames,
    functional,
    identity,
    inputs,
    integration,
    isolation,
    model_calls,
    refusal,
    resilience,
    running,
)
from support.tests.rules.broken.base import BROKEN

__all__ = [
    "BROKEN",
    "content",
    "frames",
    "functional",
    "identity",
    "inputs",
    "integration",
    "isolation",
    "model_calls",
    "refusal",
    "resilience",
    "running",
]
