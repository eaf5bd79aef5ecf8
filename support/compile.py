"""Compiles what every event goes through, with mypyc: the same code, faster. Needs a C compiler.

    pip install -e '.[compile]'
    python -m support.compile
    python -m support.compile --remove

Takes about a minute. `greenlight doctor` and the benchmarks say what runs. The first change of a source undoes it: then
the sources run again, until they are compiled again.
"""

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from support.native import FOLDER, SUPPORT, digest

# No module here may define a struct of msgspec: the compiler forgets what a class is declared with (`frozen=True`).
MODULES = (
    *("rules/" + name for name in (
        "beside", "book", "canaries", "canary_words", "checker", "connection", "content", "continuity", "identity",
        "leaks", "ledger", "lifecycle", "pairing", "questions", "refusal", "run_judge", "searching", "state",
        "timeliness", "trace_checker", "undoing", "waiting",
    )),
    *("course/" + name for name in ("broken", "course", "lanes", "strand", "windows")),
    *("load/" + name for name in ("checker", "meters", "tally")),
    "transport/frames",
    *("report/" + name for name in ("recovery", "replay")),
    "histogram",
    "wire/profile",
)  # fmt: skip


def compile_into(folder: Path, work: Path) -> None:
    """Raises ImportError without mypyc or setuptools, SystemExit where a compiler fails, which has said why."""
    from mypyc.build import mypycify  # noqa: PLC0415 -- nothing but this needs it
    from setuptools import setup  # noqa: PLC0415 -- as above

    # Both take modules by their paths from here.
    with contextlib.chdir(SUPPORT.parent):
        paths = [f"{SUPPORT.name}/{name}.py" for name in MODULES]
        extensions = mypycify(paths, opt_level="3", debug_level="0", target_dir=str(work / "c"))
        options = {"build_ext": {"build_lib": str(folder), "build_temp": str(work / "o")}}
        setup(
            name="greenlight-compiled", packages=[], py_modules=[], ext_modules=extensions, options=options,
            script_args=["--quiet", "build_ext"],
        )  # fmt: skip


def main() -> None:
    """Compiles, or removes what was compiled."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    if sys.argv[1:] == ["--remove"]:
        print("removed: the sources run")
        return
    before = digest()
    with tempfile.TemporaryDirectory() as work:
        try:
            compile_into(Path(work) / "lib", Path(work))
        except ImportError as error:
            raise SystemExit(f"{error}: pip install -e '.[compile]'") from error
        if digest() != before:
            raise SystemExit("a source was changed meanwhile: compile again")
        # Under its name it is found, and so it has it only once it is whole.
        shutil.copytree(Path(work) / "lib", FOLDER / "unfinished").rename(FOLDER / before)
    print(f"compiled {len(MODULES)} modules into {FOLDER / before}")


if __name__ == "__main__":
    main()
