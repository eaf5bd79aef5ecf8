"""The command line of the assurance: python -m support.assurance."""

import argparse
import sys
from collections.abc import Sequence

from support.assurance import features, shown
from support.assurance.record import PATH, Search
from support.assurance.runner import Matrix
from support.backend.defects import UnknownDefectError, activate
from support.options.common import MISCONFIGURED


def main(argv: Sequence[str] | None = None) -> int:
    """Do what is asked; 0 if every defect is caught and no healthy backend accused, 1 if not, 3 for a mistake."""
    options = _parser().parse_args(argv)
    return int(options.do(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m support.assurance", allow_abbrev=False,
        description="Judge the suite itself: is every seeded defect caught by the rule that it names?",
    )  # fmt: skip
    parser.set_defaults(do=_matrix, defects=[])
    whats = parser.add_subparsers(metavar="WHAT", title="what can be asked (default: the whole matrix)")
    matrix = whats.add_parser("matrix", help="the matrix, of all defects or of some (example: matrix run_id_null)")
    matrix.add_argument("defects", nargs="*", metavar="DEFECT", help="default: all, and the healthy backend")
    matrix.set_defaults(do=_matrix)
    whats.add_parser("features", help="write features/assurance anew").set_defaults(do=_features)
    search = whats.add_parser("record", help="find a defect for each scenario and assertion that has none (long)")
    search.add_argument("--again", action="store_true", help="for all of them, whatever is recorded")
    search.set_defaults(do=_record)
    return parser


def _matrix(options: argparse.Namespace) -> int:
    try:
        for name in options.defects:
            activate([name])
    except UnknownDefectError as error:
        print(f"assurance: {error}", file=sys.stderr)
        return MISCONFIGURED
    with Matrix(options.defects) as matrix:
        rows = matrix.run(lambda row: print(shown.line(row), flush=True))
    print(shown.total(rows, matrix.took_s))
    return 0 if rows and all(row.status in ("passed", "skipped") for row in rows) else 1


def _record(options: argparse.Namespace) -> int:
    search = Search(lambda text: print(text, flush=True), again=options.again)
    record = search.run()
    without = [*(search.known.keys() - record.scenarios.keys()), *(search.assertions.keys() - record.assertions.keys())]
    print(f"{len(record.scenarios)} scenarios and {len(record.assertions)} assertions recorded in {PATH.name}")
    print("\n".join(f"nothing found for {name}" for name in sorted(without)))
    return 0


def _features(options: argparse.Namespace) -> int:
    del options
    print(f"written: {features.write()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
