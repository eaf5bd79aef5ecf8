"""The script of the page: each of its files can be read by a browser's parser, and the page can hold it."""

import shutil
import subprocess
from importlib.resources import files

import pytest
from greenlight_gate.report.html_page import SCRIPTS

from support.tests.needs import no_program

TEMPLATES = files("greenlight_gate.report") / "templates"
NODE = shutil.which("node") or ""


@pytest.mark.skipif(not NODE, reason=no_program("Node.js", "apt-get install nodejs"))
def test_it_is_a_script() -> None:
    whole = "".join((TEMPLATES / name).read_text("utf-8") for name in SCRIPTS)
    for script, code in ((whole, 0), (f"{whole}\n}}", 1)):
        checked = subprocess.run([NODE, "--check", "-"], input=script, text=True, capture_output=True, check=False)
        assert (checked.returncode, bool(checked.stderr)) == (code, bool(code))


def test_the_page_can_hold_it() -> None:
    """Nothing in it ends the element that it stands in, and whatever is shown is set as text."""
    for name in SCRIPTS:
        source = (TEMPLATES / name).read_text("utf-8")
        assert source.startswith("// @ts-check\n"), name
        for unwanted in (
            "</script",
            "<!--",
            "innerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "fetch(",
            "\r",
        ):
            assert unwanted not in source, name
