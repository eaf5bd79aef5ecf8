"""greenlight schema: the JSON schemas of the files of a session."""

import argparse
import json

from support.report.schemas import schemas
from support.settings import Misconfigured
from support.targets.nearness import nearest_first


def schema(options: argparse.Namespace) -> int:
    """Prints one schema, or all of them by the names of their files. Raises Misconfigured for an unknown file."""
    known = schemas()
    if not options.file:
        print(json.dumps(known, indent=2))
        return 0
    if options.file not in known:
        names = ", ".join(nearest_first(options.file, list(known)))
        raise Misconfigured(f"there is no schema of {options.file!r}: expected one of {names}")
    print(json.dumps(known[options.file], indent=2))
    return 0
