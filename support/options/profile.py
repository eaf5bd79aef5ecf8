"""greenlight profile check and draft: its options."""

from pathlib import Path
from typing import Any

from support.options.common import Parser, command_of


def add(commands: Any) -> None:
    """Adds the command."""
    profile = commands.add_parser(
        "profile", help="check a profile on recorded frames, or draft one from them", allow_abbrev=False,
        description="check a profile on recorded frames, or draft one from them",
    )  # fmt: skip
    actions = profile.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    check = command_of(
        actions, "check", "read a profile, and recorded frames with it: events, unmapped frames, findings",
        "greenlight profile check mine.toml capture.jsonl",
    )  # fmt: skip
    check.add_argument(
        "file",
        metavar="FILE.toml|NAME",
        help="a profile file, or the name of one that ships (example: greenlight profile check agno)",
    )
    check.add_argument(
        "capture", nargs="?", type=Path, metavar="CAPTURE.jsonl",
        help="recorded frames, as `greenlight doctor --record` keeps them "
        "(default: none; example: greenlight profile check mine.toml capture.jsonl)",
    )  # fmt: skip
    draft = command_of(
        actions, "draft", "propose a profile from recorded frames, for a person to finish",
        "greenlight profile draft capture.jsonl > mine.toml",
    )  # fmt: skip
    draft.add_argument(
        "capture",
        type=Path,
        metavar="CAPTURE.jsonl",
        help="recorded frames (example: greenlight profile draft capture.jsonl)",
    )
