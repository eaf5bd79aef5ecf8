"""The target file to copy explains every key, with its default."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from greenlight_gate.targets import settings as reader
from greenlight_gate.targets.model import NEEDS, PROMPTS, Target
from greenlight_gate.targets.sections import Persona
from greenlight_gate.verdict.scope import OPTIONAL

TEXT = (Path(reader.__file__).parent / "staging.toml").read_text(encoding="utf-8")
# Prompts have names of their own, which targets/prompts/reference.toml explains.
SECTIONS: dict[str, type[msgspec.Struct]] = {
    field.name: field.type
    for field in msgspec.structs.fields(Target)
    if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct) and field.name != "prompts"
} | {"personas": Persona}
# A key in a comment, with the default that it shows.
_COMMENTED = re.compile(r"^# (?:    )?([a-z_0-9]+) = (.+?)(?: {2,}#(.*))?$", re.MULTILINE)


def parts() -> dict[str, str]:
    """The text by section, in comments or not; "" is what comes before the first."""
    cut = re.split(r"^(?:#     )?\[\[?(\w+)\]\]?$", TEXT, flags=re.MULTILINE)
    return {"": cut[0], **dict(zip(cut[1::2], cut[2::2], strict=True))}


@pytest.mark.parametrize("struct", [Target, *SECTIONS.values()])
def test_every_key_is_explained(struct: type[msgspec.Struct]) -> None:
    section = next((name for name, known in SECTIONS.items() if known is struct), "")
    # The other sections are explained in the comment above them as well.
    text = parts()[section] if section in ("capabilities", "thresholds", "budgets", "limits") else TEXT

    assert {"auth", "capabilities", "thresholds", "budgets", "limits", "probe", "tls"} <= set(SECTIONS)
    names = [field.name for field in msgspec.structs.fields(struct)]
    assert names
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


def test_every_gap_that_can_be_accepted_is_explained() -> None:
    explained = TEXT[TEXT.index("# Missing events") : TEXT.index("[thresholds]")] + parts()["capabilities"]
    others = set(NEEDS) - set(PROMPTS) | {"broadcast"}

    assert {"authentication", "isolation", "replicas", "services"} < others
    assert [name for name in sorted(others) if not re.search(rf"\b{name}\b", explained)] == []


def test_what_does_not_count_where_it_is_missing_is_named() -> None:
    # Of the profile, of how the target is reached, or of the backend.
    promises = {"one_run_per_request", "resume_in_run", "http", "unbuffered", "model_calls", "endpoint_needs_token"}
    explained = TEXT[TEXT.index("# Missing events") : TEXT.index("[thresholds]")]

    assert promises < OPTIONAL < {*NEEDS, *promises}
    assert [name for name in sorted(OPTIONAL - promises) if not re.search(rf"\b{name}\b", explained)] == []


@pytest.mark.parametrize("section", ["auth", "capabilities", "budgets", "limits"])
def test_a_key_in_a_comment_shows_its_default(section: str) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(SECTIONS[section])}
    shown = [
        (name, tomllib.loads(f"value = {value}")["value"])
        for name, value, comment in _COMMENTED.findall(parts()[section])
        if name in fields and "an example" not in (comment or "")
    ]

    assert shown
    for name, value in shown:
        known = fields[name]
        default = known.default if known.default is not msgspec.NODEFAULT else known.default_factory()
        assert value == default, name
