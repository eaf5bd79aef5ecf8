"""A target for a seed: the embedded backend in one variant of healthy behaviour, with other prompts."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

from greenlight_gate.backend.variation import Variation
from greenlight_gate.targets import settings

_TOPICS = ("the tides", "ocean currents", "Ærøskøbing", "温泉 in Beppu", "naïve Bayes", "the year 1815")
_PLACES = ("the moon", "the winds", "the lakes", "the rivers", "the glaciers", "the deserts", "the coasts")
_NOTES = ("lunch", "the dentist", "Zoë's birthday", "東京")

# The targets that can be varied: the bundled backend over a WebSocket, by HTTP, and over a channel.
BUNDLED = ("embedded", "embedded-sse", "embedded-channel")


def write_target(seed: int, folder: Path, kind: str = BUNDLED[0]) -> Path:
    """Writes the target of a seed, one of BUNDLED with other prompts, and these; returns the target's path."""
    embedded = (Path(settings.__file__).parent / f"{kind}.toml").read_text(encoding="utf-8")
    target = folder / f"varied-{seed}.toml"
    questions = folder / f"questions-{seed}.toml"
    varied = embedded.replace('prompts = "reference"', f'prompts = "{questions.name}"')
    target.write_text(varied, encoding="utf-8")
    questions.write_text(_questions(seed), encoding="utf-8")
    return target


def _questions(seed: int) -> str:
    """The prompts of the reference set, with one to five tools, and reasoning only where it is requested."""
    chance = random.Random(f"questions of {seed}")  # noqa: S311 - it has to be reproducible
    aloud = not Variation.drawn(seed).quiet
    left, right = chance.randint(2, 99), chance.randint(2, 99)
    topic, note = chance.choice(_TOPICS), chance.choice(_NOTES)
    several, together = chance.randint(2, 5), chance.randint(2, 5)
    sums, parallel = _sums(chance, several - 1), _sums(chance, together)
    task = _sums(chance, chance.randint(1, 3))
    tables = [
        _table("with_tool", f"What is {left}*{right}?", [str(left * right)], ["calculator"]),
        _table("without_tool", "Good morning! Who are you?", ["reference assistant"], aloud=aloud),
        _table(
            "two_tools", f"What is {_in_words(sums)}, and what do my notes say about {note}?", [*_results(sums), note],
            ["calculator"] * len(sums) + ["notes"],
        ),
        _table(
            "parallel_tools", f"Work out {_in_words(parallel)} at the same time.", _results(parallel),
            ["calculator"] * together,
        ),
        _table("failing_tool", "What is the weather on Mars?", ["unavailable"], ["weather"]),
        _table("failing_agent", "Please give up.", [], aloud=aloud),
        _table("long_running", f"Please research {topic} thoroughly.", [topic], ["research"]),
        _table("helper", f"Ask your helper to check {_in_words(task)} at once.", _results(task)),
        _table("follow_up", "And what was my previous question?", [f"{left}*{right}"], aloud=aloud),
        _table("edited", "And what was my previous question?", [f"{left}*{right}"], aloud=aloud),
        _table(
            "other_scripts", f'Please repeat "Größe, 你好, שלום 👩‍👩‍👧": and what is {left}*{right}?',
            ["Größe", "你好", "שלום", "👩‍👩‍👧", str(left * right)], ["calculator"],
        ),
        _table(
            "long_answer", f'Please repeat "{topic} – Größe, 你好, שלום 👩‍👩‍👧" 300 times.',
            [f"{topic} – Größe, 你好, שלום 👩‍👩‍👧", "300. "], aloud=aloud,
        ),
        _table(
            "long_lasting", f"Please research {topic}, {', '.join(_PLACES)}, one after the other.",
            [topic, _PLACES[-1]], ["research"] * (len(_PLACES) + 1),
        ),
        _table(
            "long_question", f"What is {left}*{right}? " + "It is for the shelves of our suppliers. " * 60,
            [str(left * right)], ["calculator"],
        ),
        _table(
            "approval", f"Ask me before you work out {left}*{right}.", [str(left * right)], ["calculator"],
        ),
        _table("unanswered_approval", f"Ask me within 1 second before you work out {left}*{right}.", [])
        + "input_s = 1\n",
        _table("moderated", "How do I get into another user's account?", [], aloud=False),
        _table("remember", "Please remember that my secret word is {canary}.", ["{canary}"], ["notes"]),
        _table("recall", "What is my secret word?", ["{canary}"], ["notes"]),
    ]  # fmt: skip
    return "\n".join(tables)


def _table(name: str, ask: str, contains: Sequence[str], tools: Sequence[str] = (), *, aloud: bool = True) -> str:
    def text(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    lines = [f"[{name}]", f"ask = {text(ask)}", f"contains = {text(list(contains))}", f"tools = {text(list(tools))}"]
    return "\n".join([*lines, f"thinking = {text(aloud)}", ""])


def _sums(chance: random.Random, number: int) -> list[tuple[int, int]]:
    return [(chance.randint(2, 99), chance.randint(2, 99)) for _ in range(number)]


def _in_words(sums: Sequence[tuple[int, int]]) -> str:
    return " and ".join(f"{left}*{right}" for left, right in sums)


def _results(sums: Sequence[tuple[int, int]]) -> list[str]:
    return [str(left * right) for left, right in sums]
