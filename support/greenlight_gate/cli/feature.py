"""greenlight feature: drafts a feature from a recorded conversation."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from greenlight_gate.bdd.feature_draft import Turn, drafted_feature, recorded_turns
from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import Parser, command_of
from greenlight_gate.cli.recordings import PATIENT, lines_of, redaction
from greenlight_gate.events import Unmapped, each
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.targets.settings import Misconfigured, profile_text, profiles
from greenlight_gate.trace import Received
from greenlight_gate.wire.capture import CaptureError, read_capture
from greenlight_gate.wire.credentials import Credentials
from greenlight_gate.wire.drafting import draft
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import ProfileError

_DRAFTED = "a profile drafted from the capture"
# As many lines say which profile reads a capture.
_SAMPLE = 2_000


def add(commands: Any) -> None:
    """Adds the command."""
    feature = commands.add_parser(
        "feature", help=SUMMARIES["feature"], description=SUMMARIES["feature"], allow_abbrev=False,
    )  # fmt: skip
    actions = feature.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    drafted = command_of(
        actions, "draft", "print a feature whose scenarios ask what was recorded, in the steps that exist",
        "greenlight feature draft capture.jsonl > recorded.feature",
    )  # fmt: skip
    drafted.add_argument(
        "capture", type=Path, metavar="CAPTURE.jsonl",
        help="recorded frames, of `greenlight profile capture` or `greenlight doctor --record` "
        "(example: greenlight feature draft capture.jsonl)",
    )  # fmt: skip
    drafted.add_argument(
        "--profile", metavar="FILE.toml|NAME",
        help="the profile that reads the frames (default: of those that are included and one drafted from the capture, "
        "the one that reads most; example: --profile mine.toml)",
    )  # fmt: skip


def feature(options: argparse.Namespace) -> int:
    """Prints the feature; returns 0. Raises Misconfigured for an unusable file."""
    try:
        lines = _without_credentials(lines_of(options.capture))
        name = options.profile or _best(lines)
        text = draft(lines) if name == _DRAFTED else profile_text(name, Path())[1]
        turns, unmapped = _read(Profile.from_toml(text), lines)
        sys.stdout.write(drafted_feature(turns, options.capture.name, options.profile or "FILE.toml"))
    except CaptureError as error:
        raise Misconfigured(f"{options.capture}: {error}") from error
    except ProfileError as error:
        raise Misconfigured(f"{options.profile or _DRAFTED}: {error}; give --profile FILE.toml") from error
    sys.stderr.write(
        f"greenlight: read with {name}, {unmapped} frames unmapped. Next: put the comments at its end into the "
        "target file, then greenlight run --environment mine.toml\n"
    )
    return 0


def _best(lines: list[bytes]) -> str:
    """The profile that reads most of the capture: the one with the most whole answers."""
    sample = lines[:_SAMPLE]
    ranked = {name: rank for name in (*profiles(), _DRAFTED) if (rank := _rank(name, sample)) is not None}
    return max(ranked, key=lambda name: ranked[name], default=_DRAFTED)


def _rank(name: str, lines: list[bytes]) -> tuple[int, int, bool, int] | None:
    try:
        profile = Profile.from_toml(draft(lines) if name == _DRAFTED else profile_text(name, Path())[1])
    except (ProfileError, CaptureError):
        return None  # a draft that is not complete yet, or a profile whose extra is not installed
    turns, unmapped = _read(profile, lines)
    return len(turns), -unmapped, name != _DRAFTED, sum(len(turn.events) for turn in turns)


def _read(profile: Profile, lines: list[bytes]) -> tuple[list[Turn], int]:
    """The requests that the profile reads, and how many frames it cannot read."""
    records, epoch_s = read_capture(lines, profile.spec)
    readings = TraceChecker(profile, PATIENT, epoch_s)
    unmapped = sum(
        any(isinstance(part, Unmapped) for part in each(reading))
        for record, reading in zip(records, readings.feed_all(records), strict=True) if isinstance(record, Received)
    )  # fmt: skip
    return recorded_turns(TraceChecker(profile, PATIENT, epoch_s), records), unmapped


def _without_credentials(lines: list[bytes]) -> list[bytes]:
    """The lines with tokens replaced, in case the capture still has some."""
    found = Credentials()
    for text, sent in _texts(lines):
        found.frame(text, sent=sent)
    if not found.found:
        return lines
    named = [found.without_named(text, sent=sent).encode() for text, sent in _texts(lines)]
    return redaction(found.found)(b"\n".join(named)).split(b"\n")


def _texts(lines: list[bytes]) -> Iterator[tuple[str, bool]]:
    for number, line in enumerate(lines, 1):
        try:
            sent = isinstance(entry := json.loads(line or b"{}"), dict) and entry.get("dir", "") == "out"
            yield line.decode(), sent
        except (ValueError, RecursionError) as error:
            raise CaptureError(
                f"line {number}: expected a recorded frame as JSON, got {line[:60]!r}; of a browser's export, make a "
                "capture first: greenlight profile capture FILE.har"
            ) from error
