"""greenlight profile: checks a profile, drafts one from recorded frames, and takes frames from a browser's export."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import Parser, command_of
from greenlight_gate.cli.recordings import PATIENT, captured, recording, redaction
from greenlight_gate.cli.views.frames import FrameSummary
from greenlight_gate.cli.views.terminal import Terminal
from greenlight_gate.events import EventKind
from greenlight_gate.findings import broken_rules
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.targets.settings import Misconfigured, profile_text
from greenlight_gate.trace import AnyRecord
from greenlight_gate.wire.capture import CaptureError, read_capture
from greenlight_gate.wire.compiled_rules import rules_of
from greenlight_gate.wire.drafting import draft
from greenlight_gate.wire.har import capture_of
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.saved_answer import capture_of_answer
from greenlight_gate.wire.spec import ProfileError


def add(commands: Any) -> None:
    """Adds the command."""
    profile = commands.add_parser(
        "profile", help=SUMMARIES["profile"], description=SUMMARIES["profile"], allow_abbrev=False,
    )  # fmt: skip
    actions = profile.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    check = command_of(
        actions, "check", "check a profile; with recorded frames, print events, unmapped frames and findings",
        "greenlight profile check mine.toml capture.jsonl",
        "exit codes: 0 no problems, 1 a problem, 3 misconfigured",
    )  # fmt: skip
    check.add_argument(
        "file",
        metavar="FILE.toml|NAME",
        help="a profile file, or the name of an included profile (example: greenlight profile check agno)",
    )
    check.add_argument(
        "capture", nargs="?", type=Path, metavar="CAPTURE",
        help="recorded frames, as written by `greenlight doctor --record`, or a browser's export (.har) "
        "(default: none; example: greenlight profile check mine.toml capture.jsonl)",
    )  # fmt: skip
    draft = command_of(
        actions, "draft", "propose a profile from recorded frames, for you to complete",
        "greenlight profile draft capture.jsonl > mine.toml",
        "exit codes: 0 drafted, 3 misconfigured",
    )  # fmt: skip
    draft.add_argument(
        "capture",
        type=Path,
        metavar="CAPTURE",
        help="recorded frames (.jsonl), or a browser's export (.har) (example: greenlight profile draft capture.jsonl)",
    )
    taken = command_of(
        actions, "capture", "print what a browser's export (HAR), or the output of `curl -N`, holds as a capture, "
        "credentials replaced", "greenlight profile capture chat.har > capture.jsonl",
    )  # fmt: skip
    taken.add_argument(
        "file", type=Path, metavar="FILE",
        help="what 'Export HAR' in the Network panel of Chromium or Edge writes, or Playwright, or mitmproxy; with "
        "--asked, what `curl -N` or `curl -N -i` has printed (example: greenlight profile capture chat.har)",
    )  # fmt: skip
    taken.add_argument(
        "--url", default="", metavar="TEXT",
        help="only connections whose url contains this (default: all); with --asked, where it was sent "
        "(example: --url /ws/chat)",
    )  # fmt: skip
    taken.add_argument(
        "--asked", default="", metavar="FILE|JSON",
        help="FILE is the output of `curl -N`: the body that was sent "
        """(example: greenlight profile capture answer.txt --asked '{"text": "Hi"}' --url http://127.0.0.1:9000/chat)""",
    )  # fmt: skip


def profile(options: argparse.Namespace) -> int:
    """Returns 0 if the frames are read without problems, else 1. Raises Misconfigured for an unusable file."""
    if options.action == "draft":
        return _draft(options.capture)
    if options.action == "capture":
        return _capture(options.file, options.url, options.asked)
    _, text = profile_text(options.file, Path())
    try:
        checked = Profile.from_toml(text)
    except ProfileError as error:
        raise Misconfigured(f"{options.file}: {error}") from error
    console = Terminal()
    _describe(checked, console)
    if options.capture is None:
        console.print(
            f"\nNext: greenlight profile check {escape(shlex.quote(options.file))} CAPTURE.jsonl",
            highlight=False,
            soft_wrap=True,
        )
        return 0
    return _read(checked, options.file, options.capture, console)


def _describe(checked: Profile, console: Console) -> None:
    spec = checked.spec
    shown = {
        *spec.events,
        *(rule.kind for rule in rules_of(spec) if rule.collapse != "always" and not rule.synthesised),
    }
    console.print(f"[green]ok[/]  {escape(spec.name)}: the profile can be used", highlight=False)
    for warning in spec.deprecated:
        console.print(f"[bold yellow]WARNING[/] {escape(warning)}", highlight=False, soft_wrap=True)
    for kind in EventKind:
        where = "read" if kind in shown else "not observable" if kind in spec.absent else "not mapped"
        console.print(f"      {kind:<16} {where}", highlight=False)
    for name, what in spec.needs.items():
        console.print(f"      needs {name}: {escape(what)}", highlight=False, soft_wrap=True)


def _read(checked: Profile, name: str, capture: Path, console: Console) -> int:
    records, epoch_s = _records(checked, capture)
    checker = TraceChecker(checked, PATIENT, epoch_s)
    summary = FrameSummary(checked, [(record, checker.feed(record)) for record in records])
    checker.finish()
    console.print()
    summary.show(console)
    for finding in checker.findings:
        console.print(f"[red]{escape(str(finding))}[/]", highlight=False, soft_wrap=True)
    foreign = sum(each.correlation.foreign_frames.total() for each in checker.connections.values())
    if foreign and not checked.spec.scope:
        warning = (
            f"{foreign} frames belong to users of other connections. If not all of this is a leak, say with "
            "[scope] which frames are a user's own"
        )
        console.print(f"[bold yellow]WARNING[/] {escape(warning)}", highlight=False, soft_wrap=True)
    well = bool(summary.shown) and not summary.too_many_unmapped and not checker.findings
    broken_here = (
        f"correct {broken_rules(checker.findings)}, in the backend or in the profile: expected and got are listed above"
    )
    step = "add rules for what is unmapped ([[event]] or [[ignore]])" if summary.unmapped else broken_here
    step = f'put it into a target file (profile = "{name}") and run greenlight doctor' if well else step
    step = step if summary.shown else "add [[event]] rules: not one event was read"
    console.print(f"\nNext: {escape(step)}", highlight=False, soft_wrap=True)
    return 0 if well else 1


def _records(checked: Profile, capture: Path) -> tuple[list[AnyRecord], float]:
    try:
        return read_capture(captured(capture), checked.spec)
    except CaptureError as error:
        raise Misconfigured(f"{capture}: {error}") from error


def _draft(capture: Path) -> int:
    try:
        text = draft(captured(capture))
    except CaptureError as error:
        raise Misconfigured(f"{capture}: {error}") from error
    sys.stdout.write(text)
    try:
        Profile.from_toml(text)
    except ProfileError as error:
        sys.stderr.write(f"greenlight: the draft cannot be used as it is: {error}\n")
    return 0


def _capture(file: Path, url: str, asked: str) -> int:
    try:
        if asked:
            lines = _answer(file, url, asked)
            said = f"{len(lines) - 1} messages of one answer"
        else:
            taken = capture_of(recording(file, "a HAR file"), redaction, url)
            lines = taken.lines
            said = f"{taken.frames} frames on {taken.connections} connections, {taken.credentials} credentials replaced"
            said += f". For [connection] of the profile, the path: {taken.opened}" if taken.opened else ""
    except CaptureError as error:
        raise Misconfigured(f"{file}: {error}") from error
    sys.stdout.write("".join(f"{line.decode()}\n" for line in lines))
    sys.stderr.write(
        f"greenlight: {said}. What users typed is kept: read it before sharing. Next: greenlight profile draft "
        "CAPTURE.jsonl\n"
    )
    return 0


def _answer(file: Path, url: str, asked: str) -> list[bytes]:
    if not url:
        raise Misconfigured("--url: expected where it was sent, such as http://127.0.0.1:9000/chat")
    body = asked.encode() if asked.lstrip().startswith(("{", "[")) else recording(Path(asked), "the body that was sent")
    return capture_of_answer(recording(file, "the output of curl"), body, url, redaction)
