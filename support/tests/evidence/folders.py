"""An evidence folder as a session leaves it, written by hand."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import greenlight_gate
from greenlight_gate.evidence.session_folder import Evidence
from greenlight_gate.trace import Header, encode_header, encode_record

from support.tests.rules.talk import EPOCH_S, Talk, asked

PROFILE_TOML = (Path(greenlight_gate.__file__).parent / "wire/profiles/agent-events.toml").read_text("utf-8")
KEY = "functional/answers.feature:7"
NAME = "An answer, from question to end"
SESSION: dict[str, Any] = {
    "session_id": "validation_session_1767225600", "started_epoch_s": EPOCH_S, "environment": "by-hand",
    "url": "ws://127.0.0.1:1/ws", "profile_toml": PROFILE_TOML, "budgets": {}, "clock": "same-host",
    "wanted": ["functional"], "tags": "", "absent": {}, "accepted": {}, "thresholds": {},
    "versions": {"greenlight": "0"},
}  # fmt: skip
SELECTED = {"entry": "selected", "key": KEY, "name": NAME, "category": "functional", "feature": "Answers"}
FINISHED = {
    "entry": "finished", "key": KEY, "outcome": "passed", "reason": "", "findings": 0, "trace": "traces/1.jsonl",
    "duration_s": 0.5,
}  # fmt: skip
ENDED = {"entry": "ended", "epoch_s": EPOCH_S + 9, "interrupted": "", "fault": "", "allure": [KEY]}
MEASURED = {"seconds": 9.0, "suite_cpu_s": 1.0, "suite_rss_mb": 70.0}


def whole_answer() -> Talk:
    return asked().answer().close()


def write(
    folder: Path, *ledger: dict[str, Any], talk: Talk | None = None, session: dict[str, Any] | None = None
) -> Path:
    """A whole and healthy session, but for what is given otherwise."""
    evidence = folder / "evidence"
    (evidence / "traces").mkdir(parents=True)
    (evidence / "session.json").write_text(json.dumps({**SESSION, **(session or {})}), encoding="utf-8")
    (evidence / "measurements.json").write_text(json.dumps(MEASURED), encoding="utf-8")
    lines = ledger or (SELECTED, FINISHED, ENDED)
    write_ledger(folder, *lines)
    records = (talk or whole_answer()).records
    (evidence / "traces/1.jsonl").write_bytes(
        encode_header(Header(KEY, EPOCH_S)) + b"".join(encode_record(record) for record in records)
    )
    return sealed(folder) if any(line["entry"] == "ended" for line in lines) else folder


def write_ledger(folder: Path, *lines: dict[str, Any]) -> None:
    """A ledger of these lines, each of which follows the one before."""
    evidence, written = folder / "evidence", b""
    previous = sha256((evidence / "session.json").read_bytes()).hexdigest()
    for line in lines:
        data = json.dumps({**line, "previous": previous}).encode()
        previous = sha256(data).hexdigest()
        written += data + b"\n"
    (evidence / "ledger.jsonl").write_bytes(written)


def sealed(folder: Path) -> Path:
    """The session as if its run had written what now lies in its evidence."""
    Evidence(folder).seal()
    return folder
