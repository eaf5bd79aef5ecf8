"""The compiled form of what every event goes through, where `python -m support.compile` has made one.

Nothing needs it: the sources are the reference, and without it they run. It lies in a folder that is named by the
digest of the sources; once one of these is changed it is not found any more, so that it never judges in their place.
"""

import sys
from hashlib import sha256
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

SUPPORT = Path(__file__).parent
FOLDER = SUPPORT / "_native"
_SUFFIX = EXTENSION_SUFFIXES[0]
# Whatever the compiler reads of the suite.
_SOURCES = ("*.py", "rules/**/*.py", "course/*.py", "wire/**/*.py", "load/*.py", "report/*.py")


def digest() -> str:
    """Of the sources, and of the interpreter that they would be compiled for."""
    found = sha256(_SUFFIX.encode())
    for pattern in _SOURCES:
        for path in sorted(SUPPORT.glob(pattern)):
            content = path.read_bytes()
            found.update(f"{path.relative_to(SUPPORT).as_posix()} {len(content)} ".encode() + content)
    return found.hexdigest()[:20]


class _Compiled(MetaPathFinder):
    """Finds the modules of one build."""

    def __init__(self, folder: Path) -> None:
        paths = list(folder.rglob(f"*{_SUFFIX}"))
        self.files = {".".join(path.relative_to(folder).parts).removesuffix(_SUFFIX): str(path) for path in paths}

    def find_spec(self, fullname: str, path: object = None, target: Any = None) -> ModuleSpec | None:
        """Where a module is; None for one that was not compiled."""
        if fullname not in self.files:
            return None
        file = self.files[fullname]
        return spec_from_file_location(fullname, file, loader=ExtensionFileLoader(fullname, file))


def find_native() -> None:
    """From now on the modules of the build are imported, if there is one of the sources as they are."""
    if FOLDER.is_dir() and (folder := FOLDER / digest()).is_dir():
        sys.meta_path.insert(0, _Compiled(folder))


def described() -> str:
    """What runs here, in a few words."""
    compiled = next((finder for finder in sys.meta_path if isinstance(finder, _Compiled)), None)
    if compiled is not None:
        return f"compiled ({len(compiled.files) - 1} modules)"
    return "interpreted (what was compiled is of other sources)" if FOLDER.is_dir() else "interpreted"
