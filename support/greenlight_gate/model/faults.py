"""The faults of a model, by name: what each does, and whether the answer is finished in spite of it.

The table in `model/README.md` is generated from here (`python -m greenlight_gate.model.faults`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class ModelFault(NamedTuple):
    """What a fault does, in words that follow "the model". `finishes`: the model's answer is whole all the same."""

    does: str
    finishes: bool = False


FAULTS: Mapping[str, ModelFault] = MappingProxyType(
    {
        "cut": ModelFault("breaks the connection off in the middle of its answer"),
        "stall": ModelFault("sends half of its answer, and then nothing more"),
        "endless": ModelFault("goes on with its answer for as long as it is listened to"),
        "rate_limit": ModelFault("answers 429 with Retry-After"),
        "server_error": ModelFault("answers 500"),
        "malformed_chunk": ModelFault("sends a chunk that is no JSON, and ends there"),
        "truncated_arguments": ModelFault("sends only half of a tool's arguments"),
        "length": ModelFault("ends its answer at a limit of tokens"),
        "content_filter": ModelFault("has its answer ended by a content filter"),
        "empty": ModelFault("ends its answer without a word"),
        "wrong_finish": ModelFault("calls a tool with the finish reason of an answer", finishes=True),
        "duplicate_call_ids": ModelFault("gives several tool calls the same id", finishes=True),
        "slow_start": ModelFault("sends its first token late", finishes=True),
    }
)
# An answer that a client cannot take for a whole one, if it reads what the wire says.
UNFINISHED = frozenset(name for name, fault in FAULTS.items() if not fault.finishes)


def as_markdown() -> str:
    """The faults as a Markdown table."""
    rows = [
        f"| `{name}` | {fault.does} | {'whole' if fault.finishes else 'not finished'} |"
        for name, fault in FAULTS.items()
    ]
    return "\n".join(["| fault | the model | its answer |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(as_markdown())
