"""verdict.html: one page for product owners and engineers. It loads nothing from the network."""

import base64
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from greenlight_gate.categories import categories_with
from greenlight_gate.evidence.attribution import Attributed
from greenlight_gate.evidence.judge import JudgedSession, Judgement
from greenlight_gate.evidence.session_folder import Evidence, write_whole
from greenlight_gate.evidence.shorten import brief
from greenlight_gate.findings import printable, printable_lines
from greenlight_gate.report.advice import Advice, on_criterion, on_rule
from greenlight_gate.report.conversation_data import Conversations, pack
from greenlight_gate.report.finding_excerpt import ExcerptRow, excerpt
from greenlight_gate.report.headline import causes, what_was_judged
from greenlight_gate.report.monitoring_files import PAGE
from greenlight_gate.rules.engine.canary import named
from greenlight_gate.verdict.criteria import Criterion, Status
from greenlight_gate.verdict.facts import ScenarioOutcome, ScenarioResult, Verdict
from greenlight_gate.verdict.scope import PARTIAL
from greenlight_gate.wire.profile import Profile

_MOST_CONVERSATIONS = 40
_MOST_OF_A_RULE = 3
_MOST_LINES = 12
_IN_WORDS = {
    Verdict.APPROVED: "The target may be released.",
    Verdict.BLOCKED: "The target must not be released.",
    Verdict.INCONCLUSIVE: "There is no decision: evidence is missing.",
}
_LOAD_APPROVED = "The load found no violation. A load approves no release."
_PART_APPROVED = "A part of the suite passed. This is not a release decision."
_STATUS = {Status.PASSED: "met", Status.FAILED: "not met", Status.INCONCLUSIVE: "unknown", Status.WAIVED: "waived"}
# An id as a UUID or a digest; the findings below and the frames have it whole.
_LONG_ID = re.compile(r"(?<![0-9a-f])([0-9a-f]{8})[0-9a-f]{16,}")
# In this order they are one script.
SCRIPTS = ("timeline.js", "records.js", "conversations.js")
# The pre-deployment checklist: each requirement, and the criteria that judge it.
_CHECKLIST = (
    ("Every scenario of the selected categories ran and passed", ("SCENARIOS",)),
    ("Each scenario passed each time that it ran", ("REPEATS",)),
    ("There are no findings in any round of the day", ("ROUNDS",)),
    ("There are no findings under load", ("RULES",)),
    ("Users receive all five events of an answer", ("COMPLETENESS",)),
    ("Connections are accepted, and answers arrive", ("SUCCESS", "FAILURES")),
    ("Events arrive without delay", ("LATENCY",)),
    ("No user receives data of another user", ("ISOLATION",)),
    ("Users who lose their connection recover in time", ("RECOVERY",)),
    ("The backend does not leak memory", ("MEMORY",)),
    ("No critical failure pattern occurred", ("PATTERNS",)),
    ("Every waiver is in date, and still covers something", ("WAIVERS",)),
    ("It is not slower than in earlier approved sessions", ("BASELINE",)),
    ("The evidence is complete", ("EVIDENCE",)),
)


class Picture(NamedTuple):
    """One picture of the page. `html` is an SVG or an image with inline data; `said` describes it in words."""

    name: str
    file: str
    said: str
    html: str


class Shown(NamedTuple):
    """A rule with findings: how many, the first of them with their conversations, and advice."""

    rule: str
    severity: str
    requirement: str
    times: int
    first: list[tuple[Attributed, list[ExcerptRow], str]]
    advice: Advice


def render(
    judgement: Judgement, folder: Path, pictures: Sequence[Picture], trend: str = "", other: JudgedSession | None = None
) -> str:
    """The page as HTML. `trend`: the HTML part about earlier sessions; `other`: a session to show side by side."""
    session, decision = judgement.session, judgement.decision
    checklist = _checklist(decision.criteria)
    worst = "not met" if decision.verdict is Verdict.BLOCKED else "unknown"
    name = _as_named(folder)
    packed = _packed(JudgedSession(judgement, folder), other)
    begun = datetime.fromtimestamp(session.started_epoch_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return template().render(
        decision=decision, in_words=_in_words(judgement), session=session, judged=what_was_judged(judgement),
        causes=causes(judgement),
        begun=begun, took=_took(judgement),
        criteria=[(c, _STATUS[c.status], on_criterion(
            c.id, c.status, name, session.environment, c.measured, target=session.environment_option))
                  for c in decision.criteria],
        checklist=checklist, worst=worst, open=[text for text, state, _ in checklist if state == worst],
        pictures=pictures, patterns=judgement.patterns,
        rules=_shown(judgement, folder), findings=len(judgement.findings), categories=_categories(judgement),
        failed=_by_category(
            _concerned(judgement, ScenarioOutcome.FAILED, ScenarioOutcome.BROKEN, ScenarioOutcome.NOT_RUN)
        ),
        unexercised=_by_reason(_concerned(judgement, ScenarioOutcome.NOT_EXERCISED)), outcomes=_outcomes(judgement),
        unexamined=[each for each in categories_with(session.available) if each not in session.wanted],
        observed=judgement.measured,
        measurements=judgement.measurements, trend=trend, loads=judgement.loads,
        begin=judgement.timeline.windows.start, name=name, conversations=packed, script=_script(),
        script_digest=_digest(_script()),
    )  # fmt: skip


@cache
def template() -> Template:
    """The page's template."""
    environment = Environment(
        loader=PackageLoader("greenlight_gate.report"), autoescape=True, undefined=StrictUndefined, finalize=_visible
    )
    environment.filters["printable"] = printable
    environment.filters["short_ids"] = partial(_LONG_ID.sub, r"\1…")
    environment.filters["brief"] = partial(brief, most=_MOST_LINES)
    return environment.get_template("verdict.html.j2")


@cache
def _script() -> str:
    """The script of the page."""
    templates = files("greenlight_gate.report") / "templates"
    return "".join((templates / name).read_text(encoding="utf-8") for name in SCRIPTS)


def _digest(script: str) -> str:
    """By which the page's content security policy allows this script and no other."""
    return f"sha256-{base64.b64encode(sha256(script.encode()).digest()).decode()}"


def _packed(session: JudgedSession, other: JudgedSession | None) -> list[Conversations]:
    """The conversations of the session, and of the other one; none if the session has none."""
    sessions = [session] if other is None else [session, other]
    packed = [pack(each.judgement, each.folder) for each in sessions]
    return [each for each in packed if each is not None] if packed[0] is not None else []


def write_page(
    judgement: Judgement, folder: Path, pictures: Sequence[Picture], trend: str = "", other: JudgedSession | None = None
) -> Path:
    """Writes the page into the session folder, atomically. Raises OSError."""
    path = folder / PAGE
    write_whole(path, render(judgement, folder, pictures, trend, other).encode("utf-8", "replace"))
    return path


def _visible(value: Any) -> Any:
    """Text of the target with control characters escaped and canaries replaced by their owner's name."""
    return printable_lines(named(value)) if type(value) is str else value


def _in_words(judgement: Judgement) -> str:
    verdict = judgement.decision.verdict
    if verdict is Verdict.APPROVED and judgement.session.workload is not None:
        return _LOAD_APPROVED
    if verdict is Verdict.APPROVED and judgement.scope == PARTIAL:
        return _PART_APPROVED
    return _IN_WORDS[verdict]


def _as_named(folder: Path) -> str:
    """The folder as a command takes it; never an absolute path of this machine."""
    return folder.name if folder.is_absolute() else folder.as_posix()


def _took(judgement: Judgement) -> str:
    if judgement.ended is None:
        return "an unknown time: it did not finish"
    return f"{judgement.ended.epoch_s - judgement.session.started_epoch_s:.0f} s"


def _checklist(criteria: Sequence[Criterion]) -> list[tuple[str, str, str]]:
    """(requirement; met, not met, unknown or not examined; what was measured) of each row."""
    known = {criterion.id: criterion for criterion in criteria}
    rows = []
    for text, ids in _CHECKLIST:
        judged = [known[name] for name in ids if name in known]
        if judged:
            rows.append((text, _STATUS[judged[0].status], judged[0].measured))
        elif ids[0] not in ("REPEATS", "RULES", "ROUNDS", "WAIVERS") and "ROUNDS" not in known:
            # SCENARIOS covers these, where each ran once and nothing is waived; a day of the monitor is judged by its
            # rounds alone.
            rows.append((text, "not examined", f"no criterion {ids[0]} in this session"))
    return rows


def _categories(judgement: Judgement) -> list[tuple[str, dict[str, int]]]:
    rows: dict[str, dict[str, int]] = {name: {} for name in judgement.session.wanted}
    for scenario in judgement.scenarios:
        row = rows.setdefault(scenario.category, {})
        row[scenario.outcome.value] = row.get(scenario.outcome.value, 0) + 1
    return list(rows.items())


def _concerned(judgement: Judgement, *outcomes: ScenarioOutcome) -> list[ScenarioResult]:
    return [scenario for scenario in judgement.scenarios if scenario.outcome in outcomes]


def _by_category(scenarios: Sequence[ScenarioResult]) -> dict[str, list[ScenarioResult]]:
    of: dict[str, list[ScenarioResult]] = {}
    for scenario in scenarios:
        of.setdefault(scenario.category, []).append(scenario)
    return of


def _by_reason(scenarios: Sequence[ScenarioResult]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for scenario in scenarios:
        names.setdefault(scenario.reason, []).append(scenario.name)
    return names


def _outcomes(judgement: Judgement) -> list[ScenarioOutcome]:
    """The outcomes that occurred, as columns of the table; passed and failed always."""
    seen = {scenario.outcome for scenario in judgement.scenarios}
    return [
        outcome
        for outcome in ScenarioOutcome
        if outcome in seen or outcome in (ScenarioOutcome.PASSED, ScenarioOutcome.FAILED)
    ]


def _shown(judgement: Judgement, folder: Path) -> list[Shown]:
    by_rule: dict[str, list[Attributed]] = {}
    for item in judgement.broken:
        by_rule.setdefault(item.finding.rule, []).append(item)
    if not by_rule:
        return []
    profile = Profile.from_toml(judgement.session.profile_toml)
    room, shown = _MOST_CONVERSATIONS, []
    for cause in causes(judgement):
        rule, items = cause.rule, by_rule[cause.rule]
        first = []
        for item in items[: min(_MOST_OF_A_RULE, room)]:
            rows, missing = _conversation(folder, profile, item)
            first.append((item, rows, missing))
        room -= len(first)
        finding = items[0].finding
        session = judgement.session
        advice = on_rule(rule, _as_named(folder), session.environment, target=session.environment_option)
        shown.append(Shown(rule, finding.severity.value, finding.requirement, cause.times, first, advice))
    return shown


def _conversation(folder: Path, profile: Profile, item: Attributed) -> tuple[list[ExcerptRow], str]:
    try:
        return excerpt(Evidence(folder).inside(item.trace), profile, frozenset(item.finding.evidence)), ""
    except (OSError, msgspec.MsgspecError) as error:
        return [], f"the trace cannot be read: {error}"
