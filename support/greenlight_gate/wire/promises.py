"""The text of a profile that promises more."""

import re
from collections.abc import Sequence

_SECTION = re.compile(r"^\[promises\][ \t]*(?:#.*)?$", re.MULTILINE)


def promising(toml: str, names: Sequence[str]) -> str:
    """The text with these names of [promises] set to true, whatever it says of them."""
    for name in names:
        toml = re.sub(rf"^{name}[ \t]*=.*$", "", toml, flags=re.MULTILINE)
    lines = "".join(f"\n{name} = true" for name in names)
    found = _SECTION.search(toml)
    return f"{toml[: found.end()]}{lines}{toml[found.end() :]}" if found else f"{toml.rstrip()}\n\n[promises]{lines}\n"
