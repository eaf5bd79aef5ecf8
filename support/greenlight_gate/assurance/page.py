"""The published detection matrix: each defect, the rule that reports it, the time to detect and the detection limit."""

import re
import statistics
from pathlib import Path

from greenlight_gate.assurance import measured
from greenlight_gate.assurance.proofs import PROOFS, SLOW
from greenlight_gate.backend.defects import REGISTRY, Defect
from greenlight_gate.targets.settings import suite_root

PATH = Path(__file__).with_name("README.md")
# The sentence of the README with the same figures.
SUMMARY = re.compile(r"(\n## What it catches\n)(.*?)( \[Each one)", re.DOTALL)
_HEAD = """\
# What the suite detects

This page shows which faults of a chat backend the suite detects. Each row is one defect that the embedded backend can
be given. Most of them were found in real chat backends; the others break a rule that no known backend had broken. The
suite is not told which defect is active.

A defect is *detected* if all of this holds:

- the verdict is BLOCKED;
- the rule or criterion in the row reported it;
- no scenario ended in an error of the suite.

The same scenarios approve the backend without defects.

{figures}

The columns of the table:

- *defect*: its name, as in `greenlight run --defect NAME`; `greenlight serve --list-defects` prints all of them.
- *rule*: the rule or criterion that must report it, with its *severity*.
- *time to detect*: from the first step to the verdict, with only the scenarios that must report the defect and with
  short time budgets ({budgets}). After a colon, why it takes longer.
- *detection limit*: the value of the defect that is hardest to see and was still detected; in parentheses the next
  harder one, which was not. Each value was tried once. Other time budgets give other limits.

To measure it again:

    pytest -m assurance                              the matrix; and without its rule, a defect is not detected
    python -m greenlight_gate.assurance              the matrix only; `matrix NAME ...` for some defects
    python -m greenlight_gate.assurance measure      the matrix, and write this page (some minutes)
    python -m greenlight_gate.assurance limits       the detection limits, and write this page (some more minutes)
    python -m greenlight_gate.assurance page         write this page from the last measurements
    python -m greenlight_gate.assurance record       find a defect that makes each scenario and each assertion fail
    python -m greenlight_gate.assurance scenarios    run each scenario again with the defect recorded for it
    python -m greenlight_gate.assurance steps        remove each assertion of each step in turn

A backend that is served can be given any defect while it runs:

    greenlight serve --admin-token-env CHAT_ADMIN_TOKEN
    curl -X PUT -H "Authorization: Bearer $CHAT_ADMIN_TOKEN" -d '{{"defects": ["slow_start=2"]}}' http://127.0.0.1:8000/admin/defects

| defect | what a user notices | severity | rule | time to detect | detection limit |
|---|---|---|---|---|---|
"""


def summary() -> str:
    """The figures in one sentence, for this page and for the README."""
    known = measured.read()
    took = known.took_s
    if not took:
        return "Nothing has been measured yet."
    of_memory = max((seconds for name, seconds in took.items() if PROOFS[name].rule == "MEMORY"), default=0.0)
    others = max((seconds for name, seconds in took.items() if PROOFS[name].rule != "MEMORY"), default=0.0)
    return (
        f"{known.date}, `python -m greenlight_gate.assurance` on {known.cores} cores: {len(PROOFS)} defects activated, "
        f"{len(took)} detected by the right rule, in {known.seconds:.0f} s with short time budgets: "
        f"half of them within {statistics.median(took.values()):.1f} s, those of MEMORY, which is measured over "
        f"time, within {of_memory:.1f} s, all others within {others:.1f} s; {_false_alarms(known)}."
    )


def _false_alarms(known: measured.Measured) -> str:
    if not known.healthy_sessions:
        return "false alarms are not counted yet"
    rate = 1000 * known.false_alarms / known.healthy_sessions
    return f"{rate:.2g} false alarms per thousand healthy sessions ({known.false_alarms} in {known.healthy_sessions})"


def as_page() -> str:
    """Return the text of the page."""
    from greenlight_gate.assurance.bench import BUDGETS  # noqa: PLC0415 -- behave is loaded for it

    budgets = ", ".join(f"{name.removesuffix('_s').replace('_', ' ')} {value:g} s" for name, value in BUDGETS.items())
    rows = [_row(found) for found in REGISTRY.values()]
    return _HEAD.format(figures=summary(), budgets=budgets) + "\n".join(rows) + "\n"


def write() -> Path:
    """Write the page and the sentence of the README with the same figures; return the path of the page."""
    PATH.write_text(as_page(), encoding="utf-8")
    readme = suite_root() / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(SUMMARY.sub(lambda found: f"{found[1]}{summary()}{found[3]}", text), encoding="utf-8")
    return PATH


def _row(found: Defect) -> str:
    known = measured.read()
    took = known.took_s.get(found.name)
    because = f": {SLOW[found.name]}" if found.name in SLOW else ""
    cells = (
        f"`{found.name}`", found.notice, found.severity, PROOFS[found.name].rule,
        "not measured" if took is None else f"{took:.1f} s{because}", _limit(found, known.limits.get(found.name)),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _limit(found: Defect, limit: measured.Limit | None) -> str:
    if found.default is None or isinstance(found.default, str):
        return ""
    if limit is None:
        return f"default {found.default:g} {found.unit}".strip()
    unseen = f" (not {limit.unseen:g})" if limit.unseen is not None else ""
    return f"{limit.caught:g} {found.unit}".strip() + unseen
