"""greenlight doctor: its options."""

from pathlib import Path
from typing import Any

from support.options.common import command_of, target


def add(commands: Any) -> None:
    """Adds the command."""
    doctor = command_of(
        commands, "doctor",
        "try a target step by step: DNS, TCP, TLS, health, auth, handshake, one run, each frame as read",
        "greenlight doctor --environment mine.toml",
    )  # fmt: skip
    target(doctor)
    doctor.add_argument(
        "--record", type=Path, metavar="FILE.jsonl", help="keep the frames (example: --record capture.jsonl)"
    )
