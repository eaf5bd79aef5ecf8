"""The ledger of a session that is interrupted."""

import json
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from greenlight_gate.evidence import session_folder
from greenlight_gate.evidence.session_folder import Ended, Evidence, Finished

from support.tests.evidence.folders import ENDED, FINISHED


def test_an_interruption_while_a_line_is_written_breaks_no_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: bytes) -> str:
        raise KeyboardInterrupt

    evidence, finished = Evidence(tmp_path), msgspec.convert(FINISHED, Finished)
    evidence.folder.mkdir()
    (evidence.folder / "session.json").write_text("{}", encoding="utf-8")
    evidence.append(finished)
    with monkeypatch.context() as at_its_end:
        at_its_end.setattr(session_folder, "_digest", interrupted)
        with pytest.raises(KeyboardInterrupt):
            evidence.append(finished)
    evidence.append(msgspec.convert(ENDED, Ended))

    first, second, third = evidence.ledger.read_bytes().splitlines()
    assert json.loads(second)["previous"] == sha256(first).hexdigest()
    assert json.loads(third)["previous"] == sha256(second).hexdigest()
