"""The detection matrix in Gherkin: one row for each defect of the registry.

`python -m greenlight_gate.assurance features` writes the file; a test holds it against the registry.
"""

from pathlib import Path

from greenlight_gate.assurance.proofs import PROOFS
from greenlight_gate.backend.defects import REGISTRY
from greenlight_gate.rules.registry import RULES
from greenlight_gate.targets.settings import suite_root
from greenlight_gate.verdict.decision import Facts, Observed, decide

KNOWN_DEFECTS = Path("assurance/1_known_defects.feature")
_HEAD = """\
# Made of the registry of defects: `python -m greenlight_gate.assurance features` writes it anew.
@assurance
Feature: Every known defect blocks the release
  Real chat backends had most of these. A suite that lets one pass is worse than none.
"""
_TITLES = {
    "functional": "What one person is owed in one conversation",
    "integration": "Several questions, tools, helpers and windows",
    "performance": "What comes too late is no news",
    "resilience": "Lines that are lost, and people who come back",
    "security": "What belongs to one person is shown to nobody else",
    "stress": "Many people, who come, stay and go",
    "stack": "What lives between several machines",
}


def promise_of(rule: str) -> str:
    """The sentence of a rule or of a criterion. Raises KeyError for what is neither."""
    return RULES[rule].requirement if rule in RULES else _criteria()[rule]


def _criteria() -> dict[str, str]:
    nothing = Facts(("performance", "stress"), "", (), (), Observed(), (), {}, {})
    return {criterion.id: criterion.requirement for criterion in decide(nothing).criteria}


def as_feature() -> str:
    """The text of the feature."""
    parts = [_HEAD]
    for family in dict.fromkeys(found.family for found in REGISTRY.values()):
        names = [found.name for found in REGISTRY.values() if found.family == family]
        cells = [("defect", "what people say", "rule", "promise")]
        for name in names:
            rule = PROOFS[name].rule
            cells.append((name, REGISTRY[name].notice, rule, promise_of(rule)))
        widths = [max(len(row[column]) for row in cells) for column in range(4)]
        rows = [
            "        | " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
            for row in cells
        ]
        tags = ["  @needs.replicas"] if any(PROOFS[name].replicated for name in names) else []
        parts += [
            "",
            f"  Rule: {_TITLES[family]}",
            "",
            *(f"  {tag}" for tag in tags),
            "    Scenario Outline: <defect>",
            "      Given a backend of which people say: <what people say>",
            "      When a release of it is judged",
            "      Then it is blocked by <rule>: <promise>",
            "",
            "      Examples:",
            *rows,
        ]
    return "\n".join(parts).replace("\n\n\n", "\n\n") + "\n"


def write() -> Path:
    """Write the feature of the checkout, and return its path."""
    path = suite_root() / "features" / KNOWN_DEFECTS
    path.parent.mkdir(exist_ok=True)
    path.write_text(as_feature(), encoding="utf-8")
    return path
