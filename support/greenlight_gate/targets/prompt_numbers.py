"""Random numbers in prompts, so that no answer that was written beforehand is right.

In a set of prompts `{a:12..31}` stands for a number from 12 to 31, drawn once for a session. Everywhere in the set
`{a}` is that number, and `{a*b}`, `{a+b}` and `{a-b}` are what it gives with another one.
"""

import random
import re

import msgspec

from greenlight_gate.targets.sections import Invalid, Prompt, Prompts

_DRAWN = re.compile(r"\{([a-z]):(\d{1,6})\.\.(\d{1,6})\}")
_USED = re.compile(r"\{([a-z])(?:([-+*])([a-z]))?\}")


def drawn(prompts: Prompts, chance: random.Random) -> Prompts:
    """The prompts with numbers in place of the operands. Raises Invalid for one that is not defined, or defined twice.

    Where no operand is defined, braces are what they are.
    """
    known: dict[str, int] = {}
    asked = {name: prompt for name in prompts.__struct_fields__ if (prompt := getattr(prompts, name)) is not None}
    for name, prompt in asked.items():
        for letter, low, high in _DRAWN.findall(prompt.ask):
            if letter in known:
                raise Invalid(f"{name}.ask", "each operand to be defined once", f"{{{letter}:...}} is defined twice")
            if int(low) > int(high):
                raise Invalid(f"{name}.ask", "a range such as {a:12..31}", f"{{{letter}:{low}..{high}}} is empty")
            known[letter] = chance.randint(int(low), int(high))
    if not known:
        return prompts
    return msgspec.structs.replace(prompts, **{name: _filled(name, each, known) for name, each in asked.items()})


def _filled(name: str, prompt: Prompt, known: dict[str, int]) -> Prompt:
    def value(match: re.Match[str]) -> str:
        left, sign, right = match.groups()
        for letter in filter(None, (left, right)):
            if letter not in known:
                raise Invalid(name, f"{{{letter}:LOW..HIGH}} in the ask of some prompt", f"{match[0]} uses {letter}")
        if sign is None:
            return str(known[left])
        first, second = known[left], known[right]
        return str({"*": first * second, "+": first + second, "-": first - second}[sign])

    def filled(text: str) -> str:
        return _USED.sub(value, _DRAWN.sub(lambda match: str(known[match[1]]), text))

    contains = tuple(
        filled(entry) if isinstance(entry, str) else tuple(map(filled, entry)) for entry in prompt.contains
    )
    return msgspec.structs.replace(prompt, ask=filled(prompt.ask), contains=contains)
