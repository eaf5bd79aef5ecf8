"""Lets the rules of a team's own judge each run of a trace once it is settled, and reports what they say."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Final, NamedTuple

from greenlight_gate.events import Event
from greenlight_gate.findings import shortened
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState, Stage
from greenlight_gate.rules.own import Breach, OwnRule, RunEvent, SettledRun
from greenlight_gate.rules.registry import Rule

# A rule that never ends to object would fill the memory, and what is this long is read in no report.
_MOST_OF_A_RUN: Final = 1_000
_MOST_TEXT: Final = 4_000


class OwnRuleFailed(NamedTuple):
    """A rule of a team's own that raised, so that it knows nothing of a trace."""

    rule: Rule
    error: BaseException

    def __str__(self) -> str:
        """Which rule of which package failed, and how."""
        return f"the rule {self.rule.id} ({self.rule.source}) failed: {type(self.error).__name__}: {self.error}"


class OwnChecks:
    """Judges the runs of one trace by the rules of a team's own (an `EventObserver`).

    `connections` are those of the trace by name; `last_n` gives the number of the record that is being judged.
    `failed`: the rules that raised; the first time that one does, it judges nothing more of this trace.
    """

    def __init__(
        self, rules: Iterable[Rule], connections: Mapping[str, ConnectionChecker], last_n: Callable[[], int]
    ) -> None:
        self._rules = [rule for rule in rules if rule.check is not None]
        self._checks: dict[str, OwnRule] = {}
        self._connections, self._last_n = connections, last_n
        self._events: dict[str, list[RunEvent]] = {}
        self.failed: list[OwnRuleFailed] = []

    def __bool__(self) -> bool:
        return bool(self._rules)

    def on_event(self, run: RunState, event: Event, at: float) -> None:
        """An event of this run, or of a sub-agent of it, came."""
        root = run.root
        if root.stage is not Stage.ENDED and not event.synthesised:
            self._events.setdefault(root.id, []).append(RunEvent(self._last_n(), at, event))

    def on_more(self, run: RunState, at: float) -> None:
        """More of an event that came before: the run does not hold it twice."""

    def on_settled(self, outcome: Outcome) -> None:
        """A request is settled: each rule judges its run. What the suite sent to be refused is none of theirs."""
        run = self._settled(outcome)
        if outcome.request.foreign or outcome.request.invalid:
            return
        broken = {each.rule.id for each in self.failed}
        for rule in self._rules:
            if rule.id in broken:
                continue
            try:
                breaches = _checked(self._check_of(rule).on_settled(run), self._last_n())
            except (Exception, SystemExit) as error:  # noqa: BLE001 -- code of a team's own; it is reported as a fault of the suite
                self.failed.append(OwnRuleFailed(rule, error))
                continue
            report = self._connections[outcome.connection].report
            for number, breach in enumerate(breaches):
                expected, actual = (shortened(text, _MOST_TEXT) for text in (breach.expected, breach.actual))
                report(
                    rule.id, expected, actual, *(breach.records or run.records), run=outcome.run,
                    about=f"{outcome.request.n}.{number}", late=breach.late,
                )  # fmt: skip

    def _check_of(self, rule: Rule) -> OwnRule:
        check = self._checks.get(rule.id)
        if check is None:
            assert rule.check is not None
            check = self._checks[rule.id] = rule.check()
        return check

    def _settled(self, outcome: Outcome) -> SettledRun:
        request, run = outcome.request, outcome.run
        return SettledRun(
            user=self._connections[outcome.connection].user, connection=outcome.connection,
            prompt=request.expect.prompt if request.expect is not None else "", asked_record=request.n,
            asked_at=request.at, settled_at=outcome.at,
            run=run.id if run is not None and not run.id.startswith("?") else None,
            thread=run.thread if run is not None else request.thread, expect=request.expect,
            events=tuple(self._events.pop(run.root.id, ())) if run is not None else (), ended_by=outcome.ended_by,
            error=outcome.error, excused=outcome.excused,
        )  # fmt: skip


def _checked(breaches: Iterable[Breach], last_n: int) -> list[Breach]:
    """What a rule returned. Raises TypeError for what are no breaches, ValueError for too many, or for no records."""
    found = list(islice(breaches, _MOST_OF_A_RUN + 1))
    if len(found) > _MOST_OF_A_RUN:
        raise ValueError(f"one run has more than {_MOST_OF_A_RUN:,} breaches")
    for each in found:
        if not (isinstance(each, Breach) and isinstance(each.expected, str) and isinstance(each.actual, str)):
            raise TypeError(f"on_settled has to return breaches with two texts, and {each!r} is none")
        if any(not 1 <= record <= last_n for record in each.records):
            raise ValueError(f"the trace has {last_n} records, and a breach names {each.records}")
    return found
