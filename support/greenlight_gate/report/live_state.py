"""What the live page of a monitor shows: the state now, the last day, alerts and findings. Its memory is bounded."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from greenlight_gate.findings import Finding, printable, shortened
from greenlight_gate.monitor.alerts import Alert
from greenlight_gate.monitor.round import Round, Watched
from greenlight_gate.rules.engine.canary import named

DAY_S = 86_400.0
_BUCKET_S = 900.0
_BUCKETS = int(DAY_S / _BUCKET_S) + 1
_MOST_ALERTS = 100
_MOST_FINDINGS = 30
_MOST_TEXT = 400
_MOST_OPEN = 50


class Bucket(msgspec.Struct):
    """A quarter of an hour: rounds by outcome, findings, and the acknowledgement of its answers in milliseconds."""

    began_epoch_s: float
    passed: int = 0
    failed: int = 0
    unreachable: int = 0
    skipped: int = 0
    broken: int = 0
    findings: int = 0
    answers: int = 0
    acknowledgement_ms_sum: float = 0.0
    acknowledgement_ms_max: float = 0.0


class ShownFinding(msgspec.Struct):
    """A finding as often as it was seen. `evidence`: the newest trace that shows it, from the output folder."""

    id: int
    finding: Finding
    times: int
    first_epoch_s: float
    last_epoch_s: float
    evidence: str
    records: tuple[int, ...]


class LiveState:
    """Takes rounds and alerts in the order of time; `snapshot` is what the page gets, as JSON values."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._last: Round | None = None
        self._since_s = 0.0
        self._day: deque[Bucket] = deque(maxlen=_BUCKETS)
        self._alerts: deque[Alert] = deque(maxlen=_MOST_ALERTS)
        self._open: OrderedDict[str, Alert] = OrderedDict()
        self._findings: OrderedDict[tuple[str, str, str], ShownFinding] = OrderedDict()
        self._ids = 0

    def take(self, one: Round) -> None:
        """One round more."""
        if self._last is None or self._last.outcome is not one.outcome:
            self._since_s = one.began_epoch_s
        self._last = one
        begins = one.began_epoch_s // _BUCKET_S * _BUCKET_S
        if not self._day or self._day[-1].began_epoch_s != begins:
            self._day.append(Bucket(begins))
        bucket = self._day[-1]
        setattr(bucket, one.outcome, getattr(bucket, one.outcome) + 1)
        bucket.findings += len(one.findings)
        bucket.answers += len(one.acknowledgement_ms)
        bucket.acknowledgement_ms_sum += sum(one.acknowledgement_ms)
        bucket.acknowledgement_ms_max = max((bucket.acknowledgement_ms_max, *one.acknowledgement_ms))
        for finding in one.findings:
            self._found(finding, one)

    def _found(self, finding: Finding, one: Round) -> None:
        """The same finding of many rounds is shown once, with its newest evidence."""
        key = (finding.rule, finding.user, finding.expected)
        shown = self._findings.pop(key, None)
        if shown is None:
            self._ids += 1
            shown = ShownFinding(self._ids, finding, 0, one.began_epoch_s, 0.0, "", ())
        shown.finding = finding
        shown.times += 1
        shown.last_epoch_s = one.began_epoch_s
        if one.evidence or not shown.evidence:
            shown.evidence, shown.records = one.evidence, finding.evidence
        self._findings[key] = shown
        if len(self._findings) > _MOST_FINDINGS:
            self._findings.popitem(last=False)

    def alert(self, alert: Alert) -> None:
        """One alert more."""
        self._alerts.append(alert)
        self._open.pop(alert.pattern, None)
        if alert.change != "over":
            self._open[alert.pattern] = alert
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)

    def finding(self, number: int) -> ShownFinding | None:
        """The finding with this id, if it is still shown."""
        return next((shown for shown in self._findings.values() if shown.id == number), None)

    def snapshot(self, now: float) -> dict[str, Any]:
        """All but the conversations, whose texts are those of a target: canaries named, control characters visible."""
        day = [bucket for bucket in self._day if now - bucket.began_epoch_s < DAY_S + _BUCKET_S]
        return {
            "now": now,
            "environment": text_of(self._watched.environment),
            "url": text_of(_plain(self._watched.url)),
            "every_s": self._watched.every_s,
            "bucket_s": _BUCKET_S,
            "state": self._state(),
            "day": [msgspec.to_builtins(bucket) for bucket in day],
            "alerts": [_alert(alert) for alert in reversed(self._alerts)],
            "open": [_alert(alert) for alert in self._open.values()],
            "findings": [_finding(shown) for shown in reversed(self._findings.values())],
        }

    def _state(self) -> dict[str, Any] | None:
        last = self._last
        if last is None:
            return None
        return {
            "outcome": str(last.outcome), "why": text_of(last.why), "since": self._since_s, "number": last.number,
            "began": last.began_epoch_s, "took_s": last.took_s, "parts": [text_of(part) for part in last.parts],
            "runs": {text_of(end): count for end, count in list(last.runs.items())[:20]}, "reconnects": last.reconnects,
            "troubles": _first((*last.errors, *last.troubles)),
        }  # fmt: skip


def text_of(text: str) -> str:
    """A text of the target or about it, as it may be shown."""
    return shortened(printable(named(text[: 4 * _MOST_TEXT])), _MOST_TEXT)


def _first(texts: Sequence[str]) -> list[str]:
    return [text_of(text) for text in texts[:5]]


def _alert(alert: Alert) -> dict[str, str]:
    return {
        "time": alert.time, "level": alert.level, "change": alert.change, "pattern": text_of(alert.pattern),
        "measured": text_of(alert.measured), "threshold": text_of(alert.threshold), "what": text_of(alert.what_to_do),
    }  # fmt: skip


def _finding(shown: ShownFinding) -> dict[str, Any]:
    finding = shown.finding
    return {
        "id": shown.id, "rule": finding.rule, "severity": str(finding.severity), "user": text_of(finding.user),
        "requirement": text_of(finding.requirement), "expected": text_of(finding.expected),
        "actual": text_of(finding.actual), "times": shown.times, "first": shown.first_epoch_s,
        "last": shown.last_epoch_s, "kept": bool(shown.evidence),
    }  # fmt: skip


def _plain(url: str) -> str:
    """The url without what may be a credential."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
