"""What was measured of the matrix: kept beside the code, for the page that is made of it."""

import datetime
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from greenlight_gate.assurance.runner import MatrixRow

PATH = Path(__file__).with_name("measured.json")


class Limit(msgspec.Struct, frozen=True):
    """The hardest value at which a defect was still caught, and the next one tried, which was not; None: all were."""

    caught: float
    unseen: float | None = None


class Measured(msgspec.Struct, frozen=True):
    """One run of the whole matrix: when, on how many cores, and seconds from the first step to the verdict by defect.

    `limits` are of a run of their own, and so is what came of healthy backends: whole sessions, and those of them that
    accused somebody.
    """

    date: str = ""
    cores: int = 0
    seconds: float = 0.0
    took_s: dict[str, float] = {}
    sound: int = 0
    limits: dict[str, Limit] = {}
    healthy_sessions: int = 0
    false_alarms: int = 0


def read() -> Measured:
    """What is kept."""
    return msgspec.json.decode(PATH.read_bytes(), type=Measured) if PATH.exists() else Measured()


def keep_rows(rows: Sequence[MatrixRow], seconds: float) -> Measured:
    """Keep a run of the whole matrix in place of the one before."""
    took_s = {row.defect: round(row.took_s, 1) for row in rows if row.defect and row.status == "passed"}
    sound = sum(row.status == "passed" for row in rows if not row.defect)
    today = datetime.datetime.fromtimestamp(time.time(), datetime.UTC).date().isoformat()
    run = {"date": today, "cores": os.cpu_count() or 0, "seconds": round(seconds), "took_s": took_s, "sound": sound}
    return _write(msgspec.structs.replace(read(), **run))


def keep_limits(limits: Mapping[str, Limit]) -> Measured:
    """Keep limits in place of earlier ones of the same defects."""
    before = read()
    return _write(msgspec.structs.replace(before, limits={**before.limits, **limits}))


def keep_false_alarms(sessions: int, alarms: int) -> Measured:
    """Keep how many healthy sessions were judged, and how many of them were accused, in place of what was known."""
    return _write(msgspec.structs.replace(read(), healthy_sessions=sessions, false_alarms=alarms))


def _write(measured: Measured) -> Measured:
    PATH.write_bytes(msgspec.json.format(msgspec.json.encode(measured, order="sorted"), indent=1) + b"\n")
    return measured
