"""Writes the files of `greenlight init`, all of them or none."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from greenlight_gate import __version__
from greenlight_gate.targets.settings import Misconfigured

# The folder of scenarios of the team's own, and the first one.
FEATURES = "features"
OWN_FEATURE = f"{FEATURES}/own.feature"
GITHUB, GITLAB = ".github/workflows/greenlight.yml", ".gitlab-ci.yml"


def refuse_existing(folder: Path, names: tuple[str, ...], *, force: bool) -> None:
    """Raises Misconfigured for a file that is there already, and for a folder that cannot be written."""
    if not folder.is_dir():
        raise Misconfigured(f"--folder {folder}: expected a folder that exists")
    if not os.access(folder, os.W_OK):
        raise Misconfigured(f"--folder {folder}: expected a folder that can be written")
    there = [name for name in names if (folder / name).exists()]
    if there and not force:
        raise Misconfigured(f"{', '.join(there)}: expected no such file yet; --force replaces it")


def write_all(folder: Path, texts: Mapping[str, str]) -> None:
    """Writes the files by their names in the folder: first beside their places, then all at once.

    Raises Misconfigured. Whatever ends it early, no file is half-written, and none is replaced before all are there.
    """
    beside = {name: folder / f"{name}.{os.getpid()}.new" for name in texts}
    try:
        for name, text in texts.items():
            beside[name].parent.mkdir(parents=True, exist_ok=True)
            beside[name].write_text(text, encoding="utf-8")
        for name in texts:
            beside[name].replace(folder / name)
    except OSError as error:
        raise Misconfigured(f"{error.filename}: cannot be written ({error.strerror})") from error
    finally:
        for path in beside.values():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def own_feature(*, tool: bool) -> str:
    """A first scenario of the team's own; `tool`: its question is one that needs a tool."""
    question = "a question that needs a tool" if tool else "a question that needs no tool"
    promise = "And Ada receives tool_executing with the tool's name before tool_completed\n      " if tool else ""
    return f"""\
# A scenario of your own. `greenlight run` runs it beside those that ship, `greenlight run --categories own` alone. What
# Ada asks is a prompt of greenlight.toml.
Feature: What we promise to our users

  Rule: A question is answered rightly, and everything about it comes before its end

    Example: Ada gets the right answer
      Given Ada is in a conversation
      When Ada asks {question}
      Then Ada receives the right answer
      {promise}And agent_completed is the last event that Ada receives
"""


def github_workflow(secrets: tuple[str, ...]) -> str:
    """A workflow of GitHub Actions that judges the target of the repository."""
    passed = "".join(f"          {name}: ${{{{ secrets.{name} }}}}\n" for name in secrets)
    env = f"        env:                                # secrets of the repository\n{passed}"
    return f"""\
# Judges the backend of greenlight.toml on each pull request, and on demand. The exit code decides: 0 approved,
# 1 blocked, 2 inconclusive, 3 misconfigured. Start the backend before `greenlight run`, unless its url can be reached.
name: greenlight
on:
  pull_request:
  workflow_dispatch:
permissions:
  contents: read
jobs:
  acceptance:
    runs-on: ubuntu-latest
    timeout-minutes: 30
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install greenlight-gate=={__version__}
      - run: greenlight run --ci-mode         # the verdict is shown on the summary page of the job
{env if secrets else ""}\
      - uses: actions/upload-artifact@v4      # verdict.html is the page to read
        if: always()
        with:
          name: greenlight
          path: websocket_validation_reports/
"""


def gitlab_pipeline(secrets: tuple[str, ...]) -> str:
    """A job of GitLab CI that judges the target of the repository."""
    needed = f"\n# It needs the variables {', '.join(secrets)} (Settings, CI/CD, Variables)." if secrets else ""
    return f"""\
# Judges the backend of greenlight.toml. The exit code decides: 0 approved, 1 blocked, 2 inconclusive, 3 misconfigured.
# Start the backend in before_script, or as a service, unless its url can be reached as it is.{needed}
greenlight:
  image: python:3.12
  timeout: 30 minutes
  script:
    - pip install greenlight-gate=={__version__}
    - greenlight run --ci-mode
  artifacts:
    when: always
    paths:
      - websocket_validation_reports/          # verdict.html is the page to read
    reports:
      junit: websocket_validation_reports/validation_session_*/junit.xml
"""
