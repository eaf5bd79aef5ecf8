"""The step `Judge` of the action: runs `greenlight run`, and tells the pipeline the verdict.

Reads TARGET, ARGUMENTS (words of a shell) and OUTPUT_DIR; appends the outputs to the file GITHUB_OUTPUT and prints
annotations. `greenlight run` itself writes the summary of the job. Ends with 0 for any verdict: a later step decides.
"""

import json
import os
import secrets
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

# GitHub shows ten annotations of a kind for each step; one is the verdict.
_MOST_CAUSES = 9
_KINDS = {"APPROVED": "notice", "INCONCLUSIVE": "warning"}


def main() -> int:
    """Returns 0; where there is no verdict, what `greenlight` ended with, or 2."""
    command = ["greenlight", "run", "--ci-mode"]
    command += ["--environment", os.environ["TARGET"]] if os.environ["TARGET"] else []
    command += ["--output-dir", os.environ["OUTPUT_DIR"], *shlex.split(os.environ["ARGUMENTS"])]
    # What a target has sent is in the output: none of it is a command of the pipeline.
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", flush=True)
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False)
    print(ran.stdout, flush=True)
    print(f"::{token}::", flush=True)
    said = dict(line.partition("=")[::2] for line in ran.stdout.splitlines())
    if "VALIDATION_RESULT" not in said:
        print(f"::error title=Greenlight::greenlight ended with exit code {ran.returncode} and without a verdict")
        return ran.returncode or 2
    report = said["REPORT"]
    outputs = {
        "verdict": said["VALIDATION_RESULT"], "reason": said["FAILURE_REASON"], "scope": said["SCOPE"],
        "exit-code": str(ran.returncode), "session": str(Path(report).parent) if report else "",
    }  # fmt: skip
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in outputs.items())
    found: dict[str, Any] = json.loads(Path(report).read_bytes()) if report else {"causes": [], "waivers": []}
    waived = any(each["state"] == "applied" for each in found["waivers"])
    for line in annotations(outputs["verdict"], outputs["reason"], found["causes"], waived=waived):
        print(line)
    return 0


def annotations(verdict: str, reason: str, causes: list[dict[str, Any]], *, waived: bool = False) -> list[str]:
    """The annotations of the job: the verdict, then what happened by each rule. `waived`: a waiver covers something."""
    # An approval has no reason; what has happened all the same is waived. A step that failed need have no finding.
    said = reason or ("only waived findings" if causes else "only what is waived" if waived else "no findings")
    lines = [_annotation(_KINDS.get(verdict, "error"), f"Greenlight: {verdict}", said)]
    for cause in causes[:_MOST_CAUSES]:
        kind = "notice" if cause["waived"] == cause["times"] else "error"
        lines.append(_annotation(kind, cause["rule"], cause["what"]))
    return lines


def _annotation(kind: str, title: str, text: str) -> str:
    return f"::{kind} title={_escaped(title).replace(':', '%3A').replace(',', '%2C')}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


if __name__ == "__main__":
    sys.exit(main())
