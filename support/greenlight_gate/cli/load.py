"""greenlight load: many people at once on one target, with every event checked."""

import argparse
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape

from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import INTERRUPTED, command_of, output, positive, target, zero_or_more
from greenlight_gate.cli.views.load_view import LoadView, show_result, watched_by, write_json
from greenlight_gate.cli.views.terminal import Terminal
from greenlight_gate.evidence.session_folder import write_whole
from greenlight_gate.extras import missing
from greenlight_gate.findings import Severity
from greenlight_gate.load.director import Director
from greenlight_gate.load.executors import Crew, NoCluster, cluster, here, processes
from greenlight_gate.load.machine_limits import Short, make_room, sources_for
from greenlight_gate.load.plan import LoadPlan
from greenlight_gate.measure.load_result import LATE, LoadResult, Offence, figures
from greenlight_gate.monitor import RealTimeEventMonitor
from greenlight_gate.session.load_users import guests_of, plan_of, usual_prompts
from greenlight_gate.session.validation_session import SessionPlan as SuitePlan
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.targets.access import TargetFault, wait_healthy
from greenlight_gate.targets.model import PROMPTS
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.targets.suggestions import nearest_first
from greenlight_gate.verdict.criteria import Loaded, gaps_of
from greenlight_gate.verdict.failure_patterns import SLOW, Occurrence
from greenlight_gate.verdict.pattern_detection import PatternLimits


def add(commands: Any) -> None:
    """Adds the command."""
    load = command_of(
        commands, "load", SUMMARIES["load"],
        "greenlight load --users 500 --duration 30 --json load.json",
    )  # fmt: skip
    target(load)
    number, whole = positive(float), positive(int)
    how_many = load.add_argument_group("load model")
    how_many.add_argument(
        "--users", type=whole, required=True, metavar="N",
        help="number of virtual users; all connect before the first request is sent (example: --users 500)",
    )  # fmt: skip
    for option, kind, metavar, help_ in (
        ("--duration", number, "S", "duration of the load in seconds (default: 10; example: --duration 60)"),
        ("--runs-per-user", whole, "K", "requests of each user (example: --runs-per-user 3)"),
        (
            "--rate",
            number,
            "R",
            "open: arrival rate, in requests a second of all users together (example: --arrival open --rate 50)",
        ),
    ):
        how_many.add_argument(option, type=kind, metavar=metavar, help=help_)
    how_many.add_argument(
        "--arrival", choices=("closed", "open"), default="closed",
        help="closed: a user sends the next request after the answer; open: requests are sent at a rate, however fast "
        "the answers are "
        "(default: closed; example: --arrival open --rate 50)",
    )  # fmt: skip
    how_many.add_argument(
        "--poisson", action="store_true",
        help="open: random intervals with this mean rate (Poisson) (example: --arrival open --rate 50 --poisson)",
    )  # fmt: skip
    for option, help_ in (
        (
            "--think",
            "closed: think time between an answer and the next request, in seconds (default: 0; example: --think 2)",
        ),
        ("--ramp", "seconds over which the users connect (default: at once; example: --ramp 30)"),
        (
            "--hold",
            "seconds for which users stay connected and idle before the first request (default: 0; example: --hold 10)",
        ),
        ("--ramp-down", "seconds over which the users disconnect (default: at once; example: --ramp-down 5)"),
    ):
        how_many.add_argument(option, type=zero_or_more, default=0.0, metavar="S", help=help_)
    what = load.add_argument_group("prompts and executors")
    what.add_argument(
        "--prompt", action="append", default=[], metavar="NAME",
        help="a prompt, by its name in the target file; may be repeated (example: --prompt with_tool)",
    )  # fmt: skip
    what.add_argument(
        "--processes", type=whole, metavar="P",
        help="distribute the users over this number of processes or workers of the cluster (example: --processes 2)",
    )  # fmt: skip
    what.add_argument(
        "--cluster", metavar="ADDRESS",
        help="distribute the users over the workers of a Dask scheduler (example: --cluster tcp://scheduler:8786)",
    )  # fmt: skip
    what.add_argument(
        "--source", action="append", default=[], metavar="ADDRESS",
        help="local address to connect from; may be repeated (example: --source 10.0.0.5)",
    )  # fmt: skip
    what.add_argument(
        "--compress", action="store_true", help="offer permessage-deflate (example: greenlight load ... --compress)"
    )
    what.add_argument(
        "--defect", action="append", default=[], metavar="NAME[=VALUE]",
        help="start the embedded backend with this defect; may be repeated (example: --defect drops_one_in)",
    )  # fmt: skip
    out = load.add_argument_group("output")
    out.add_argument(
        "--performance-threshold", type=number, metavar="MS",
        help="highest accepted average latency in milliseconds; without it latency is only reported "
        "(example: --performance-threshold 100)",
    )  # fmt: skip
    out.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON (example: --json load.json)")
    output(out)


APPROVED, BLOCKED, INCONCLUSIVE = 0, 1, 2
_HEALTH_S = 15.0


def load(options: argparse.Namespace) -> int:
    """Runs the load and shows the result. Raises Misconfigured, also for more than the target's limits allow."""
    if options.cluster and (why := missing("cluster")):
        raise Misconfigured(f"--cluster {options.cluster}: {why}")
    console = Terminal()
    suite = ValidationSession(
        SuitePlan(environment=options.environment, defects=tuple(options.defect), environ=dict(os.environ))
    )
    try:
        suite.prepare()
        plan = _plan(options, suite)
        if suite.target.health:
            suite.loop.call(wait_healthy(suite.target, _HEALTH_S), _HEALTH_S * 2)
        console.print(f"{options.users} people on {escape(suite.target.name)} ...", highlight=False)
        most_ms = options.performance_threshold or suite.target.thresholds.latency_ms_avg
        monitor = RealTimeEventMonitor("load", PatternLimits(most_ms))
        summary = _run(options, plan, console, monitor)
        return _concluded(options, suite, summary, monitor.patterns(), console)
    except (Short, NoCluster) as error:
        raise Misconfigured(str(error)) from error
    except TargetFault as error:
        console.print(f"[yellow]INCONCLUSIVE[/]  {escape(str(error))}", highlight=False)
        return INCONCLUSIVE
    finally:
        suite.stop()


def _plan(options: argparse.Namespace, suite: ValidationSession) -> LoadPlan:
    target, users = suite.target, options.users
    most = target.limits.max_connections
    if users > most:
        raise Misconfigured(
            f"--users {users}: {target.name} allows {most} connections at a time (limits.max_connections in its file)"
        )
    if (options.arrival == "open") != (options.rate is not None):
        raise Misconfigured("--arrival open needs --rate, the questions a second, and --rate needs --arrival open")
    shards = options.processes or 1
    if options.cluster is None:
        make_room(-(-users // shards))
    sources = sources_for(users, target.url, tuple(options.source))
    prompts, again_from = usual_prompts(suite)
    if options.prompt:
        for name in options.prompt:
            if name not in PROMPTS:
                known = ", ".join(nearest_first(name, PROMPTS))
                raise Misconfigured(f"--prompt {name}: there is no such prompt; expected one of {known}")
            if (reason := target.lacks(name)) is not None:
                raise Misconfigured(f"--prompt {name}: {reason}")
        prompts, again_from = tuple(options.prompt), 0
    runs_each = options.runs_per_user
    duration_s = options.duration if options.duration or runs_each else 10.0
    guests = suite.loop.call(guests_of(suite, users, prompts, again_from, seconds=duration_s or 0.0), 600.0)
    return plan_of(
        suite, guests, arrival=options.arrival, rate=options.rate or 0.0, poisson=options.poisson,
        seed=int(time.time()), duration_s=duration_s, runs_each=runs_each, think_s=options.think, ramp_s=options.ramp,
        hold_s=options.hold, ramp_down_s=options.ramp_down, compress=options.compress, sources=sources,
        own_process=True,
    )  # fmt: skip


def _run(options: argparse.Namespace, plan: LoadPlan, console: Console, monitor: RealTimeEventMonitor) -> LoadResult:
    with (
        _crew(options) as (executors, desk), LoadView(console) as view, _termination_interrupts(),
        watched_by(monitor, console),
    ):  # fmt: skip
        return Director(plan, executors, desk, view.show).run()


@contextlib.contextmanager
def _crew(options: argparse.Namespace) -> Iterator[Crew]:
    if options.cluster is not None:
        crew = cluster(options.cluster, options.processes)
    else:
        crew = processes(options.processes) if (options.processes or 1) > 1 else here()
    with crew as found:
        yield found


@contextlib.contextmanager
def _termination_interrupts() -> Iterator[None]:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _concluded(
    options: argparse.Namespace,
    suite: ValidationSession,
    summary: LoadResult,
    patterns: tuple[Occurrence, ...],
    console: Console,
) -> int:
    redact = suite.access.redact_bytes
    summary = _without_secrets(summary, suite)
    show_result(summary, console)
    try:
        if options.json is not None:
            write_json(summary, patterns, options.json)
        if summary.traces:
            folder = options.output_dir / f"load_{int(time.time())}"
            folder.mkdir(parents=True, exist_ok=True)
            for name, trace in summary.traces.items():
                write_whole(folder / name, redact(trace))
            console.print(f"[dim]the frames of the first of each: {escape(str(folder))}[/]", highlight=False)
    except OSError as error:
        raise Misconfigured(f"{error.filename}: cannot be written ({error.strerror})") from error
    code, word, why = _decision(options, summary, patterns, suite.caveats)
    colour = {APPROVED: "green", BLOCKED: "red"}.get(code, "yellow")
    console.print(f"\n[bold {colour}]{word}[/]  {escape(why)}", highlight=False)
    return code


def _without_secrets(summary: LoadResult, suite: ValidationSession) -> LoadResult:
    found = suite.access.redact_bytes(msgspec.json.encode(summary.offences))
    summary.offences = msgspec.json.decode(found, type=list[Offence])
    return summary


def _decision(
    options: argparse.Namespace, summary: LoadResult, patterns: tuple[Occurrence, ...], caveats: tuple[str, ...]
) -> tuple[int, str, str]:
    slow = _too_slow(options.performance_threshold, summary)
    said = []
    if summary.convicting():
        rules = ", ".join(f"{rule} ({times})" for rule, times in sorted(summary.counts.items()))
        said.append(f"the rules objected: {rules}")
    # How fast it has to be is asked only with a threshold.
    said += [
        f"{seen.pattern}: {seen.measured}"
        for seen in patterns
        if seen.severity is Severity.CRITICAL and (seen.pattern != SLOW or options.performance_threshold is not None)
    ]
    if slow and not summary.saturated:
        said.append(slow)
    if said:
        return BLOCKED, "BLOCKED", "; ".join(said)
    if summary.interrupted:
        return INTERRUPTED, "INTERRUPTED", "what is shown is what was done until then"
    gaps = [*caveats, *gaps_of((Loaded("", "load", "the load", summary),))]
    if not summary.runs:
        gaps.append("no question was answered")
    if options.performance_threshold is not None and summary.saturated:
        gaps.append(f"latency cannot be judged: the generator was {summary.saturated}")
    if gaps:
        return INCONCLUSIVE, "INCONCLUSIVE", "; ".join(gaps)
    return APPROVED, "APPROVED", f"{summary.events:,} events were checked.{_excused(summary)}"


def _excused(summary: LoadResult) -> str:
    """What the rules have said without convicting anybody, and why it does not."""
    late = sum(times for rule, times in summary.counts.items() if summary.saturated and rule in LATE)
    lost = summary.findings - late
    said = f" {lost:,} times an answer or a line was lost or late: within the 1 % that is allowed." if lost else ""
    if summary.saturated:
        said += f" Latency is not to be trusted: the generator was {summary.saturated}."
    if late:
        said += f" So {late:,} findings about lateness are held against nobody."
    return said if summary.findings else f" No rule objected.{said}"


def _too_slow(threshold_ms: float | None, summary: LoadResult) -> str:
    if threshold_ms is None:
        return ""
    averages = {name: found.avg_ms for name, each in summary.latency.items() if (found := figures(each)) is not None}
    over = [f"{ms:.1f} ms {name} on average" for name, ms in averages.items() if ms > threshold_ms]
    return f"{' and '.join(over)}, {threshold_ms:g} ms are allowed" if over else ""
