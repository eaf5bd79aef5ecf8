"""greenlight load: many virtual users at once on one target; checks every event and writes a session folder."""

import argparse
import contextlib
import logging
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.metrics_push import MetricsPush, pushed
from greenlight_gate.cli.options import (
    INTERRUPTED,
    command_of,
    defect_option,
    metrics_push,
    new_file,
    output,
    percent,
    positive,
    signer_of,
    signing,
    stages,
    target,
    zero_or_more,
)
from greenlight_gate.cli.session_reports import write_reports
from greenlight_gate.cli.suite_faults import SuiteFaults
from greenlight_gate.cli.views.load_view import LoadView, show_load, write_json
from greenlight_gate.cli.views.terminal import Terminal
from greenlight_gate.evidence.judge import judge
from greenlight_gate.evidence.session_folder import Ended
from greenlight_gate.extras import missing
from greenlight_gate.findings import numbered
from greenlight_gate.load.director import Director
from greenlight_gate.load.executors import Executors, NoCluster, cluster, here, processes
from greenlight_gate.load.machine_limits import MachineLimit, raise_descriptor_limit, sources_for
from greenlight_gate.load.plan import LoadPlan
from greenlight_gate.load.stages import Stages
from greenlight_gate.measure.load_result import LoadResult, redacted
from greenlight_gate.session.interruption import Interruption, interruptible
from greenlight_gate.session.live_alerts import alerting
from greenlight_gate.session.load_users import plan_of, planned_users, usual_prompts
from greenlight_gate.session.validation_session import SessionPlan, ValidationSession
from greenlight_gate.targets.access import TargetFault
from greenlight_gate.targets.model import PROMPTS
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.targets.suggestions import nearest_first
from greenlight_gate.verdict.criteria import LOAD, LoadOfScenario
from greenlight_gate.verdict.facts import Verdict
from greenlight_gate.verdict.load_verdict import Workload

if TYPE_CHECKING:
    from greenlight_gate.cli.signing import Signer


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
        "--stages", type=stages, default=(), metavar="S:N,...",
        help="instead of --duration: in S seconds to N users who ask or, if open, N requests a second, in a straight "
        "line from the stage before, the first from 0; all --users are connected throughout (example: --stages "
        "10:50,60:50,10:0)",
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
        "--prompt", action="append", default=[], metavar="NAME[=WEIGHT]",
        help="a prompt, by its name in the target file; may be repeated: asked in this order or, with =WEIGHT at each, "
        "as often as its weight says (example: --prompt with_tool=3 --prompt without_tool=1)",
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
    defect_option(what.add_argument, "start the embedded backend with this defect", "drops_one_in")
    out = load.add_argument_group("output")
    out.add_argument(
        "--performance-threshold", type=number, metavar="MS",
        help="highest accepted average latency in milliseconds; without it latency is only reported "
        "(example: --performance-threshold 100)",
    )  # fmt: skip
    for option, metavar, help_ in (
        (
            "--latency-p95",
            "MS",
            "highest accepted p95 of latency in milliseconds; the target's other thresholds of latency "
            "count as well then (example: --latency-p95 250)",
        ),
        ("--latency-p99", "MS", "the same for p99 (example: --latency-p99 500)"),
    ):
        out.add_argument(option, type=number, metavar=metavar, help=help_)
    out.add_argument(
        "--failed-runs", type=percent, metavar="PERCENT",
        help="most requests in percent that may fail, be refused or have no end; it does not excuse what breaks a rule "
        "(example: --failed-runs 1)",
    )  # fmt: skip
    out.add_argument(
        "--page", action="store_true", help="write verdict.html as well (example: greenlight load ... --page)"
    )
    out.add_argument(
        "--json", type=new_file, metavar="FILE", help="write the result as JSON (example: --json load.json)"
    )
    signing(out, "load --users 10")
    metrics_push(out, "load")
    output(out)


_PLANNING_S = 600.0
_USUAL_S = 10.0
_MOST_WEIGHT = 100
log = logging.getLogger("greenlight")


def load(options: argparse.Namespace) -> int:
    """Runs the load, writes its evidence and shows the verdict.

    Raises Misconfigured, also if the load exceeds the target's limits.
    """
    if options.cluster and (why := missing("cluster")):
        raise Misconfigured(f"--cluster {options.cluster}: {why}")
    signer, console, push = signer_of(options), Terminal(), pushed(options, "load")
    suite = ValidationSession(
        SessionPlan(
            environment=options.environment, output_dir=options.output_dir, defects=tuple(options.defect),
            performance_threshold_ms=options.performance_threshold, thresholds=_thresholds(options),
            environ=dict(os.environ),
        )
    )  # fmt: skip
    try:
        suite.prepare()
        for warning in (*suite.caveats, *suite.notices):
            console.print(f"[bold yellow]WARNING[/] {escape(warning)}", highlight=False, soft_wrap=True)
        workload = _workload(options, suite)
        with _executors(options) as executors_and_channels, interruptible(None) as interruption:
            _session(options, suite, workload, executors_and_channels, interruption=interruption, console=console)
    except (MachineLimit, NoCluster) as error:
        raise Misconfigured(str(error)) from error
    finally:
        suite.stop()
    return _concluded(options, suite, interruption, console, signer=signer, push=push)


def _workload(options: argparse.Namespace, suite: ValidationSession) -> Workload:
    """The load that the options describe. Raises Misconfigured if the target does not allow it or options conflict."""
    target, users = suite.target, options.users
    if not target.limits.allow_stress:
        raise Misconfigured(
            f"{target.name}: limits.allow_stress: expected true for a load, but it is false; set it in the target "
            f"file of this url, if a load is allowed there"
        )
    most = target.limits.max_connections
    if users > most:
        raise Misconfigured(
            f"--users {users}: {target.name} allows {most} connections at a time (limits.max_connections in its file)"
        )
    _check_model(options)
    prompts, weights = _prompts(options.prompt)
    for name in prompts:
        if name not in PROMPTS:
            known = ", ".join(nearest_first(name, PROMPTS))
            raise Misconfigured(f"--prompt {name}: there is no such prompt; expected one of {known}")
        if (reason := target.lacks(name)) is not None:
            raise Misconfigured(f"--prompt {name}: {reason}")
    duration_s = options.duration if options.duration or options.runs_per_user else _USUAL_S
    if options.stages:
        duration_s = Stages(options.stages).seconds
    return Workload(
        users=users, arrival=options.arrival, rate=options.rate or 0.0, poisson=options.poisson, duration_s=duration_s,
        runs_per_user=options.runs_per_user, think_s=options.think, ramp_s=options.ramp, hold_s=options.hold,
        ramp_down_s=options.ramp_down, prompts=prompts or usual_prompts(suite)[0], stages=options.stages,
        weights=weights, judges_latency=any(
            each is not None for each in (options.performance_threshold, options.latency_p95, options.latency_p99)
        ),
    )  # fmt: skip


def _check_model(options: argparse.Namespace) -> None:
    """Raises Misconfigured for options that contradict each other."""
    if options.poisson and options.arrival != "open":
        raise Misconfigured("--poisson needs --arrival open: users of a closed load wait for their answers")
    if options.processes is not None and options.processes > options.users:
        raise Misconfigured(f"--processes {options.processes}: {numbered(options.users, 'user')} cannot be more parts")
    if (options.arrival == "open") != (options.rate is not None) and not options.stages:
        raise Misconfigured("--arrival open needs --rate, the requests a second, and --rate needs --arrival open")
    if not options.stages:
        return
    others = {"--rate": options.rate, "--duration": options.duration, "--runs-per-user": options.runs_per_user}
    for option, value in others.items():
        if value is not None:
            raise Misconfigured(f"{option}: --stages says it already; leave one of them out")
    most = max(level for _, level in options.stages)
    if options.arrival == "closed" and most > options.users:
        raise Misconfigured(f"--stages: {most:g} users are to ask, but --users connects {options.users}")


def _prompts(given: list[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names and weights of the prompts; no weights where they are asked in their order. Raises Misconfigured."""
    names, weights = [], []
    for each in given:
        name, weighted, weight = each.partition("=")
        names.append(name)
        if weighted and not (weight.isdecimal() and 1 <= int(weight) <= _MOST_WEIGHT):
            raise Misconfigured(f"--prompt {each}: expected a weight from 1 to {_MOST_WEIGHT}, got {weight!r}")
        weights += [int(weight)] if weighted else []
    if weights and len(weights) < len(names):
        raise Misconfigured("--prompt: either every prompt has a weight, as in with_tool=3, or none has")
    if weights and "recall" in names:
        raise Misconfigured(
            "--prompt recall: it asks for what `remember` said before; ask both in order, without weights"
        )
    return tuple(names), tuple(weights)


def _thresholds(options: argparse.Namespace) -> dict[str, float]:
    """The keys of [thresholds] that options replace."""
    given = {
        "latency_ms_p95": options.latency_p95, "latency_ms_p99": options.latency_p99,
        "failed_runs_percent": options.failed_runs,
    }  # fmt: skip
    return {name: value for name, value in given.items() if value is not None}


@contextlib.contextmanager
def _executors(options: argparse.Namespace) -> Iterator[Executors]:
    if options.cluster is not None:
        executors_and_channels = cluster(options.cluster, options.processes)
    else:
        executors_and_channels = processes(options.processes) if (options.processes or 1) > 1 else here()
    with executors_and_channels as found:
        yield found


def _session(
    options: argparse.Namespace, suite: ValidationSession, workload: Workload, executors_and_channels: Executors, *,
    interruption: Interruption, console: Console,
) -> None:  # fmt: skip
    """Runs the load and writes the ledger, with what ended the load early, which is judged."""
    plan, summary, fault, unjudged = None, None, "", ""
    try:
        plan = _plan(options, suite, workload)
    except TargetFault as error:
        unjudged = str(error)
    suite.begin(workload)
    try:
        if plan is not None:
            where = f"{suite.target.name} at {suite.target.url.partition('?')[0]}"
            console.print(f"{numbered(workload.users, 'user')} on {escape(where)} ...", highlight=False, soft_wrap=True)
            summary = _run(plan, suite, executors_and_channels, console)
    except KeyboardInterrupt:
        log.info("interrupted before there was any result")
    except Exception as error:
        fault = f"{type(error).__name__}: {error}"
        log.exception("the suite itself failed")
    try:
        _record(suite, workload, summary, Ended(time.time(), interruption.reason, fault, (), unjudged=unjudged))
    except OSError as error:
        raise Misconfigured(f"{error.filename}: cannot be written ({error.strerror})") from error


def _plan(options: argparse.Namespace, suite: ValidationSession, workload: Workload) -> LoadPlan:
    """Checks the limits of this machine and signs all users in.

    Raises MachineLimit, TargetFault, and Misconfigured where the target has too few accounts.
    """
    if options.cluster is None:
        raise_descriptor_limit(-(-workload.users // (options.processes or 1)))
    sources = sources_for(workload.users, suite.target.url, tuple(options.source))
    suite.await_health()
    again_from = 0 if options.prompt else usual_prompts(suite)[1]
    weights = workload.weights
    seconds = workload.duration_s or 0.0
    planned = planned_users(suite, workload.users, workload.prompts, again_from, seconds=seconds, weights=weights)
    return plan_of(
        suite, suite.loop.call(planned, _PLANNING_S), arrival=workload.arrival, rate=workload.rate,
        poisson=workload.poisson, seed=int(time.time()), duration_s=workload.duration_s, stages=workload.stages,
        runs_each=workload.runs_per_user, think_s=workload.think_s, ramp_s=workload.ramp_s, hold_s=workload.hold_s,
        ramp_down_s=workload.ramp_down_s, compress=options.compress, sources=sources, own_process=True,
    )  # fmt: skip


def _run(plan: LoadPlan, suite: ValidationSession, executors_and_channels: Executors, console: Console) -> LoadResult:
    """Runs the load. Failure patterns are reported when they begin and when they end."""
    executors, channels = executors_and_channels
    with (
        LoadView(console, plan.duration_s) as view,
        alerting(suite, lambda alert: console.print(f"[yellow]{escape(str(alert))}[/]", highlight=False)),
    ):
        began = time.monotonic()
        summary = Director(plan, executors, channels, view.show).run()
        summary.crowded = suite.host.why(began)
        summary.serves_model = suite.model is not None and suite.model.is_served_here
        return summary


def _record(suite: ValidationSession, workload: Workload, summary: LoadResult | None, ended: Ended) -> None:
    """Writes the evidence, without secrets. Raises OSError."""
    evidence = suite.evidence
    if summary is not None:
        log.info("%s: %s runs, %s events, %s findings", workload, summary.runs, summary.events, summary.findings)
        kept = redacted(summary, suite.access.redact_bytes)
        evidence.loaded(LOAD, LoadOfScenario(LOAD, LOAD, str(workload), kept, fast=workload.judges_latency))
    evidence.measured(suite.own_load.so_far())
    evidence.end(ended)


def _concluded(
    options: argparse.Namespace, suite: ValidationSession, interruption: Interruption, console: Console, *,
    signer: "Signer | None", push: MetricsPush | None,
) -> int:  # fmt: skip
    """Judges the session folder, as `greenlight verdict` does. Returns the exit code."""
    folder = suite.folder
    faults = SuiteFaults(folder, console)
    judgement = judge(folder)
    if options.json is not None and judgement.loads:
        try:
            write_json(judgement, options.json)
        except OSError as error:
            raise Misconfigured(f"{error.filename}: cannot be written ({error.strerror})") from error
    show_load(judgement, folder, console)
    for path in write_reports(judgement, folder, console, faults, page=options.page):
        if options.page:
            console.print(f"[dim]{escape(str(path))}[/]", highlight=False, soft_wrap=True)
    if signer is not None:
        signer.sign(judgement, folder, console, faults)
    if push is not None:
        with faults.costing("metrics"):
            push.write(judgement, folder, faults)
    verdict = faults.outcome(judgement.decision.verdict)
    if verdict is Verdict.INCONCLUSIVE and interruption.reason:
        return INTERRUPTED
    return verdict.exit_code
