"""greenlight profile: checks a profile, alone or on recorded frames, and drafts one from recorded frames."""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from support.commands.frames import FrameSummary
from support.commands.terminal import Terminal
from support.events import EventKind
from support.rules.state import Budgets
from support.rules.trace_checker import TraceChecker
from support.settings import Misconfigured, profile_text
from support.trace import AnyRecord
from support.wire.capture import CaptureError, read_capture
from support.wire.compiled_rules import rules_of
from support.wire.drafting import draft
from support.wire.profile import Profile
from support.wire.spec import ProfileError

# Whoever recorded may have waited as long as they liked.
_PATIENT = Budgets(start_s=3600, silence_s=3600, tool_s=3600, run_s=86_400, grace_s=60, clock_skew_s=86_400)


def profile(options: argparse.Namespace) -> int:
    """0 if all is well, 1 if the frames are not read well. Raises Misconfigured for a file that cannot be used."""
    if options.action == "draft":
        return _draft(options.capture)
    _, text = profile_text(options.file, Path())
    try:
        checked = Profile.from_toml(text)
    except ProfileError as error:
        raise Misconfigured(f"{options.file}: {error}") from error
    console = Terminal()
    _describe(checked, console)
    if options.capture is None:
        console.print(f"\nNext: greenlight profile check {escape(options.file)} CAPTURE.jsonl", highlight=False)
        return 0
    return _read(checked, options.capture, console)


def _describe(checked: Profile, console: Console) -> None:
    spec = checked.spec
    shown = {
        *spec.events,
        *(rule.kind for rule in rules_of(spec) if rule.collapse != "always" and not rule.synthesised),
    }
    console.print(f"[green]ok[/]  {escape(spec.name)}: the profile can be used", highlight=False)
    for kind in EventKind:
        where = "read" if kind in shown else "not observable" if kind in spec.absent else "not mapped"
        console.print(f"      {kind:<16} {where}", highlight=False)
    for name, what in spec.needs.items():
        console.print(f"      needs {name}: {escape(what)}", highlight=False, soft_wrap=True)


def _read(checked: Profile, capture: Path, console: Console) -> int:
    records, epoch_s = _records(checked, capture)
    checker = TraceChecker(checked, _PATIENT, epoch_s)
    summary = FrameSummary(checked, [(record, checker.feed(record)) for record in records])
    checker.finish()
    console.print()
    summary.show(console)
    for finding in checker.findings:
        console.print(f"[red]{escape(str(finding))}[/]", highlight=False, soft_wrap=True)
    well = bool(summary.shown) and not summary.too_many_unmapped and not checker.findings
    step = (
        "add rules for what is unmapped ([[event]] or [[ignore]])" if summary.unmapped else "look at what is marked red"
    )
    step = 'put it into a target file (profile = "FILE.toml") and run greenlight doctor' if well else step
    step = step if summary.shown else "add [[event]] rules: not one event was read"
    console.print(f"\nNext: {escape(step)}", highlight=False, soft_wrap=True)
    return 0 if well else 1


def _records(checked: Profile, capture: Path) -> tuple[list[AnyRecord], float]:
    try:
        return read_capture(_lines(capture), checked.spec)
    except CaptureError as error:
        raise Misconfigured(f"{capture}: {error}") from error


def _lines(capture: Path) -> list[bytes]:
    try:
        return capture.read_bytes().splitlines()
    except OSError as error:
        raise Misconfigured(f"{capture}: expected recorded frames, but {error.strerror or error}") from error


def _draft(capture: Path) -> int:
    try:
        text = draft(_lines(capture))
    except CaptureError as error:
        raise Misconfigured(f"{capture}: {error}") from error
    sys.stdout.write(text)
    try:
        Profile.from_toml(text)
    except ProfileError as error:
        sys.stderr.write(f"greenlight: the draft cannot be used as it is: {error}\n")
    return 0
