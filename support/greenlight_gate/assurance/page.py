"""The published matrix: what was planted, by which rule it is caught, how soon, and how small it may be."""

import re
import statistics
from pathlib import Path

from greenlight_gate.assurance import measured
from greenlight_gate.assurance.proofs import PROOFS, SLOW
from greenlight_gate.backend.defects import REGISTRY, Defect
from greenlight_gate.targets.settings import suite_root

PATH = Path(__file__).with_name("README.md")
# Where the README says the same in one sentence.
SUMMARY = re.compile(r"(\n## What it catches\n)(.*?)( \[Each one)", re.DOTALL)
_HEAD = """\
# What the suite catches

The defects below were met in real chat backends, or stand for what nothing else had shown. Each is planted into the
embedded backend from outside: the suite that judges it is not told. Caught means that the verdict is BLOCKED, that the
rule or criterion of the row objected, and that no scenario broke. The same scenarios approve the backend without
defects.

{figures}

    pytest -m assurance                      the matrix, and what goes unseen without each rule
    python -m greenlight_gate.assurance              the matrix alone; with names of defects, these
    python -m greenlight_gate.assurance measure      the matrix, and what is said here of it (some minutes)
    python -m greenlight_gate.assurance limits       how small each may be (some minutes more)
    python -m greenlight_gate.assurance record       a defect under which each scenario fails and each assertion objects
    python -m greenlight_gate.assurance scenarios    each scenario again under the defect that was found for it
    python -m greenlight_gate.assurance steps        each assertion of each step removed in turn

Time to detect runs from the first step to the verdict, with the scenarios that must object and short budgets
({budgets}).
The limit is the hardest value that was still caught there, and the next one tried, which was not; each was tried once,
and budgets of your own move it. A backend that you serve can be given all of them while it runs:
`greenlight serve --admin-token-env CHAT_ADMIN_TOKEN`, and
`curl -X PUT -H "Authorization: Bearer $CHAT_ADMIN_TOKEN" -d '{{"defects": ["slow_start=2"]}}' .../admin/defects`.

| defect | what a user notices | severity | rule | time to detect | detection limit |
|---|---|---|---|---|---|
"""


def summary() -> str:
    """The figures in one sentence, for here and for the README."""
    known = measured.read()
    took = sorted(known.took_s.values())
    if not took:
        return "Nothing has been measured yet."
    return (
        f"{known.date}, `python -m greenlight_gate.assurance` on {known.cores} cores: {len(PROOFS)} defects planted, "
        f"{len(took)} caught by the rule that they name, in {known.seconds:.0f} s; each within {took[-1]:.1f} s, "
        f"half of them within {statistics.median(took):.1f} s; {_false_alarms(known)}."
    )


def _false_alarms(known: measured.Measured) -> str:
    if not known.healthy_sessions:
        return "false alarms are not counted yet"
    rate = 1000 * known.false_alarms / known.healthy_sessions
    return f"{rate:.2g} false alarms per thousand healthy sessions ({known.false_alarms} in {known.healthy_sessions})"


def as_page() -> str:
    """The text of the page."""
    from greenlight_gate.assurance.bench import BUDGETS  # noqa: PLC0415 -- behave is loaded for it

    budgets = ", ".join(f"{name.removesuffix('_s').replace('_', ' ')} {value:g} s" for name, value in BUDGETS.items())
    rows = [_row(found) for found in REGISTRY.values()]
    return _HEAD.format(figures=summary(), budgets=budgets) + "\n".join(rows) + "\n"


def write() -> Path:
    """Write the page and the line of the README that is made of the same figures; return the path of the page."""
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
