"""The detection matrix in Gherkin: one row for each defect of the registry.

`python -m greenlight_gate.assurance features` writes the file; a test compares it with the registry.
"""

from pathlib import Path

from greenlight_gate.assurance.proofs import PROOFS
from greenlight_gate.backend.defects import REGISTRY
from greenlight_gate.rules.registry import RULES
from greenlight_gate.targets.settings import suite_root
from greenlight_gate.verdict.decision import decide
from greenlight_gate.verdict.facts import Facts, Observed

KNOWN_DEFECTS = Path("assurance/1_known_defects.feature")
_HEAD = """\
# Generated from the registry of defects by `python -m greenlight_gate.assurance features`.
@assurance
Feature: Every known defect blocks the release
  Most of these defects come from real chat backends. Each row activates one, and names the rule that must report it.
"""
# The name of a row of the matrix; the name of the defect is between the two parts.
_BEFORE, _AFTER = "A release with ", " is blocked"
_TITLES = {
    "functional": "A release that breaks the events of one conversation is blocked",
    "integration": "A release that breaks several questions, tools, sub-agents or tabs is blocked",
    "performance": "A release that is slow is blocked",
    "resilience": "A release that loses events or refuses users after a lost connection is blocked",
    "security": "A release that shows one user's data to another, or accepts invalid tokens, is blocked",
    "stress": "A release that fails or leaks under many users is blocked",
    "stack": "A release that fails across replicas is blocked",
}


def promise_of(rule: str) -> str:
    """The sentence of a rule or of a criterion. Raises KeyError for other ids."""
    return RULES[rule].requirement if rule in RULES else _criteria()[rule]


def title_of(defect: str) -> str:
    """The name of the scenario of a defect."""
    return f"{_BEFORE}{defect}{_AFTER}"


def defect_of(title: str) -> str:
    """The defect of a scenario; "" if it has none."""
    name = title.removeprefix(_BEFORE).removesuffix(_AFTER)
    return name if name in PROOFS and title == title_of(name) else ""


def _criteria() -> dict[str, str]:
    nothing = Facts(("performance", "stress"), "", (), (), Observed(), (), {}, {})
    return {criterion.id: criterion.requirement for criterion in decide(nothing).criteria}


def as_feature() -> str:
    """The text of the feature."""
    parts = [_HEAD]
    for family in dict.fromkeys(found.family for found in REGISTRY.values()):
        names = [found.name for found in REGISTRY.values() if found.family == family]
        cells = [("defect", "what a user notices", "rule", "promise")]
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
            f"    Scenario Outline: {title_of('<defect>')}",
            "      Given a backend with this defect: <what a user notices>",
            "      When the release is judged",
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
