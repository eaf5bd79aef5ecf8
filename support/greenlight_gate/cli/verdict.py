"""greenlight verdict: judges an evidence folder again, offline."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from greenlight_gate.cli.ci_lines import print_unjudged
from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import command_of, for_programs, how_shown, output, positive, signer_of, signing
from greenlight_gate.cli.suite_faults import SuiteFaults
from greenlight_gate.cli.views.judgement import conclude, ended, judged_within, show_verdict
from greenlight_gate.cli.views.terminal import Terminal
from greenlight_gate.evidence.day_verdict import APPROVES_NOTHING
from greenlight_gate.evidence.judge import JudgedSession, Judgement, judge
from greenlight_gate.evidence.monitor_day import MONITOR_FOLDER
from greenlight_gate.evidence.safe_files import open_regular
from greenlight_gate.evidence.session_folder import LOAD_FOLDER, UNBEGUN, JudgedTarget, session_folders
from greenlight_gate.findings import numbered
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.verdict.facts import Verdict

if TYPE_CHECKING:
    from greenlight_gate.cli.signing import Demand

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_MOST_OF_A_REASON = 2_000


def add(commands: Any) -> None:
    """Adds the command."""
    verdict = command_of(
        commands, "verdict", SUMMARIES["verdict"],
        "greenlight verdict reports/validation_session_1694123456",
    )  # fmt: skip
    verdict.add_argument(
        "session", nargs="?", type=Path, metavar="SESSION",
        help="a session folder (default: the newest one in --output-dir)",
    )  # fmt: skip
    verdict.add_argument(
        "--compare", type=Path, metavar="SESSION",
        help="show in verdict.html each conversation beside the same scenario's of this session, for instance of one "
        "before a change (example: greenlight verdict AFTER --compare BEFORE)",
    )  # fmt: skip
    verdict.add_argument(
        "--timeout", type=positive(float), default=900, metavar="SECONDS",
        help="time limit of judging; beyond it the verdict is INCONCLUSIVE (default: 900; example: --timeout 3600)",
    )  # fmt: skip
    verdict.add_argument(
        "--verify-key", type=Path, metavar="FILE",
        help="demand that the session is signed: INCONCLUSIVE unless attestation.json was made with the private key of "
        "this Ed25519 public key (PEM or base64), of this evidence (example: --verify-key release.pub)",
    )  # fmt: skip
    signing(verdict, "verdict")
    output(verdict)
    how_shown(verdict, "verdict")


def verdict(options: argparse.Namespace) -> int:
    """Judges the given session, or the newest one. Raises Misconfigured if there is none."""
    signer, demand = signer_of(options), _demand_of(options)
    folder, console = options.session or newest(options.output_dir), Terminal(stderr=for_programs(options))
    why = unbegun(options.output_dir) if options.session is None else ""
    if why:
        return _without_session(why, folder, console, options)
    if demand is not None and (why := _not_as_demanded(demand, folder)):
        return _unjudged(f"{why}. Nothing was judged, and nothing of the session was changed.", console, options)
    other = _other(options, folder, console)
    faults = SuiteFaults(folder, console)

    def show(judgement: Judgement) -> None:
        console.print(escape(_introduced(judgement.session)), highlight=False, soft_wrap=not console.is_terminal)
        show_verdict(judgement, folder, console, verbose=options.verbose)
        if signed := str(demand or ""):
            console.print(escape(signed), highlight=False, soft_wrap=not console.is_terminal)

    judged = demand.judge if demand is not None else judge
    # Beside a copy of a session no history is begun.
    at_home = folder.absolute().parent == options.output_dir.absolute()
    judgement = conclude(
        folder, console, faults, show, within_s=options.timeout, judged=judged, begins_history=at_home, other=other
    )  # fmt: skip
    if signer is not None:
        signer.sign(judgement, folder, console, faults)
    return ended(judgement, folder, options, faults)


def _other(options: argparse.Namespace, folder: Path, console: Console) -> JudgedSession | None:
    """The session to compare with, if one is asked for and its evidence can be judged. Raises Misconfigured."""
    before: Path | None = options.compare
    if before is None:
        return None
    if before.resolve() == folder.resolve():
        raise Misconfigured(f"--compare {before}: this is the session itself; give another one")
    judgement = judged_within(options.timeout, before)
    if not judgement.scenarios and not judgement.findings:
        console.print(
            f"[yellow]not compared:[/] {escape(f'{before}: {judgement.decision.reason}')}",
            highlight=False, soft_wrap=not console.is_terminal,
        )  # fmt: skip
        return None
    return JudgedSession(judgement, before)


def _demand_of(options: argparse.Namespace) -> "Demand | None":
    """Which signature is demanded, if one is: for most sessions nothing of it is imported. Raises Misconfigured."""
    if options.verify_key is None:
        return None
    from greenlight_gate.cli.signing import Demand  # noqa: PLC0415 -- as above

    return Demand.of(options)


def _not_as_demanded(demand: "Demand", folder: Path) -> str:
    """What is wrong with the signature of a session, "" if nothing is."""
    from greenlight_gate.evidence.attestation import Unsigned  # noqa: PLC0415 -- as above

    try:
        demand.check(folder)
    except Unsigned as error:
        return str(error)
    return ""


def _introduced(session: JudgedTarget) -> str:
    """Which session is judged, and how old it is."""
    age_s = max(0.0, time.time() - session.started_epoch_s)
    size, unit = next(((size, unit) for size, unit in _UNITS if age_s >= size), (1, "second"))
    count = int(age_s / size)
    began = f"{numbered(count, unit)} ago"
    return f"Session {session.session_id}, begun {began}: {session.environment} at {session.url or 'an unknown url'}"


def unbegun(output_dir: Path) -> str:
    """Why the last run made no session, "" where it made one."""
    try:
        with open_regular(output_dir / UNBEGUN) as file:
            return file.read(_MOST_OF_A_REASON).decode(errors="replace").strip() or "it did not say why"
    except FileNotFoundError:
        return ""


def _without_session(why: str, folder: Path, console: Console, options: argparse.Namespace) -> int:
    """The newest session is that of an earlier run, which says nothing of the last one."""
    reason = (
        f"The last run made no session ({why}). {folder.name} is of an earlier run: name it to judge it, "
        f"`greenlight verdict {folder}`, or run again."
    )
    return _unjudged(reason, console, options)


def _unjudged(reason: str, console: Console, options: argparse.Namespace) -> int:
    console.print(f"[yellow]INCONCLUSIVE[/]  {escape(reason)}", highlight=False, soft_wrap=not console.is_terminal)
    print_unjudged(options, Verdict.INCONCLUSIVE, reason)
    return Verdict.INCONCLUSIVE.exit_code


def newest(output_dir: Path) -> Path:
    """The newest validation session; never a load, which approves no release.

    Raises Misconfigured if there is none.
    """
    sessions = session_folders(output_dir)
    if not sessions:
        loads = any(output_dir.glob(f"{LOAD_FOLDER}_*"))
        more = f"; to judge a load again, give its folder, {output_dir / LOAD_FOLDER}_..." if loads else ""
        days = sorted(output_dir.glob(f"{MONITOR_FOLDER}_*"))
        if days:
            more += f"; {APPROVES_NOTHING}: to see what the latest one shows, greenlight verdict {days[-1]}"
        raise Misconfigured(f"{output_dir}: has no validation session; run `behave` or `greenlight run` first{more}")
    return sessions[-1]
