"""Tries a target draft against the server: connects, asks once, and tries what the backend can do."""

import asyncio
import contextlib
import itertools
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from greenlight_gate import targets
from greenlight_gate.cli.doctor import Examination
from greenlight_gate.cli.init_target import TargetDraft, as_toml, target_text
from greenlight_gate.cli.recordings import PATIENT as CAPTURED
from greenlight_gate.cli.views.frames import FrameSummary
from greenlight_gate.cli.views.terminal import Terminal
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.session import Session
from greenlight_gate.events import Event, EventKind
from greenlight_gate.findings import printable
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.session.validation_session import SessionPlan, ValidationSession
from greenlight_gate.targets.access import TargetFault
from greenlight_gate.targets.settings import URL_VARIABLE
from greenlight_gate.trace import (
    LEAST_ERROR,
    Closed,
    Header,
    Opened,
    Received,
    Responded,
    StreamEnded,
    encode_header,
    encode_record,
)  # fmt: skip
from greenlight_gate.wire.capture import read_capture
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.templates import RESERVED, names_in

# Long enough for a model that thinks, and for a server that starts a process for each user.
PATIENT: Mapping[str, float] = {"handshake_s": 40, "start_s": 30, "silence_s": 30}
# For a profile that may be the wrong one, so that it soon gives up.
SHORT: Mapping[str, float] = {"handshake_s": 3, "start_s": 5, "silence_s": 5}
# The profile that `init` drafts, beside the target file.
PROFILE = "greenlight-profile.toml"
_USUAL_S = 5.0
_MARGIN = 5
_RUN_S = 400.0
_NO_CREDENTIALS = frozenset({401, 403, 1008, 4001, 4003, 4401, 4403})
# The name of the profile that reads nothing.
UNKNOWN = "unknown-wire"
# A backend may complain about text that is no JSON, and only log a message that it does not know.
_BAD_INPUT = ("{", '{"type": "no_such_message"}')
_QUIET_S, _LOOK_S = 4.0, 0.1
_ANY_CANARY = "{canary}"


@dataclass(frozen=True)
class Trial:
    """What came of one attempt. `why`: what failed, "" if a whole answer came.

    `refused`: for lack of credentials, as it seems. `kinds` are the events that were shown, `rank` says how much of the
    wire the profile reads. `lines` are the recorded frames, without secrets. `capabilities`: as tried. `answered`:
    by HTTP, how the request was answered.
    """

    draft: TargetDraft
    why: str = ""
    connected: bool = False
    refused: bool = False
    kinds: tuple[EventKind, ...] = ()
    tools: tuple[str, ...] = ()
    answer: str | None = None
    own_canary: bool = False
    unmapped: int = 0
    messages: int = 0
    handshake_s: float = 0.0
    start_s: float = 0.0
    silence_s: float = 0.0
    fine_clock: bool = False
    absent: Mapping[str, str] = field(default_factory=dict)
    capabilities: Mapping[str, bool] = field(default_factory=dict)
    lines: tuple[bytes, ...] = ()
    answered: Responded | None = None

    @property
    def fits(self) -> bool:
        """Whether the profile reads this wire: a whole answer, and hardly a frame that is not understood."""
        return not self.why and not self.too_many_unmapped

    @property
    def too_many_unmapped(self) -> bool:
        """Whether a verdict with this profile would be inconclusive."""
        return self.unmapped * 20 > self.messages

    @property
    def rank(self) -> tuple[bool, int, int]:
        """The higher, the more is read."""
        return not self.why, len(set(self.kinds)), -self.unmapped


def tried(
    draft: TargetDraft, folder: Path, environ: Mapping[str, str], budgets: Mapping[str, float], profile: str = ""
) -> Trial:  # fmt: skip
    """Tries a draft. `folder`: what its paths start from; `profile`: the text of a profile that is not written yet.

    Raises Misconfigured, also for what is not reachable.
    """
    with tempfile.TemporaryDirectory(prefix="greenlight-init-") as made:
        path = Path(made) / "trial.toml"
        trial = replace(draft.placed(folder), budgets=budgets, capabilities={}, lacking={})
        if profile:
            (Path(made) / PROFILE).write_text(profile, encoding="utf-8")
            trial = replace(trial, profile=PROFILE)
        path.write_text(target_text(trial), encoding="utf-8")
        own = {name: value for name, value in environ.items() if name != URL_VARIABLE}
        suite = ValidationSession(SessionPlan(environment=str(path), environ=own))
        try:
            suite.prepare()
            examination = Examination(suite, Terminal(quiet=True))
            return suite.loop.call(_trial(draft, examination), _RUN_S)
        finally:
            suite.stop()


async def _trial(draft: TargetDraft, examination: Examination) -> Trial:
    why, capabilities = "", dict[str, bool]()
    await examination.reach()
    try:
        session = await examination.connect()
        if examination.suite.profile.name == UNKNOWN:
            await _listen(examination, session)
        else:
            await examination.ask(session)
        if examination.question is not None and examination.question.has_end:
            capabilities = await _capabilities(examination, session)
        else:
            why = "no end of the answer was recognised"
        await session.close()
    except (NotConnected, TargetFault) as error:
        why = str(error)
        if examination.session is not None:
            await examination.session.close()
    if examination.recorder is not None:
        examination.recorder.finish()
    examination.admit_fault()
    return _seen(draft, examination, why, capabilities)


async def _listen(examination: Examination, session: Session) -> None:
    """Asks, and waits until nothing more comes: nobody knows yet what the end of an answer looks like."""
    suite, recorder = examination.suite, examination.recorder
    assert recorder is not None
    target, persona = suite.target, suite.target.personas[0]
    prompt, canary = suite.first_prompt, suite.canary(persona)
    await session.ask(target.question(prompt, canary), target.expectation(prompt, canary))
    asked, since = len(recorder.entries), time.monotonic()
    known = asked
    by_http, is_over = suite.profile.spec.connection.by_http, False
    while (
        session.open and not is_over and time.monotonic() - since < (_QUIET_S if known > asked else PATIENT["start_s"])
    ):
        await asyncio.sleep(_LOOK_S)
        if len(recorder.entries) > known:
            is_over = any(_ends_answer(entry.record) for entry in recorder.entries[known:])
            known, since = len(recorder.entries), time.monotonic()
    if by_http and session.open:
        with contextlib.suppress(NotConnected):
            await session.send_invalid(_BAD_INPUT[0])  # its answer shows what errors look like


def _ends_answer(record: object) -> bool:
    """Whether nothing more comes of the only request."""
    if isinstance(record, StreamEnded):
        return True
    return isinstance(record, Responded) and (record.status >= LEAST_ERROR or bool(record.problem))


class ByHttp(NamedTuple):
    """How a message is sent by HTTP: the transport of a profile, the path, and what opens the channel, "" for none."""

    transport: str
    path: str
    channel: str = ""

    def start(self, message: Mapping[str, Any]) -> str:
        """The message that asks, as inline TOML."""
        return as_toml({"http": {"path": self.path}, **message})

    @property
    def connection(self) -> str:
        """The lines of [connection]."""
        opening = f'opening = {{ method = "GET", path = {as_toml(self.channel)} }}\n' if self.channel else ""
        return f'[connection]\ntransport = "{self.transport}"\n{opening}'


def unknown_profile(message: Mapping[str, Any], by_http: ByHttp | None = None) -> str:
    """A profile that sends a message and reads nothing: what comes is recorded.

    What the message names is taken from the first message of a channel that has a member of that name.
    """
    named = sorted({name for _, name in names_in(message, "")} - {*RESERVED}) if by_http is not None else []
    steps = "".join(
        f"[[handshake]]\nexpect = {{ {name} = {{ exists = true }} }}\ncapture = {{ {name} = {as_toml(name)} }}\n"
        for name in (named if by_http is not None and by_http.channel else ())
    )
    return f"""name = "{UNKNOWN}"
{"" if by_http is None else by_http.connection}[frame]
codecs = {'["json-or-text"]' if by_http is None else '["sse?", "json-or-text"]'}
[absent]
agent_started = "not known yet"
{steps}[[event]]
when = {{ "{UNKNOWN}.end" = {{ exists = true }} }}
is = "agent_completed"
[send]
start = {as_toml(message) if by_http is None else by_http.start(message)}
"""


def reads(profile: str, lines: Sequence[bytes]) -> set[EventKind]:
    """The kinds of events that a profile reads in recorded answers, if it knows nearly all that came; else none."""
    checked = Profile.from_toml(profile)
    records, epoch_s = read_capture(lines, checked.spec)
    checker = TraceChecker(checked, CAPTURED, epoch_s)
    summary = FrameSummary(checked, [(record, checker.feed(record)) for record in records])
    return set() if summary.too_many_unmapped or EventKind.COMPLETED not in summary.shown else summary.shown


def recordings(trials: Sequence[Trial]) -> list[bytes]:
    """The frames of several trials, each on a connection of its own."""
    lines = []
    for number, trial in enumerate(trials, 1):
        lines += [line.replace(b'"connection":"c1"', f'"connection":"c{number}"'.encode()) for line in trial.lines]
    return lines


def _seen(draft: TargetDraft, examination: Examination, why: str, capabilities: Mapping[str, bool]) -> Trial:
    recorder, question, suite = examination.recorder, examination.question, examination.suite
    if recorder is None:
        return Trial(draft, why, refused=True)
    entries = [(entry.record, entry.reading) for entry in recorder.entries]
    summary = FrameSummary(suite.profile, entries)
    records = [record for record, _ in entries]
    opened = next((record for record in records if isinstance(record, Opened)), None)
    events = list(question.events) if question is not None else []
    seen_at = [question.asked_at, *question.seen_at] if question is not None else []
    gaps = [later - sooner for sooner, later in itertools.pairwise(seen_at)]
    canary = suite.canary(suite.target.personas[0])
    answer = question.answer if question is not None else None
    return Trial(
        draft, printable(why), connected=_is_connected(records, suite.profile, opened),
        refused=_refused(records, suite.profile, opened, events),
        kinds=tuple(event.kind for event in events),
        tools=tuple(event.tool for event in events if event.kind is EventKind.TOOL_EXECUTING and event.tool),
        answer=answer, own_canary=answer is not None and canary in answer,
        unmapped=summary.unmapped, messages=summary.messages,
        handshake_s=(opened.handshake_ms or 0) / 1e3 if opened is not None else 0.0,
        start_s=gaps[0] if gaps else 0.0, silence_s=max(gaps[1:], default=0.0),
        fine_clock=_is_fine(events), absent=dict(suite.profile.spec.absent), capabilities=capabilities,
        lines=(encode_header(Header(recorder.scenario, recorder.epoch_s)), *map(encode_record, records)),
        answered=next((record for record in records if isinstance(record, Responded) and not record.what), None),
    )  # fmt: skip


def _is_connected(records: Sequence[object], profile: Profile, opened: Opened | None) -> bool:
    """Whether a chat was reached: by HTTP, a tab is open before anything was requested."""
    by_http = profile.spec.connection.by_http
    return opened is not None and (not by_http or any(isinstance(record, Received) for record in records))


def _refused(records: Sequence[object], profile: Profile, opened: Opened | None, events: list[Event]) -> bool:
    """Whether the server wants to know who connects: by a status, by a code, or in the handshake that has a token."""
    closed = next((record for record in records if isinstance(record, Closed)), None)
    if closed is not None and {closed.status, closed.code} & _NO_CREDENTIALS:
        return True
    if any(isinstance(record, Responded) and record.status in _NO_CREDENTIALS for record in records):
        return True
    shows_token = any("{token}" in str(step.send) for step in profile.spec.handshake)
    received = any(isinstance(record, Received) for record in records)
    return shows_token and opened is not None and received and not events


def _is_fine(events: list[Event]) -> bool:
    """Whether events carry the server's time more finely than in whole seconds."""
    times = [event.server_s for event in events if event.server_s is not None]
    return any(not float(each).is_integer() for each in times)


async def _capabilities(examination: Examination, session: Session) -> dict[str, bool]:
    """What the backend can do, as far as one connection shows it."""
    suite, profile = examination.suite, examination.suite.profile
    spec, known = profile.spec, dict[str, bool]()
    known["resume"] = spec.can_resume and (spec.resume is not None or spec.shows("restored"))
    known["stop"] = profile.can_send("stop")
    known["ping"] = False
    known["errors"] = False
    try:
        if profile.can_send("ping") and spec.shows("pong") and session.open:
            known["ping"] = await session.ping()
        if spec.shows("error"):
            known["errors"] = True
            for bad in _BAD_INPUT:
                known["errors"] = known["errors"] and session.open and await session.send_invalid(bad) is not None
    except NotConnected:
        await asyncio.sleep(0)  # it hung up on one of them, and so cannot do it
    known["parallel_runs"] = spec.connection.runs == "many"
    known["sub_agents"] = any(event.parent is not None for event in _events(examination))
    known["server_clock"] = _is_fine(_events(examination))
    known["memory_probe"] = suite.target.is_loopback
    known["logout"] = False
    return known


def _events(examination: Examination) -> list[Event]:
    return list(examination.question.events) if examination.question is not None else []


def measured_budgets(trial: Trial) -> dict[str, float]:
    """The budgets that a target needs which was that slow in one run, those that differ from the usual 5 seconds.

    What cannot be measured in one run, such as how long a connection may stay half open, and whatever is longer there,
    comes from the example target of an included profile.
    """
    measured = {"handshake_s": trial.handshake_s, "start_s": trial.start_s, "silence_s": trial.silence_s}
    wanted = {name: float(-(-value * _MARGIN // 5) * 5) for name, value in measured.items()}
    needed = {name: value for name, value in wanted.items() if value > _USUAL_S}
    known = _example_budgets(trial.draft.profile)
    return {name: max(needed.get(name, 0.0), known.get(name, 0.0)) for name in dict.fromkeys((*needed, *known))}


def _example_budgets(profile: str) -> dict[str, float]:
    example = Path(targets.__file__).parent / "examples" / f"{profile}.toml"
    return tomllib.loads(example.read_text(encoding="utf-8")).get("budgets", {}) if example.is_file() else {}


def concluded(trial: Trial) -> TargetDraft:
    """The draft with what the trial has shown: tools, canary, clock, capabilities, budgets, and what is lacking."""
    draft = trial.draft
    if draft.reference:
        return draft
    capabilities = {name: able for name, able in trial.capabilities.items() if not able}
    ask, contains, mark = draft.ask, draft.contains, draft.mark
    if trial.own_canary and _ANY_CANARY not in ask:
        # Then the answer shows whose question it is as well, which isolation is judged by.
        ask, contains, mark = f"{ask} {mark}".strip(), (_ANY_CANARY, *contains), ""
    elif trial.own_canary and _ANY_CANARY not in str(contains):
        contains = (_ANY_CANARY, *contains)
    loopback = trial.capabilities.get("memory_probe", False)
    clock = "unknown" if not trial.fine_clock else "same-host" if loopback else "ping"
    if clock == "ping" and not trial.capabilities.get("ping"):
        clock = "unknown"
    if clock == "unknown":
        capabilities["server_clock"] = False
    return replace(
        draft, ask=ask, contains=contains, mark=mark, tools=trial.tools or draft.tools, clock=clock,
        capabilities=capabilities, budgets=measured_budgets(trial), lacking=_lacking(draft, trial, contains),
    )  # fmt: skip


def _lacking(draft: TargetDraft, trial: Trial, contains: tuple[str, ...]) -> dict[str, str]:
    lacking = dict(trial.absent)
    if draft.sign_in.obtain == "none":
        lacking["authentication"] = "users do not sign in"
    if _ANY_CANARY not in str(contains):
        lacking["isolation"] = "no answer holds {canary}, so no answer shows whose it is"
    return lacking
