"""greenlight doctor: checks a target step by step, and says which step fails and what to do."""

import argparse
import asyncio
import contextlib
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.doctor_advice import after_failure, error_in_place_of, next_step, said
from greenlight_gate.cli.doctor_forecast import forecast_lines
from greenlight_gate.cli.doctor_tries import Tried, Tries
from greenlight_gate.cli.options import command_of, new_file, target, zero_or_more
from greenlight_gate.cli.reachability import reach, resolve, secure
from greenlight_gate.cli.views.frames import FrameSummary
from greenlight_gate.cli.views.terminal import Terminal
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.session import Session
from greenlight_gate.evidence.conversation import http_of
from greenlight_gate.findings import numbered
from greenlight_gate.rules.engine.canary import named
from greenlight_gate.session.loop_thread import admit
from greenlight_gate.session.validation_session import SessionPlan, ValidationSession
from greenlight_gate.targets.access import TargetFault, check_health
from greenlight_gate.targets.settings import Misconfigured, where_the_url_is
from greenlight_gate.trace import Header, Opened, Responded, encode_header, encode_record


def add(commands: Any) -> None:
    """Adds the command."""
    doctor = command_of(
        commands, "doctor", SUMMARIES["doctor"],
        "greenlight doctor --environment mine.toml",
        "exit codes: 0 no problems, 1 a problem, 3 misconfigured, 130 interrupted",
    )  # fmt: skip
    target(doctor)
    doctor.add_argument(
        "--wait", type=zero_or_more, default=0.0, metavar="SECONDS",
        help="how long to wait for a backend that is still starting (default: 0; example: --wait 30)",
    )  # fmt: skip
    doctor.add_argument(
        "--record",
        type=new_file,
        metavar="FILE.jsonl",
        help="write the frames to this file (example: --record capture.jsonl)",
    )


_RUN_S = 1_200.0
_AGAIN_S = 0.2


class Examination:
    """The checks from DNS to a second user; each prints its own line.

    `as_declared`: whether what was tried after the first answer went as the target file says. `answer_s`: how long the
    first answer took.
    """

    def __init__(self, suite: ValidationSession, console: Console) -> None:
        self.suite = suite
        self.console = console
        self.recorder: Recorder | None = None
        self.question: UserRequest | None = None
        self.session: Session | None = None
        self.as_declared = True
        self.answer_s = 0.0

    def admit_fault(self) -> None:
        """Raises SuiteFault if the suite could not process a message: then nothing is held against the target."""
        if self.recorder is not None:
            admit(self.recorder.fault)

    async def walk(self, wait_s: float = 0.0) -> None:
        """All of it. Raises TargetFault, NotConnected or Misconfigured at the step that fails.

        `wait_s`: how long a server may take until it listens.
        """
        await self._listens(wait_s)
        await self.reach()
        session = await self.connect()
        await self.warm_up()
        await self.ask(session)
        assert self.recorder is not None
        # What comes after a broken answer would repeat what is wrong with it.
        if self.question is not None and self.question.has_end and not self.recorder.findings:
            tries = Tries(self.suite, self.recorder, session)
            self.as_declared = await tries.all(self._show)
            self.answer_s = statistics.median([self.answer_s, *tries.answers_s])
        await session.close()
        self.recorder.finish()

    async def _listens(self, wait_s: float) -> None:
        target, until = self.suite.target, time.monotonic() + wait_s
        while time.monotonic() < until:
            try:
                await reach(target, "the url")
            except Misconfigured:
                await asyncio.sleep(_AGAIN_S)  # `reach` says it, once the time is over
            else:
                return

    async def reach(self) -> None:
        """Looks for the server and for its health."""
        suite = self.suite
        target, url_is = suite.target, where_the_url_is(suite.plan.environ)
        self._ok("DNS", await resolve(target, url_is))
        self._ok("TCP", await reach(target, url_is))
        self._ok("TLS", await secure(target, suite.tls))
        if target.health:
            report = await check_health(target)
            who = f"{report.service} {report.version}".strip() or target.health
            self._ok("health", f"{who} {f'reports {report.status}' if report.status else 'answers'}")
        for warning in (*suite.caveats, *suite.notices):
            self.console.print(f"[bold yellow]WARNING[/] {escape(warning)}", highlight=False, soft_wrap=True)

    async def connect(self) -> Session:
        """Signs the first user in and connects."""
        suite, target = self.suite, self.suite.target
        persona = target.personas[0]
        token = await suite.access.token_for(persona)
        self._ok("auth", f"a token for {persona.name} ({target.auth.obtain}, sent as {target.auth.send})")
        self.recorder = Recorder(
            "doctor", None, suite.profile, target.budgets, suite.access.redact_bytes, watch=suite.loop.watch
        )
        session = suite.new_session(Session, persona.name, persona, self.recorder)
        self.session = session
        try:
            await session.connect(token, suite.tls)
        finally:
            self._show_channel(self.recorder)
        steps = len(suite.profile.spec.handshake)
        self._ok("handshake", f"connected and ready{', ' + numbered(steps, 'step') if steps else ''}")
        return session

    def _show_channel(self, recorder: Recorder) -> None:
        """Over a channel, what the request was answered with that opens it; nothing if it was not opened."""
        opening = self.suite.profile.spec.connection.opening
        records = [entry.record for entry in recorder.entries if isinstance(entry.record, Opened)]
        if self._has_channel and opening is not None and records:
            after = f"opened after {records[0].handshake_ms:.0f} ms, {_media(records[0].headers)}"
            self._ok("channel", f"{opening.method} {opening.path} {after}")

    @property
    def _has_channel(self) -> bool:
        return self.suite.profile.spec.connection.by_channel

    async def warm_up(self) -> None:
        """Sends what the target sends before anything is judged; what is wrong with it shows in the answer after it."""
        runs = self.suite.target.warm_up_runs
        if runs:
            with contextlib.suppress(TargetFault):
                await self.suite.warm_up()
            self._ok("warm-up", f"{numbered(runs, 'request')}, of which nothing is judged (warm_up_runs)")

    async def ask(self, session: Session) -> None:
        """Asks the first prompt and waits for the end of the answer."""
        suite, target = self.suite, self.suite.target
        prompt = suite.first_prompt
        canary = suite.canary(target.personas[0])
        text = target.question(prompt, canary)
        self.question = await session.ask(text, target.expectation(prompt, canary))
        began = time.monotonic()
        await session.wait_end(self.question)
        came = f"{numbered(len(self.question.events), 'event')} in answer to {named(text)!r}"
        self.answer_s = time.monotonic() - began
        self._show_answer(session)
        if self.question.has_end:
            self._ok("one run", came)
        elif (error := error_in_place_of(self.question)) is not None:
            self._show(Tried("no", "one run", f"{said(error)} in place of a run, in answer to {named(text)!r}"))
        else:
            self._show(Tried("no", "one run", f"no end of the run within {self.answer_s:.1f} s: {came}"))

    def _show_answer(self, session: Session) -> None:
        """By HTTP, what the request was answered with, and when its first event came."""
        answers = [entry.record for entry in session.recorder.entries if isinstance(entry.record, Responded)]
        question = self.question
        if not answers or question is None or not question.seen_at:
            return  # the table of what came shows it
        media = _media(answers[0].headers)
        self._ok(
            "POST" if self._has_channel else "answer",
            f"{http_of(answers[0])} {answers[0].status} after {answers[0].after_ms:.0f} ms, {media}",
        )
        self._ok("first event", f"after {(question.seen_at[0] - question.asked_at) * 1e3:.0f} ms")

    def _ok(self, step: str, text: str) -> None:
        self._show(Tried("ok", step, text))

    def _show(self, tried: Tried) -> None:
        colour = {"ok": "green", "no": "red"}.get(tried.mark, "yellow")
        line = f"[{colour}]{tried.mark}[/]  {tried.step:<11} {escape(named(tried.text))}"
        self.console.print(line, highlight=False, soft_wrap=True)


def _media(headers: Sequence[str]) -> str:
    """The content type among these headers."""
    return next((text for text in headers if text.lower().startswith("content-type:")), "no content type")


def doctor(options: argparse.Namespace) -> int:
    """Returns 0 if a run is complete, each try went as declared and nothing was found, else 1. Raises Misconfigured."""
    console = Terminal()
    suite = ValidationSession(SessionPlan(environment=options.environment, environ=dict(os.environ)))
    examination: Examination | None = None
    try:
        try:
            suite.prepare()
            examination = Examination(suite, console)
            suite.loop.call(examination.walk(options.wait), _RUN_S + options.wait)
        except (TargetFault, NotConnected) as error:
            if examination is not None:
                examination.admit_fault()
            console.print(f"[red]no[/]  {escape(str(error))}", highlight=False)
            if examination is not None and examination.recorder is not None:
                summary = _show_frames(examination, console, options.record)
                if advice := after_failure(suite, examination.recorder, summary):
                    console.print(f"\nNext: {escape(advice)}", highlight=False, soft_wrap=True)
            return 1
        examination.admit_fault()
        return _diagnosis(examination, console, options.record)
    finally:
        suite.stop()


def _show_frames(examination: Examination, console: Console, record: Path | None) -> FrameSummary:
    recorder = examination.recorder
    assert recorder is not None
    recorder.finish()
    console.print()
    entries = [(entry.record, entry.reading) for entry in recorder.entries]
    summary = FrameSummary(examination.suite.profile, entries, examination.suite.target.shows_no)
    summary.show(console)
    for finding in recorder.findings:
        console.print(f"[red]{escape(str(finding))}[/]", highlight=False, soft_wrap=True)
    if record is not None:
        header = encode_header(Header(recorder.scenario, recorder.epoch_s))
        record.write_bytes(header + b"".join(encode_record(entry) for entry, _ in entries))
        console.print(f"\nframes written to {escape(str(record))}", highlight=False)
    return summary


def _diagnosis(examination: Examination, console: Console, record: Path | None) -> int:
    recorder, question = examination.recorder, examination.question
    assert recorder is not None
    assert question is not None
    summary = _show_frames(examination, console, record)
    well = not recorder.findings and question.answer is not None and not summary.too_many_unmapped
    well = well and examination.as_declared
    for line in forecast_lines(examination.suite, question, examination.answer_s):
        console.print(escape(line), highlight=False, soft_wrap=True)
    advice = next_step(examination.suite, recorder, summary, question, as_declared=examination.as_declared)
    console.print(f"\nNext: {escape(advice)}", highlight=False, soft_wrap=True)
    return 0 if well else 1
