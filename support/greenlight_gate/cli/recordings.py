"""Recorded frames from files: what `greenlight profile` and `greenlight feature` read."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.targets.redactor import Redactor
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.wire.har import capture_of

# A recording may contain pauses of any length, and nothing says how far its clock is from that of the backend.
PATIENT = TimeBudgets(start_s=3600, silence_s=3600, tool_s=3600, run_s=86_400, grace_s=60, clock_skew_s=math.inf)
# Read as a whole: more would be a recording of hours, of which nobody drafts anything.
_MOST_BYTES = 512 * 1024**2


def recording(path: Path, what: str) -> bytes:
    """The bytes of a recording. Raises Misconfigured for one that cannot be read or is too large."""
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise Misconfigured(
                f"{path}: expected {what} of at most {_MOST_BYTES // 1024**2} MB, got {size // 1024**2} MB; record one "
                "conversation"
            )
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path}: expected {what}, but {error.strerror or error}") from error


def lines_of(capture: Path) -> list[bytes]:
    """The lines of a capture. Raises Misconfigured."""
    return recording(capture, "recorded frames").splitlines()


def captured(path: Path) -> list[bytes]:
    """The lines of a capture, or of what a browser has exported (.har). Raises Misconfigured, CaptureError."""
    return (
        list(capture_of(recording(path, "a HAR file"), redaction, "").lines)
        if path.suffix == ".har"
        else lines_of(path)
    )


def redaction(found: Mapping[str, str]) -> Callable[[bytes], bytes]:
    """Replaces credentials (value: name), in each form in which they travel, by `[token of NAME]`."""
    redactor = Redactor()
    for value, name in found.items():
        redactor.learn(value, name)
    return redactor.redact_bytes
