"""greenlight completion: each shell that is installed completes with the script what the command accepts."""

import shutil
import subprocess
from pathlib import Path

import pytest
from greenlight_gate.cli.main import main

from support.tests.needs import skip_without_program

ASKED: list[tuple[str, set[str]]] = [
    ("ru", {"run"}),
    ("run --last", {"--last-failed"}),
    ("run --categories func", {"functional"}),
    ("run --categories ow", {"own"}),
    ("load --prompt two", {"two_tools"}),
    ("services sto", {"stop"}),
    ("profile check --pro", set()),
    ("init --workflow git", {"github", "gitlab"}),
    ("load --environment emb", {"embedded", "embedded-channel", "embedded-sse"}),
    ("load --json load.js", {"load.json"}),
]
BASH = """
source ./script; COMP_WORDS=(greenlight {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); _greenlight
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
# zsh completes only on a terminal: what it would offer is filtered here as it does.
ZSH = """
compdef() {{ : }}
compadd() {{ shift; print -rl -- ${{(M)@:#$PREFIX*}} }}
_files() {{ print -rl -- $PREFIX*(N) }}
source ./script; words=(greenlight {words}); CURRENT=$#words; PREFIX=$words[-1]; _greenlight
"""
FISH = """source ./script; complete -C "greenlight {words}" """
SHELLS = {"bash": ["bash", "-c", BASH], "zsh": ["zsh", "-f", "-c", ZSH], "fish": ["fish", "--no-config", "-c", FISH]}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_what_the_command_accepts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    if shell != "bash" and shutil.which(shell) is None:
        skip_without_program("fish" if shell == "fish" else "zsh", "its completion is not tried")
    assert main(["completion", shell]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out, encoding="utf-8")
    (tmp_path / "load.json").touch()
    *start, script = SHELLS[shell]

    said = {
        words: subprocess.run(
            [*start, script.format(words=words)], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
        )
        for words, _ in ASKED
    }  # fmt: skip

    assert {words: ran.stderr for words, ran in said.items() if ran.stderr} == {}
    offered = {
        words: {line.partition("\t")[0] for line in ran.stdout.split("\n") if line} for words, ran in said.items()
    }
    assert offered == dict(ASKED)


def test_another_shell_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["completion", "tcsh"])

    assert (end.value.code, "'bash', 'fish', 'zsh'" in capsys.readouterr().err) == (3, True)
