"""The measurements of the matrix, stored beside the code for its page."""

import datetime
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from greenlight_gate.assurance.runner import MatrixRow

PATH = Path(__file__).with_name("measured.json")


class Limit(msgspec.Struct, frozen=True):
    """The hardest value of a defect that was detected, and the next one, which was not; None if all were."""

    caught: float
    unseen: float | None = None


class Measured(msgspec.Struct, frozen=True):
    """One run of the whole matrix: when, on how many cores, and seconds from the first step to the verdict by defect.

    `limits` come from another run, and so do the healthy sessions: their number, and those with a false alarm.
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
    """The stored measurements."""
    return msgspec.json.decode(PATH.read_bytes(), type=Measured) if PATH.exists() else Measured()


def keep_rows(rows: Sequence[MatrixRow], seconds: float) -> Measured:
    """Store a run of the whole matrix in place of the earlier one."""
    took_s = {row.defect: round(row.took_s, 1) for row in rows if row.defect and row.status == "passed"}
    sound = sum(row.status == "passed" for row in rows if not row.defect)
    today = datetime.datetime.fromtimestamp(time.time(), datetime.UTC).date().isoformat()
    run = {"date": today, "cores": os.cpu_count() or 0, "seconds": round(seconds), "took_s": took_s, "sound": sound}
    return _write(msgspec.structs.replace(read(), **run))


def keep_limits(limits: Mapping[str, Limit]) -> Measured:
    """Store limits in place of earlier ones of the same defects."""
    before = read()
    return _write(msgspec.structs.replace(before, limits={**before.limits, **limits}))


def keep_false_alarms(sessions: int, alarms: int) -> Measured:
    """Store the number of healthy sessions and of those with a false alarm, in place of the earlier numbers."""
    return _write(msgspec.structs.replace(read(), healthy_sessions=sessions, false_alarms=alarms))


def _write(measured: Measured) -> Measured:
    PATH.write_bytes(msgspec.json.format(msgspec.json.encode(measured, order="sorted"), indent=1) + b"\n")
    return measured
