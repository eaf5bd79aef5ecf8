"""The command line of the assurance: python -m greenlight_gate.assurance."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from greenlight_gate.assurance import features, measured, page, shown
from greenlight_gate.assurance.bench import Bench
from greenlight_gate.assurance.detection_limits import HARDER, limit_of
from greenlight_gate.assurance.record import PATH, ProofSearch, try_again
from greenlight_gate.assurance.runner import Matrix, stack_folder
from greenlight_gate.assurance.step_mutation import Mutant, mutants
from greenlight_gate.backend.defects import UnknownDefectError, activate
from greenlight_gate.cli.options import INTERRUPTED, MISCONFIGURED


def main(argv: Sequence[str] | None = None) -> int:
    """Run an action; 0 if every defect is detected without a false alarm, 1 if not, 3 for a mistake of the user."""
    options = _parser().parse_args(argv)
    # Both end all started processes; a shell starts what is to run in the background with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    try:
        return int(options.do(options))
    except KeyboardInterrupt:
        print("assurance: interrupted", file=sys.stderr)
        return INTERRUPTED


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m greenlight_gate.assurance", allow_abbrev=False,
        description="Test the suite itself: does the right rule detect every seeded defect?",
    )  # fmt: skip
    parser.set_defaults(do=_matrix, defects=[])
    whats = parser.add_subparsers(metavar="WHAT", title="actions (default: the whole matrix)")
    matrix = whats.add_parser("matrix", help="run the matrix, for all defects or some (example: matrix run_id_null)")
    matrix.add_argument("defects", nargs="*", metavar="DEFECT", help="default: all, and the healthy backend")
    matrix.set_defaults(do=_matrix)
    whats.add_parser("features", help="write features/assurance again").set_defaults(do=_features)
    whats.add_parser("measure", help="run the matrix, and write its page").set_defaults(do=_measure)
    limits = whats.add_parser(
        "limits", help="find the smallest value of each defect that is detected (example: limits slow_start)"
    )
    limits.add_argument("defects", nargs="*", metavar="DEFECT", help="default: all that have a value")
    limits.set_defaults(do=_limits)
    again = whats.add_parser("page", help="write the page and the README's sentence from the stored measurements")
    again.add_argument(
        "--healthy", nargs=2, type=int, metavar=("SESSIONS", "ALARMS"),
        help="number of healthy sessions, and of those with a false alarm (example: page --healthy 200 0)",
    )  # fmt: skip
    again.set_defaults(do=_page)
    whats.add_parser("scenarios", help="run each scenario with the defect that is recorded for it").set_defaults(
        do=_scenarios
    )
    whats.add_parser("steps", help="remove each assertion of the steps in turn (takes long)").set_defaults(do=_steps)
    search = whats.add_parser("record", help="find a defect for each scenario and assertion that has none (takes long)")
    search.add_argument("scenarios", nargs="*", metavar="BEGINNING", help="only in these (example: record stress/)")
    search.add_argument(
        "--again", action="store_true", help="also those that are recorded, or were searched for in vain"
    )
    search.add_argument(
        "--minutes", type=float, default=60.0, metavar="N", help="end after so long, with what was found (default: 60)"
    )
    search.add_argument("--to", type=Path, default=PATH, metavar="FILE", help="the record (default: the suite's own)")
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


def _measure(options: argparse.Namespace) -> int:
    del options
    with Matrix() as matrix:
        rows = matrix.run(lambda row: print(shown.line(row), flush=True))
    measured.keep_rows(rows, matrix.took_s)
    print(shown.total(rows, matrix.took_s))
    print(f"written: {page.write()}")
    return 0 if rows and all(row.status == "passed" for row in rows) else 1


def _limits(options: argparse.Namespace) -> int:
    names = options.defects or list(HARDER)
    unknown = [name for name in names if name not in HARDER]
    if unknown:
        print(f"assurance: {unknown[0]} has no value; these have one: {', '.join(HARDER)}", file=sys.stderr)
        return MISCONFIGURED
    lost = 0
    with Bench() as bench:
        for name in names:
            limit = limit_of(name, bench, lambda text: print(text, flush=True))
            lost += limit is None
            measured.keep_limits({name: limit} if limit is not None else {})
    print(f"written: {page.write()}")
    return 1 if lost else 0


def _page(options: argparse.Namespace) -> int:
    if options.healthy:
        measured.keep_false_alarms(*options.healthy)
    print(f"written: {page.write()}")
    return 0


def _scenarios(options: argparse.Namespace) -> int:
    del options
    with stack_folder() as services:
        passed = try_again(
            services, lambda name, failed: print(f"{'fails' if failed else 'PASSES':<8}{name}", flush=True)
        )
    print(f"{len(passed)} scenarios pass with the defect that is recorded for them")
    return 1 if passed else 0


def _steps(options: argparse.Namespace) -> int:
    del options
    with stack_folder() as services:
        found = mutants(lambda mutant: print(_mutant_line(mutant), flush=True), services)
    noticed = [mutant for mutant in found if mutant.objects and mutant.noticed]
    alone = sum(mutant.alone for mutant in noticed)
    print(
        f"{len(found)} assertions removed, {len(noticed)} of the removals detected; "
        f"{alone} assertions are the only ones that block"
    )
    return 0 if found and len(noticed) == len(found) else 1


def _mutant_line(mutant: Mutant) -> str:
    mark = "noticed" if mutant.objects and mutant.noticed else "FAILS"
    why = "" if mutant.objects else "it does not fail as recorded"
    why = why or ("nothing else blocks" if mutant.alone else "others block as well")
    return f"{mark:<8}{mutant.id:<52}{why}"


def _record(options: argparse.Namespace) -> int:
    with stack_folder() as services:
        search = ProofSearch(
            lambda text: print(text, flush=True), services, again=options.again, path=options.to,
            within_s=options.minutes * 60,
        )  # fmt: skip
        record = search.run(*options.scenarios)
    without = [*(search.known.keys() - record.scenarios.keys()), *(search.assertions.keys() - record.assertions.keys())]
    print(f"{len(record.scenarios)} scenarios and {len(record.assertions)} assertions recorded in {options.to.name}")
    print("\n".join(f"nothing found for {name}" for name in sorted(without)))
    if search.ended_early:
        print(f"assurance: not all was tried within {options.minutes:g} minutes", file=sys.stderr)
    return 1 if search.ended_early else 0


def _features(options: argparse.Namespace) -> int:
    del options
    print(f"written: {features.write()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
