"""`greenlight model` as a process: it says where it serves, and ends when it is asked to."""

import json
import signal
import urllib.request
from pathlib import Path

from support.tests.cli.process import ended, mistaken, said, started, wait_for


def test_it_says_where_it_serves_and_ends_with_0(tmp_path: Path) -> None:
    with started(tmp_path, "model", "--script", "reference", "--port", "0") as process:
        wait_for(lambda: said(tmp_path)[0].endswith("\n"), "the line that says where")
        ready = json.loads(said(tmp_path)[0])
        with urllib.request.urlopen(f"{ready['url']}/models", timeout=30) as response:
            assert json.loads(response.read())["data"][0]["id"] == "scripted"
        process.send_signal(signal.SIGTERM)
        ran = ended(process, tmp_path)

    assert (ran.code, ran.err) == (0, "")
    assert ready["pid"] == process.pid


def test_a_script_with_a_mistake_and_a_port_that_is_taken_are_named(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text("[[answers]]\nask = 'x'\nfault = 'cuts'", encoding="utf-8")
    wrong = mistaken(tmp_path, "model", "--script", "model.toml")
    unusable = mistaken(tmp_path, "model", "--script", "reference", "--host", "256.0.0.1")

    assert (wrong.code, unusable.code) == (3, 3)
    assert "model.toml: answers[0].fault: expected one of cut, stall" in wrong.err
    assert "cannot serve on 256.0.0.1:8790" in unusable.err
