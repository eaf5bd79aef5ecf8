"""How much of each capture an untouched draft reads as the finished profile does.

`python -m support.tests.wire.draft_shares [CAPTURE=PROFILE ...]` prints a table: of the captures in this folder, or of
others, each with the name or the file of its finished profile. A frame is read equally if it is the same events, by
kind, or none. `whole`: with the same tool, call and text as well.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

from greenlight_gate.cli.recordings import PATIENT, lines_of, redaction
from greenlight_gate.events import Event, More, Unmapped, each
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import Received, Sent
from greenlight_gate.wire.capture import read_capture
from greenlight_gate.wire.drafting import draft
from greenlight_gate.wire.har import capture_of
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import ProfileError

from support.tests.wire.recorded import CAPTURES, PROFILES

FINISHED = {
    "agno.jsonl": "agno", "autogenstudio.jsonl": "autogenstudio", "autogenstudio-auth.jsonl": "autogenstudio",
    "google-adk.jsonl": "google-adk", "jupyter.jsonl": "jupyter", "jupyter-v1.jsonl": "jupyter",
    "chromium.har": "agent-events", "acp.jsonl": "acp", "langgraph.jsonl": "langgraph", "langflow.jsonl": "langflow",
    "openai-responses.jsonl": "openai-responses", "ai-sdk.jsonl": "ai-sdk", "ai-sdk-7.jsonl": "ai-sdk",
    "ai-sdk-7-error.jsonl": "ai-sdk", "ai-sdk-7-approval.jsonl": "ai-sdk", "ag-ui-sse.jsonl": "ag-ui-sse",
    "ag-ui-sse-approval.jsonl": "ag-ui-sse", "chat-completions.jsonl": "chat-completions",
    "openai-responses-sse.jsonl": "openai-responses-sse", "anthropic-messages.jsonl": "anthropic-messages",
    "langgraph-sse.jsonl": "langgraph-sse",
}  # fmt: skip
# What a profile says of one frame: for each part its kind, and what is in it.
Read = list[tuple[str, tuple[str | None, ...]]]


class Share(NamedTuple):
    """Frames of a capture, how many are read equally, and the requests that the draft and the profile see."""

    frames: int
    same: int
    whole: int
    asked: tuple[int, int]

    @property
    def percent(self) -> float:
        """The share of frames that are the same events."""
        return 100 * self.same / self.frames


def share(lines: list[bytes], finished: Profile) -> Share:
    """How equally the draft of these lines reads them. Raises ProfileError if the draft cannot be used."""
    wanted, questions = _read(finished, lines)
    came, asked = _read(Profile.from_toml(draft(lines)), lines)
    pairs = list(zip(wanted, came, strict=True))
    same = sum([kind for kind, _ in one] == [kind for kind, _ in other] for one, other in pairs)
    return Share(len(pairs), same, sum(one == other for one, other in pairs), (asked, questions))


def _read(profile: Profile, lines: list[bytes]) -> tuple[list[Read], int]:
    records, epoch_s = read_capture(lines, profile.spec)
    checker = TraceChecker(profile, PATIENT, epoch_s)
    found: list[Read] = []
    for record in records:
        reading = checker.feed(record)
        if isinstance(record, Received):
            parts = [part for each_ in each(reading) if (part := _part(each_)) is not None]
            # What a frame holds beside its events says nothing, where a rule lets others read it as well (go_on).
            found.append([part for part in parts if part[0] != "no event"] or parts[:1])
    return found, sum(isinstance(record, Sent) and record.what == "start" for record in records)


def _part(reading: object) -> tuple[str, tuple[str | None, ...]] | None:
    if isinstance(reading, Event):
        inferred = reading.synthesised
        return None if inferred else (str(reading.kind), (reading.tool, reading.call, reading.text))
    if isinstance(reading, More):
        return f"more {reading.event.kind}", ()
    return ("unmapped" if isinstance(reading, Unmapped) else "no event", ())


def lines_and_profile(capture: Path, profile: str) -> tuple[list[bytes], Profile]:
    """The lines of a capture or of a browser's export, and the finished profile for its codecs."""
    text = (PROFILES / f"{profile}.toml" if not profile.endswith(".toml") else Path(profile)).read_text()
    if capture.suffix == ".har":
        return capture_of(capture.read_bytes(), redaction, "").lines, Profile.from_toml(text)
    lines = lines_of(capture)
    if profile == "jupyter" and any(re.search(rb'"kind": ?"binary"', line) for line in lines):
        text = text.replace("[scope]", '[frame]\ncodecs = ["jupyter-v1"]\n\n[scope]')
    return lines, Profile.from_toml(text)


def main(arguments: list[str]) -> None:
    """Prints the table."""
    given = [(Path(path), profile) for path, _, profile in (each_.partition("=") for each_ in arguments)]
    rows = given or [(CAPTURES / name, profile) for name, profile in FINISHED.items()]
    print(f"{'capture':<40} {'frames':>6} {'equal':>8} {'whole':>8}  requests seen")
    for path, profile in rows:
        try:
            found = share(*lines_and_profile(path, profile))
        except ProfileError as error:
            print(f"{path.parent.name + '/' + path.name:<40} the draft cannot be used: {error}")
            continue
        row = (
            f"{found.percent:>6.1f} % {100 * found.whole / found.frames:>6.1f} %  {found.asked[0]} of {found.asked[1]}"
        )
        print(f"{path.parent.name + '/' + path.name:<40} {found.frames:>6} {row}")


if __name__ == "__main__":
    main(sys.argv[1:])
