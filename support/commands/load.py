"""greenlight load: many people at once on one target, with every event checked."""

import argparse
import contextlib
import os
import signal
import time
from collections.abc import Iterator

import msgspec
from rich.console import Console
from rich.markup import escape

from support.access import TargetFault, wait_healthy
from support.bdd.guests import guests_of, plan_of, usual_prompts
from support.bdd.suite import Plan as SuitePlan
from support.bdd.suite import Suite
from support.commands.load_view import LoadView, show_result, watched_by, write_json
from support.commands.terminal import Terminal
from support.criteria import Loaded, gaps_of
from support.extras import missing
from support.findings import Severity
from support.load.crew import Crew, NoCluster, cluster, here, processes
from support.load.engine import Conductor
from support.load.plan import Plan
from support.load.room import Short, make_room, sources_for
from support.monitor import RealTimeEventMonitor
from support.options.common import INTERRUPTED
from support.patterns.catalogue import SLOW, Occurrence
from support.patterns.detect import Limits
from support.report.evidence import write_whole
from support.settings import Misconfigured
from support.summary import LATE, Offence, Summary, figures
from support.targets.model import PROMPTS
from support.targets.nearness import nearest_first

APPROVED, BLOCKED, INCONCLUSIVE = 0, 1, 2
_HEALTH_S = 15.0


def load(options: argparse.Namespace) -> int:
    """Runs the load and shows the result. Raises Misconfigured, also for more than the target's limits allow."""
    if options.cluster and (why := missing("cluster")):
        raise Misconfigured(f"--cluster {options.cluster}: {why}")
    console = Terminal()
    suite = Suite(SuitePlan(environment=options.environment, defects=tuple(options.defect), environ=dict(os.environ)))
    try:
        suite.prepare()
        plan = _plan(options, suite)
        if suite.target.health:
            suite.loop.call(wait_healthy(suite.target, _HEALTH_S), _HEALTH_S * 2)
        console.print(f"{options.users} people on {escape(suite.target.name)} ...", highlight=False)
        most_ms = options.performance_threshold or suite.target.thresholds.latency_ms_avg
        monitor = RealTimeEventMonitor("load", Limits(most_ms))
        summary = _run(options, plan, console, monitor)
        return _concluded(options, suite, summary, monitor.patterns(), console)
    except (Short, NoCluster) as error:
        raise Misconfigured(str(error)) from error
    except TargetFault as error:
        console.print(f"[yellow]INCONCLUSIVE[/]  {escape(str(error))}", highlight=False)
        return INCONCLUSIVE
    finally:
        suite.stop()


def _plan(options: argparse.Namespace, suite: Suite) -> Plan:
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


def _run(options: argparse.Namespace, plan: Plan, console: Console, monitor: RealTimeEventMonitor) -> Summary:
    with (
        _crew(options) as (executors, desk), LoadView(console) as view, _termination_interrupts(),
        watched_by(monitor, console),
    ):  # fmt: skip
        return Conductor(plan, executors, desk, view.show).run()


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
    options: argparse.Namespace, suite: Suite, summary: Summary, patterns: tuple[Occurrence, ...], console: Console
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


def _without_secrets(summary: Summary, suite: Suite) -> Summary:
    found = suite.access.redact_bytes(msgspec.json.encode(summary.offences))
    summary.offences = msgspec.json.decode(found, type=list[Offence])
    return summary


def _decision(
    options: argparse.Namespace, summary: Summary, patterns: tuple[Occurrence, ...], caveats: tuple[str, ...]
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


def _excused(summary: Summary) -> str:
    """What the rules have said without convicting anybody, and why it does not."""
    late = sum(times for rule, times in summary.counts.items() if summary.saturated and rule in LATE)
    lost = summary.findings - late
    said = f" {lost:,} times an answer or a line was lost or late: within the 1 % that is allowed." if lost else ""
    if summary.saturated:
        said += f" Latency is not to be trusted: the generator was {summary.saturated}."
    if late:
        said += f" So {late:,} findings about lateness are held against nobody."
    return said if summary.findings else f" No rule objected.{said}"


def _too_slow(threshold_ms: float | None, summary: Summary) -> str:
    if threshold_ms is None:
        return ""
    averages = {name: found.avg_ms for name, each in summary.latency.items() if (found := figures(each)) is not None}
    over = [f"{ms:.1f} ms {name} on average" for name, ms in averages.items() if ms > threshold_ms]
    return f"{' and '.join(over)}, {threshold_ms:g} ms are allowed" if over else ""
