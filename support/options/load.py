"""greenlight load: its options."""

from pathlib import Path
from typing import Any

from support.options.common import command_of, output, positive, target, zero_or_more


def add(commands: Any) -> None:
    """Adds the command."""
    load = command_of(
        commands, "load", "put many people on a backend at once, and check every event of each of them",
        "greenlight load --users 500 --duration 30 --json load.json",
    )  # fmt: skip
    target(load)
    number, whole = positive(float), positive(int)
    how_many = load.add_argument_group("how many, how often")
    how_many.add_argument(
        "--users", type=whole, required=True, metavar="N",
        help="people at once; all are connected before the first one asks (example: --users 500)",
    )  # fmt: skip
    for option, kind, metavar, help_ in (
        ("--duration", number, "S", "seconds of asking (default: 10; example: --duration 60)"),
        ("--runs-per-user", whole, "K", "questions of each person (example: --runs-per-user 3)"),
        ("--rate", number, "R", "open: questions a second of all together (example: --arrival open --rate 50)"),
    ):
        how_many.add_argument(option, type=kind, metavar=metavar, help=help_)
    how_many.add_argument(
        "--arrival", choices=("closed", "open"), default="closed",
        help="closed: each asks again when answered; open: questions come at a rate, whatever the backend does "
        "(default: closed; example: --arrival open --rate 50)",
    )  # fmt: skip
    how_many.add_argument(
        "--poisson", action="store_true",
        help="open: at random moments of this rate (example: --arrival open --rate 50 --poisson)",
    )  # fmt: skip
    for option, help_ in (
        ("--think", "closed: seconds between an answer and the next question (default: 0; example: --think 2)"),
        ("--ramp", "seconds over which all connect (default: at once; example: --ramp 30)"),
        ("--hold", "seconds to be connected without a word before the asking (default: 0; example: --hold 10)"),
        ("--ramp-down", "seconds over which all leave (default: at once; example: --ramp-down 5)"),
    ):
        how_many.add_argument(option, type=zero_or_more, default=0.0, metavar="S", help=help_)
    what = load.add_argument_group("what and from where")
    what.add_argument(
        "--prompt", action="append", default=[], metavar="NAME",
        help="what is asked, by the name in the target file; may be repeated (example: --prompt with_tool)",
    )  # fmt: skip
    what.add_argument(
        "--processes", type=whole, metavar="P",
        help="share the people among so many processes, or workers of the cluster (example: --processes 2)",
    )  # fmt: skip
    what.add_argument(
        "--cluster", metavar="ADDRESS",
        help="share the people among the workers of a Dask scheduler (example: --cluster tcp://scheduler:8786)",
    )  # fmt: skip
    what.add_argument(
        "--source", action="append", default=[], metavar="ADDRESS",
        help="an address of this machine to connect from; may be repeated (example: --source 10.0.0.5)",
    )  # fmt: skip
    what.add_argument(
        "--compress", action="store_true", help="offer permessage-deflate (example: greenlight load ... --compress)"
    )
    what.add_argument(
        "--defect", action="append", default=[], metavar="NAME[=VALUE]",
        help="start the embedded backend with a seeded defect (example: --defect drops_one_in)",
    )  # fmt: skip
    out = load.add_argument_group("what comes out")
    out.add_argument(
        "--performance-threshold", type=number, metavar="MS",
        help="largest average latency in milliseconds; without it latency is only shown "
        "(example: --performance-threshold 100)",
    )  # fmt: skip
    out.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON (example: --json load.json)")
    output(out)
