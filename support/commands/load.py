"""greenlight load: many users at once on one target, with every event checked, and a session folder to judge it by."""

import argparse
import contextlib
import logging
import os
import time
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from support.access import TargetFault, wait_healthy
from support.bdd.alerting import alerting
from support.bdd.guests import guests_of, plan_of, usual_prompts
from support.bdd.interruption import Interruption, interruptible
from support.bdd.suite import Plan as SuitePlan
from support.bdd.suite import Suite
from support.commands.load_view import LoadView, show_load, write_json
from support.commands.own_fault import OwnFaults
from support.commands.reports import write_reports
from support.commands.terminal import Terminal
from support.criteria import LOAD, Loaded
from support.load.crew import Crew, NoCluster, cluster, here, processes
from support.load.engine import Conductor
from support.load.plan import Plan
from support.load.room import Short, make_room, sources_for
from support.load_verdict import Workload
from support.options.common import INTERRUPTED
from support.report.evidence import Ended
from support.report.judge import judge
from support.settings import Misconfigured
from support.summary import Summary, redacted
from support.targets.model import PROMPTS
from support.targets.nearness import nearest_first
from support.verdict import Verdict

_HEALTH_S = 15.0
_GUESTS_S = 600.0
_USUAL_S = 10.0
log = logging.getLogger("greenlight")


def load(options: argparse.Namespace) -> int:
    """Runs the load, leaves its evidence and shows the verdict on it.

    Raises Misconfigured, also for more than the target's limits allow.
    """
    console = Terminal()
    suite = Suite(
        SuitePlan(
            environment=options.environment, output_dir=options.output_dir, defects=tuple(options.defect),
            performance_threshold_ms=options.performance_threshold, environ=dict(os.environ),
        )
    )  # fmt: skip
    try:
        suite.prepare()
        workload = _workload(options, suite)
        with _crew(options) as crew, interruptible(None) as interruption:
            _session(options, suite, workload, crew, interruption=interruption, console=console)
    except (Short, NoCluster) as error:
        raise Misconfigured(str(error)) from error
    finally:
        suite.stop()
    return _concluded(options, suite, interruption, console)


def _workload(options: argparse.Namespace, suite: Suite) -> Workload:
    """What is asked for. Raises Misconfigured for what the target does not allow, or what contradicts itself."""
    target, users = suite.target, options.users
    most = target.limits.max_connections
    if users > most:
        raise Misconfigured(
            f"--users {users}: {target.name} allows {most} connections at a time (limits.max_connections in its file)"
        )
    if (options.arrival == "open") != (options.rate is not None):
        raise Misconfigured("--arrival open needs --rate, the questions a second, and --rate needs --arrival open")
    for name in options.prompt:
        if name not in PROMPTS:
            known = ", ".join(nearest_first(name, PROMPTS))
            raise Misconfigured(f"--prompt {name}: there is no such prompt; expected one of {known}")
        if (reason := target.lacks(name)) is not None:
            raise Misconfigured(f"--prompt {name}: {reason}")
    duration_s = options.duration if options.duration or options.runs_per_user else _USUAL_S
    return Workload(
        users=users, arrival=options.arrival, rate=options.rate or 0.0, poisson=options.poisson, duration_s=duration_s,
        runs_per_user=options.runs_per_user, think_s=options.think, ramp_s=options.ramp, hold_s=options.hold,
        ramp_down_s=options.ramp_down, prompts=tuple(options.prompt) or usual_prompts(suite)[0],
        judges_latency=options.performance_threshold is not None,
    )  # fmt: skip


@contextlib.contextmanager
def _crew(options: argparse.Namespace) -> Iterator[Crew]:
    if options.cluster is not None:
        crew = cluster(options.cluster, options.processes)
    else:
        crew = processes(options.processes) if (options.processes or 1) > 1 else here()
    with crew as found:
        yield found


def _session(
    options: argparse.Namespace, suite: Suite, workload: Workload, crew: Crew, *, interruption: Interruption,
    console: Console,
) -> None:  # fmt: skip
    """From the first request to the last line of the ledger. What ends it early is said there, and judged."""
    plan, summary, fault = None, None, ""
    try:
        plan = _plan(options, suite, workload)
    except TargetFault as error:
        fault = f"the target cannot be judged: {error}"
    suite.begin(workload)
    try:
        if plan is not None:
            console.print(f"{workload.users} users on {escape(suite.target.name)} ...", highlight=False)
            summary = _run(plan, suite, crew, console)
    except KeyboardInterrupt:
        log.info("interrupted before there was anything to sum up")
    except Exception as error:
        fault = f"{type(error).__name__}: {error}"
        log.exception("the suite itself failed")
    try:
        _record(suite, workload, summary, Ended(time.time(), interruption.reason, fault, ()))
    except OSError as error:
        raise Misconfigured(f"{error.filename}: cannot be written ({error.strerror})") from error


def _plan(options: argparse.Namespace, suite: Suite, workload: Workload) -> Plan:
    """Finds room on this machine and signs everybody in.

    Raises Short where there is no room, TargetFault, and Misconfigured where the target has too few accounts.
    """
    if options.cluster is None:
        make_room(-(-workload.users // (options.processes or 1)))
    sources = sources_for(workload.users, suite.target.url, tuple(options.source))
    if suite.target.health:
        suite.loop.call(wait_healthy(suite.target, _HEALTH_S), _HEALTH_S * 2)
    again_from = 0 if options.prompt else usual_prompts(suite)[1]
    seconds = workload.duration_s or 0.0
    guests = guests_of(suite, workload.users, workload.prompts, again_from, seconds=seconds)
    return plan_of(
        suite, suite.loop.call(guests, _GUESTS_S), arrival=workload.arrival, rate=workload.rate,
        poisson=workload.poisson, seed=int(time.time()), duration_s=workload.duration_s,
        runs_each=workload.runs_per_user, think_s=workload.think_s, ramp_s=workload.ramp_s, hold_s=workload.hold_s,
        ramp_down_s=workload.ramp_down_s, compress=options.compress, sources=sources, own_process=True,
    )  # fmt: skip


def _run(plan: Plan, suite: Suite, crew: Crew, console: Console) -> Summary:
    """The load itself. Failure patterns are told as they begin to show, and when they are over."""
    executors, desk = crew
    with (
        LoadView(console) as view,
        alerting(suite, lambda alert: console.print(f"[yellow]{escape(str(alert))}[/]", highlight=False)),
    ):
        return Conductor(plan, executors, desk, view.show).run()


def _record(suite: Suite, workload: Workload, summary: Summary | None, ended: Ended) -> None:
    """Leaves the evidence, without secrets. Raises OSError."""
    evidence = suite.evidence
    if summary is not None:
        log.info("%s: %s runs, %s events, %s findings", workload, summary.runs, summary.events, summary.findings)
        kept = redacted(summary, suite.access.redact_bytes)
        evidence.loaded(LOAD, Loaded(LOAD, LOAD, str(workload), kept, fast=workload.judges_latency))
    evidence.measured(suite.own_load.so_far())
    evidence.end(ended)


def _concluded(options: argparse.Namespace, suite: Suite, interruption: Interruption, console: Console) -> int:
    """Judges the session folder, as `greenlight verdict` does; the exit code."""
    folder = suite.folder
    faults = OwnFaults(folder, console)
    judgement = judge(folder)
    if options.json is not None and judgement.loads:
        try:
            write_json(judgement.loads[0].summary, judgement.patterns, options.json)
        except OSError as error:
            raise Misconfigured(f"{error.filename}: cannot be written ({error.strerror})") from error
    show_load(judgement, folder, console)
    write_reports(judgement, folder, console, faults)
    verdict = faults.outcome(judgement.decision.verdict)
    if verdict is Verdict.INCONCLUSIVE and interruption.reason:
        return INTERRUPTED
    return verdict.exit_code
