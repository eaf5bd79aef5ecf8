"""junit.xml, which GitHub, GitLab and most CI systems show: scenarios by category, and the criteria as a suite."""

import re
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from greenlight_gate.evidence.judge import Judgement
from greenlight_gate.evidence.session_folder import write_whole
from greenlight_gate.evidence.shorten import brief
from greenlight_gate.verdict.criteria import Criterion, Status
from greenlight_gate.verdict.facts import ScenarioOutcome, ScenarioResult
from greenlight_gate.verdict.reason import in_one_line

JUNIT = "junit.xml"
_MOST_LINES = 40
# Characters that XML 1.0 does not allow (section 2.2).
_NOT_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def as_junit(judgement: Judgement) -> bytes:
    """The file's content; a pure function of the judgement."""
    root = ET.Element("testsuites", name="greenlight")
    begun = datetime.fromtimestamp(judgement.session.started_epoch_s, UTC).isoformat(timespec="seconds")
    for category in dict.fromkeys(scenario.category for scenario in judgement.scenarios):
        suite = _suite(root, category, begun)
        for scenario in judgement.scenarios:
            if scenario.category == category:
                _scenario(suite, scenario, judgement.durations.get(scenario.key, 0.0))
        _count(suite)
    criteria = _suite(root, "criteria of approval", begun)
    for criterion in judgement.decision.criteria:
        _criterion(criteria, criterion)
    _count(criteria)
    _count(root, "testsuite/testcase")
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def write_junit(judgement: Judgement, folder: Path) -> None:
    """Writes it into the session folder, atomically. Raises OSError."""
    write_whole(folder / JUNIT, as_junit(judgement))


def _suite(root: ET.Element, name: str, begun: str) -> ET.Element:
    return ET.SubElement(root, "testsuite", name=name, timestamp=begun)


def _scenario(suite: ET.Element, scenario: ScenarioResult, took_s: float) -> None:
    place, _, line = scenario.key.partition(":")
    classname = _clean(place.removesuffix(".feature").replace("/", "."))
    case = ET.SubElement(
        suite, "testcase", name=_clean(scenario.name), classname=classname,
        file=_clean(f"features/{place}"), line=line or "1", time=f"{took_s:.3f}",
    )  # fmt: skip
    reason, short = _clean(brief(scenario.reason, _MOST_LINES)), _clean(in_one_line(scenario.reason))
    if scenario.waived:
        ET.SubElement(case, "skipped", message=_clean(f"waived: {scenario.waived}")).text = reason
    elif scenario.outcome is ScenarioOutcome.FAILED:
        ET.SubElement(case, "failure", message=short, type="failed").text = reason
    elif scenario.outcome in (ScenarioOutcome.BROKEN, ScenarioOutcome.NOT_RUN):
        ET.SubElement(case, "error", message=short, type=scenario.outcome.value).text = reason
    elif scenario.outcome is ScenarioOutcome.NOT_EXERCISED:
        ET.SubElement(case, "skipped", message=short)


def _criterion(suite: ET.Element, criterion: Criterion) -> None:
    case = ET.SubElement(suite, "testcase", name=criterion.id, classname="criteria", time="0.000")
    said = _clean(f"{criterion.requirement} Required: {criterion.threshold}; measured: {criterion.measured}")
    if criterion.status is Status.FAILED:
        ET.SubElement(case, "failure", message=said, type="broken")
    elif criterion.status is Status.INCONCLUSIVE:
        ET.SubElement(case, "error", message=said, type="inconclusive")


def _count(element: ET.Element, cases: str = "testcase") -> None:
    found = element.findall(cases)
    element.set("tests", str(len(found)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(sum(case.find(tag) is not None for case in found)))
    element.set("time", f"{sum(float(case.get('time', '0')) for case in found):.3f}")


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
