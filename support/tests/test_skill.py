"""The page for coding agents: its commands exist, and its rehearsal, followed word for word, ends as it says."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from greenlight_gate.cli.command_line import parser
from greenlight_gate.report.json_lines import KINDS

from support.tests.cli.process import ROOT, environ

PAGE = (ROOT / "support/skill/SKILL.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"greenlight (?:init|doctor|run|serve|history|verdict)[^`\n|&>]*")
REHEARSAL = "".join(re.findall(r"^    (.*\n)", PAGE.split("## Rehearse it")[1], re.MULTILINE))


def test_it_is_short_and_has_a_name_and_a_description() -> None:
    _, head, body = PAGE.split("---\n", 2)

    assert len(PAGE.splitlines()) <= 120
    assert set(yaml.safe_load(head)) == {"name", "description"}
    assert body.startswith("\n# ")


def test_its_commands_exist_and_what_it_names_of_a_line_is_there() -> None:
    commands = [each.partition("greenlight ")[2].strip() for each in COMMAND.findall(PAGE)]
    for command in commands:
        if "--help" not in command and "compare" not in command:
            parser().parse_args(shlex.split(command.replace("$port", "8000")))
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE))

    assert len(commands) > 10
    assert set(rows) == set(KINDS)
    for kind, row in rows.items():
        assert set(re.findall(r"`(\w+)`", row)) <= set(KINDS[kind]), kind


@pytest.mark.slow
def test_its_rehearsal_finds_the_defect_and_approves_the_backend_without_it(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert REHEARSAL.count("8000") == 1
    path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        ["bash", "-c", REHEARSAL.replace("8000", str(port))], cwd=tmp_path, env=environ({"PATH": path}), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as shell:  # fmt: skip
        try:
            out, err = shell.communicate(timeout=180)
        finally:
            if shell.returncode is None:
                os.killpg(shell.pid, signal.SIGKILL)

    first, last = [json.loads(line) for line in out.splitlines() if line.startswith('{"kind"')]
    assert "exit code 1" in out, err
    assert (first["kind"], first["rule"], bool(first["excerpt"])) == ("finding", "LIFECYCLE-5", True)
    assert (last["verdict"], last["scope"]) == ("APPROVED", "partial")
    assert (tmp_path / "greenlight.toml").is_file()
