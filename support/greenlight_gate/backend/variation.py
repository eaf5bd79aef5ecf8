"""Variants of healthy behaviour, drawn from a seed.

The wire format and the contract allow everything here, so a finding about it is a false alarm. Without a seed the
backend has its default behaviour. The same seed gives the same variants; only random values of single events depend on
the order of the events.
"""

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from greenlight_gate.backend.frames import Body, encode
from greenlight_gate.backend.wire_variants import KINDS, LIKE, escaped, reshaped

_LONGEST_PAUSE_S = 3.0
_WORDS = (
    "naïve", "Ærøskøbing", "Straße", "καλημέρα", "добрый", "день", "こんにちは", "世界", "안녕하세요",
    "שלום", "مرحبا", "हिन्दी", "👩\u200d👩\u200d👧", "🇳🇴", "e\u0301tude", "x < y & z > w", "{not: json}", "50 %",
    "C:\\temp", '"quoted"', "tab\there", "line\nbreak", "https://example.org:8080/a?b=c", "ada@example.org",
    "at noon (local time)", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "“curly”", "null", "None",
    "ＡＪＩ全角", "soft=\r\nbreak", "=3D", "j", "aji",
)  # fmt: skip
_MORE_THOUGHTS = (
    "First I go through what I was asked.",
    "Noch einmal von vorn: was wird gebraucht?",
    "考えています…",
    "This looks right so far.",
)
_MEMBERS: tuple[tuple[str, object], ...] = (
    ("trace", {"span": "00f067aa0ba902b7", "sampled": True, "baggage": [1, 2.5, None, []]}),
    ("html", "<b>fine</b> & <i>well</i>"),
    ("link", "https://example.org:8080/a@b?c=d"),
    ("mood", "🙂"),
    ("locale", None),
    ("model", "reference-chat-2"),
    ("tokens", 17),
    ("letters", [97, 106, 105, 113, 121, 118, 46]),
    ("packed", "eJzLSM3JyQcABiwCFQ=="),
    ("packed twice", "WVdwcGNYbDJMZz09"),
    ("piece", "jiqyv"),
)


@dataclass(frozen=True)
class Variation:
    """One variant of healthy behaviour. `chance` is the random source for single events; None: nothing varies.

    `shapes`, `stamps` and `names` say for each kind of event where its fields are, how its time is written, and whether
    tools, reasoning and results have their alternative names. `pace_s` is the usual pause of the model, and `hesitates`
    the share of long pauses. `most_parts`: fragments of a message. `quiet`: no reasoning if no tool is needed.
    `slow_handshake_s` is the duration of the handshake.
    """

    chance: random.Random | None = None
    shapes: dict[str, str] = field(default_factory=dict)
    stamps: dict[str, str] = field(default_factory=dict)
    names: dict[str, bool] = field(default_factory=dict)
    spaced: bool = False
    escapes: bool = False
    shuffles: bool = False
    adds: bool = False
    talks_much: bool = False
    thinks_more: bool = False
    quiet: bool = False
    compresses: bool = True
    most_parts: int = 1
    pace_s: float = 0.0
    hesitates: float = 0.0
    tool_s: float = 0.0
    slow_handshake_s: float = 0.0
    heartbeat_s: float | None = None
    unknown: str = "FORBIDDEN_THREAD"

    @classmethod
    def drawn(cls, seed: int) -> "Variation":
        """The variation of a seed, a whole number."""
        chance = random.Random(seed)  # noqa: S311 - it has to be reproducible
        mixed = chance.random() < 0.4

        def each(*ways: str) -> dict[str, str]:
            usual = chance.choice(ways)
            return {kind: chance.choice(ways) if mixed else usual for kind in KINDS}

        shapes = each("payload", "data", "root", "wrapped", "wrapped flat", "run inside")
        stamps = each("iso", "seconds", "milliseconds")
        renamed = chance.random() < 0.5
        return cls(
            chance, shapes, stamps, {kind: chance.random() < 0.5 if mixed else renamed for kind in KINDS},
            spaced=chance.random() < 0.4, escapes=chance.random() < 0.4, shuffles=chance.random() < 0.3,
            adds=chance.random() < 0.4, talks_much=chance.random() < 0.4, thinks_more=chance.random() < 0.5,
            quiet=chance.random() < 0.4, compresses=chance.random() < 0.7,
            most_parts=chance.choice((1, 1, 2, 5, 40)), pace_s=_between(chance, 0.001, 0.04),
            hesitates=chance.choice((0.0, 0.005, 0.02)), tool_s=chance.choice((0.0, 0.01, 0.1)),
            slow_handshake_s=chance.choice((0.0, 0.0, 0.02, 0.2)), heartbeat_s=chance.choice((0.3, 1.0, 3.0)),
            unknown=chance.choice(("FORBIDDEN_THREAD", "BAD_REQUEST")),
        )  # fmt: skip

    def pause_s(self, usual_s: float) -> float:
        """The pause of the model: 1 ms to 3 s, rarely long."""
        if self.chance is None:
            return usual_s
        if self.chance.random() < self.hesitates:
            return _between(self.chance, 0.1, _LONGEST_PAUSE_S)
        return _between(self.chance, 0.001, max(0.001, self.pace_s))

    def tool_delay_s(self) -> float:
        """The extra time of a tool, so that parallel tools finish in any order."""
        return self.chance.uniform(0.0, self.tool_s) if self.chance is not None else 0.0

    def thoughts(self, thoughts: Sequence[str], *, needed: bool) -> Sequence[str]:
        """The reasoning; `needed`: it must not be empty."""
        if self.chance is None:
            return thoughts
        if self.quiet and not needed:
            return ()
        more = self.chance.sample(_MORE_THOUGHTS, self.chance.randint(0, 3)) if self.thinks_more else []
        return (*(f"{thought} {self._words(2)}" for thought in more), *thoughts)

    def answer(self, answer: str) -> str:
        """The answer, with random words around it."""
        if self.chance is None or not self.talks_much:
            return answer
        most = self.chance.choice((3, 40, 2_500))
        return f"{self._words(most)} {answer} {self._words(most)}"

    def event(self, text: str) -> str:
        """An event as it is sent."""
        if self.chance is None:
            return text
        body: Body = json.loads(text)
        name = str(body["type"])
        kind = LIKE.get(name, name)
        body = reshaped(body, self.shapes[kind], renamed=self.names[kind])
        holder = body["data"] if body["type"] == "system_message" else body
        holder["timestamp"] = _stamp(holder["timestamp"], self.stamps[kind])
        return self.encoded(body)

    def encoded(self, body: Body) -> str:
        """Any message as JSON text."""
        chance = self.chance
        if chance is None:
            return encode(body)
        if self.adds:
            body = {**body, **dict(chance.sample(_MEMBERS, chance.randint(0, 3)))}
        if self.shuffles:
            body = dict(chance.sample(list(body.items()), len(body)))
        separators = chance.choice(((", ", ": "), (" ,\n ", "\t:  "))) if self.spaced else (",", ":")
        ascii_only = self.escapes and chance.random() < 0.7
        text = json.dumps(body, ensure_ascii=ascii_only, separators=separators)
        if self.spaced:
            text = f"\r\n {text}\t"
        return escaped(text, chance) if ascii_only and len(text) < 4_000 else text

    def parts(self, text: str) -> list[str]:
        """The fragments that a message is sent in."""
        if self.chance is None or self.most_parts == 1:
            return [text]
        places = sorted(self.chance.randrange(len(text) + 1) for _ in range(self.chance.randrange(self.most_parts)))
        return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]

    def _words(self, most: int) -> str:
        assert self.chance is not None
        return " ".join(self.chance.choices(_WORDS, k=self.chance.randint(1, most)))


def _between(chance: random.Random, least: float, most: float) -> float:
    """A random value, evenly distributed on a logarithmic scale."""
    return math.exp(chance.uniform(math.log(least), math.log(most)))


def _stamp(text: str, way: str) -> str | float | int:
    if way == "iso":
        return text
    epoch_s = datetime.fromisoformat(text).timestamp()
    return epoch_s if way == "seconds" else int(epoch_s * 1e3)
