"""greenlight doctor: tries a target step by step, and says at which one it fails and what to do."""

import argparse
import os
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from support.access import TargetFault, check_health
from support.bdd.suite import Plan, Suite
from support.client.question import Question
from support.client.recorder import Recorder
from support.client.session import NotConnected, Session
from support.events import FIVE
from support.report.conversation import as_table
from support.rules.canary_words import named
from support.trace import encode_record

_RUN_S = 330.0


class _Examination:
    """One walk from the health check to the end of an answer; each step prints its own line."""

    def __init__(self, suite: Suite, console: Console) -> None:
        self.suite = suite
        self.console = console
        self.recorder: Recorder | None = None
        self.question: Question | None = None

    async def walk(self) -> None:
        """Raises TargetFault, NotConnected or Misconfigured at the step that fails."""
        suite = self.suite
        target = suite.target
        if target.health:
            report = await check_health(target)
            self._ok("health", f"{report.service} {report.version} says {report.status}")
        for caveat in suite.caveats:
            self.console.print(f"[bold yellow]WARNING[/] {escape(caveat)}", highlight=False, soft_wrap=True)
        if not suite.caveats:
            self._ok("TLS", "verified" if suite.tls is not None else "not used (ws://)")
        persona = target.personas[0]
        entry = await suite.access.pass_for(persona)
        self._ok("auth", f"a pass for {persona.name} ({target.auth.obtain}, shown as {target.auth.send})")
        self.recorder = Recorder("doctor", None, suite.profile, target.budgets, suite.access.redact_bytes)
        session = Session(persona.name, persona, target, profile=suite.profile, recorder=self.recorder)
        await session.connect(entry, suite.tls)
        self._ok("handshake", "connected and ready")
        prompt = suite.first_prompt
        canary = suite.canary(persona)
        text = target.question(prompt, canary)
        self.question = await session.ask(text, target.expectation(prompt, canary))
        await session.wait_end(self.question)
        await session.close()
        self.recorder.finish()
        self._ok("one run", f"{len(self.question.events)} events of {escape(repr(named(text)))}")

    def _ok(self, step: str, text: str) -> None:
        self.console.print(f"[green]ok[/]  {step:<10} {text}", highlight=False)


def doctor(options: argparse.Namespace) -> int:
    """0 if a run was seen whole, 1 if something is wrong with the target. Raises Misconfigured."""
    console = Console()
    suite = Suite(Plan(environment=options.environment, environ=dict(os.environ)))
    try:
        try:
            suite.prepare()
            examination = _Examination(suite, console)
            suite.loop.call(examination.walk(), _RUN_S)
        except (TargetFault, NotConnected) as error:
            console.print(f"[red]no[/]  {escape(str(error))}", highlight=False)
            return 1
        return _diagnosis(examination, console, options.record)
    finally:
        suite.stop()


def _diagnosis(examination: _Examination, console: Console, record: Path | None) -> int:
    recorder, question = examination.recorder, examination.question
    assert recorder is not None
    assert question is not None
    console.print()
    entries = [(entry.record, entry.reading) for entry in recorder.entries]
    console.print(escape(as_table(entries)), highlight=False, soft_wrap=True)
    if record is not None:
        record.write_bytes(b"".join(encode_record(entry) for entry, _ in entries))
        console.print(f"\nframes kept in {escape(str(record))}", highlight=False)
    seen = {event.kind for event in question.events}
    unseen = [str(kind) for kind in FIVE if kind not in seen]
    for finding in recorder.findings:
        console.print(f"[red]{escape(str(finding))}[/]", highlight=False, soft_wrap=True)
    if unseen:
        console.print(f"not seen in this run: {', '.join(unseen)}", highlight=False)
    well = not recorder.findings and question.answer is not None
    next_step = f"greenlight run --environment {examination.suite.plan.environment}"
    console.print(
        f"\nNext: {next_step}" if well else "\nNext: mend what is marked above, or the profile", highlight=False
    )
    return 0 if well else 1
