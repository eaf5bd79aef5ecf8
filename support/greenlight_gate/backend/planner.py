"""The plan for a request: which tools to call, in which order, or what to answer without one."""

import functools
import re
from dataclasses import dataclass, replace

from greenlight_gate.backend import phrases
from greenlight_gate.backend.tools.tool import Call

# Requests may be long; only their beginning is searched, so that no pattern takes long.
_READ_CHARACTERS = 1_000
# How long the user's answer is waited for, if the request does not say.
_ANSWER_S = 60

# A sum is no part of a word: digits in a word, a date or a code such as AB-12-34 are none.
_ARITHMETIC = re.compile(
    r"(?<![\w.-])(?!\d{4}-\d\d-\d\d)[(\s+-]{0,8}\d[\d.]*(?:[\s()]{0,8}(?:\*\*|[-+*/])[\s()+-]{0,8}\d[\d.]*){1,40}"
    r"\s{0,8}\){0,8}(?![\w-])"
)
_WORDED_OPERATORS = (
    (re.compile(r"(?<=\d)\s*(?:[x×·]|times|multiplied by)\s*(?=[\d(])", re.IGNORECASE), "*"),
    (re.compile(r"(?<=\d)\s*(?:÷|divided by|over)\s*(?=[\d(])", re.IGNORECASE), "/"),
    (re.compile(r"(?<=\d)\s*plus\s*(?=[\d(])", re.IGNORECASE), "+"),
    (re.compile(r"(?<=\d)\s*(?:−|minus)\s*(?=[\d(])", re.IGNORECASE), "-"),
    (re.compile(r"(?<=\d)\s*(?:\^|to the power of)\s*(?=[\d(])", re.IGNORECASE), "**"),
)
_AT_ONCE = re.compile(r"at the same time|at once|in parallel|simultaneously|side by side|concurrently", re.IGNORECASE)
_GIVE_UP = re.compile(r"\bgive up\b", re.IGNORECASE)
_MODERATED = re.compile(r"\banother user's (?:account|password)\b", re.IGNORECASE)
_ASK_FIRST = re.compile(r"\bask me(?: within (?P<seconds>\d{1,3}) seconds?)? before\b", re.IGNORECASE)
_HELPER = re.compile(
    r"\b(?:helper|sub-?agent|assistant of yours)\b(?:\s+to)?\s*(?P<errand>.*)", re.IGNORECASE | re.DOTALL
)
_PREVIOUS = re.compile(r"\b(?:previous|former|last|earlier) question\b|\bwhat did i (?:just )?ask\b", re.IGNORECASE)
_WEATHER = re.compile(r"\bweather\b(?:\s+(?:like\s+)?(?:on|in|at|for)\s+(?P<place>[^?!.,]{1,80}))?", re.IGNORECASE)
_RESEARCH = re.compile(
    r"\bresearch\b\s+(?:on\s+|into\s+|about\s+)?(?P<topic>[^?!.]{1,120}?)"
    r"(?:\s+(?:thoroughly|carefully|properly|in depth|in detail))?\s*(?:[?!.]|$)",
    re.IGNORECASE,
)
_IN_TURN = re.compile(r",?\s+one after the other$", re.IGNORECASE)
_LISTED = re.compile(r",\s*(?:and\s+)?|\s+and\s+")
_REPEAT = re.compile(r'\brepeat\s+"(?P<words>[^"]{1,300})"(?:\s+(?P<times>\d{1,3})\s+times)?', re.IGNORECASE)
_REMEMBER = re.compile(
    r"\b(?:remember|note down|make a note|take a note)\b(?:\s+that|:)?\s+(?P<note>.+)", re.IGNORECASE | re.DOTALL
)
_NOTES = re.compile(
    r"\bmy (?:own |private |personal )?notes\b(?:\s+(?:have to\s+)?(?:say|tell(?: me)?|hold|contain|mention))?"
    r"(?:\s+(?:about|on|for|regarding)\s+(?P<topic>[^?!.,;]{1,120}))?",
    re.IGNORECASE,
)
_MINE = re.compile(
    r"\b(?:what|where|who|when|which)(?:'s| is| was| are| were)\s+my (?P<topic>[^?!.,;]{1,120})", re.IGNORECASE
)
_WHO_ARE_YOU = re.compile(r"\bwho are you\b|\bwhat are you\b|\byour name\b|\bintroduce yourself\b", re.IGNORECASE)
_NO_TOOL = ("I can answer this without a tool.",)
_HELLO = re.compile(r"\s*(?:good (?:morning|afternoon|evening|day)|hello|hi|hey)\b", re.IGNORECASE)


@dataclass(frozen=True)
class AgentPlan:
    """A plan. The calls of one stage run at the same time, the stages one after the other.

    `reply` is the answer without a tool, and what is said before the results of tools. `asks_first_s`: how long the
    user's approval of each tool is waited for; 0: none is needed. `unknown`: nothing is known about the request.
    """

    thoughts: tuple[str, ...]
    stages: tuple[tuple[Call, ...], ...] = ()
    reply: str = ""
    task: str = ""
    recalls: bool = False
    gives_up: bool = False
    moderated: bool = False
    thorough: bool = False
    asks_first_s: float = 0.0
    unknown: bool = False


def make_plan(question: str) -> AgentPlan:
    """Return the plan for a request; the first matching case decides."""
    text = question[:_READ_CHARACTERS].strip()
    if note := _REMEMBER.search(text):
        call = Call("notes", {"action": "add", "text": note["note"].strip()})
        return AgentPlan(("This is worth a note.",), ((call,),))
    if helper := _HELPER.search(text):
        return AgentPlan(("My helper can do this.",), task=helper["errand"].strip() or "introduce yourself")
    if _PREVIOUS.search(text):
        return AgentPlan(("I look at what was asked here before.",), recalls=True)
    return _without_answer(text) or _after_approval(text) or _worked_out(text)


def _without_answer(text: str) -> AgentPlan | None:
    if _MODERATED.search(text):
        return AgentPlan(("I see whether I may answer this.",), moderated=True)
    return AgentPlan(("I see no way to go on.",), gives_up=True) if _GIVE_UP.search(text) else None


def _after_approval(text: str) -> AgentPlan | None:
    if asks := _ASK_FIRST.search(text):
        plan = _with_tools(text.replace(asks[0], " ")) or _without_tools(text)
        return replace(plan, asks_first_s=float(asks["seconds"] or _ANSWER_S))
    return None


def _worked_out(text: str) -> AgentPlan:
    return _repeat(text) or _research(text) or _with_tools(text) or _without_tools(text)


def _repeat(text: str) -> AgentPlan | None:
    wish = _REPEAT.search(text)
    if wish is None:
        return None
    said = phrases.repeated(wish["words"], int(wish["times"] or 1))
    with_tools = _with_tools(text.replace(wish[0], " "))
    return replace(with_tools, reply=said) if with_tools else AgentPlan(_NO_TOOL, reply=said)


def _research(text: str) -> AgentPlan | None:
    found = _RESEARCH.search(text)
    if found is None:
        return None
    topic = found["topic"].strip()
    topics = _IN_TURN.sub("", topic)
    if topics != topic:
        calls = tuple((Call("research", {"topic": each}),) for each in _LISTED.split(topics) if each)
        return AgentPlan(phrases.FORETHOUGHTS, calls)
    return AgentPlan(phrases.FORETHOUGHTS, ((Call("research", {"topic": topic}),),), thorough=True)


def _with_tools(text: str) -> AgentPlan | None:
    found: list[tuple[int, Call]] = []
    rest = text
    for pattern, build in ((_WEATHER, _weather), (_NOTES, _search), (_MINE, _search)):
        found.extend((match.start(), build(match)) for match in pattern.finditer(rest))
        rest = pattern.sub(lambda match: " " * len(match[0]), rest)
    # Sums come last, and read the rest: digits in the topic of a note are no sum.
    found += [(match.start(), _sum(match)) for match in _ARITHMETIC.finditer(_symbols(rest))]
    calls = tuple(call for _, call in sorted(found, key=lambda item: item[0]))[:8]
    if not calls:
        return None
    thought = f"For this I need {phrases.listed([call.tool for call in calls])}."
    if _AT_ONCE.search(text):
        return AgentPlan((thought,), (calls,))
    return AgentPlan((thought,), tuple((call,) for call in calls))


def _without_tools(text: str) -> AgentPlan:
    if _WHO_ARE_YOU.search(text):
        return AgentPlan(_NO_TOOL, reply=phrases.INTRODUCTION)
    if _HELLO.match(text):
        return AgentPlan(_NO_TOOL, reply=phrases.HELLO)
    return AgentPlan(_NO_TOOL, reply=phrases.beyond_me(text), unknown=True)


def _weather(match: re.Match[str]) -> Call:
    return Call("weather", {"place": (match["place"] or "your place").strip()})


def _search(match: re.Match[str]) -> Call:
    return Call("notes", {"action": "search", "topic": (match["topic"] or "").strip()})


def _sum(match: re.Match[str]) -> Call:
    expression = " ".join(match[0].split()).strip(" .")
    while expression.endswith(")") and expression.count(")") > expression.count("("):
        expression = expression[:-1].rstrip()
    while expression.startswith("(") and expression.count("(") > expression.count(")"):
        expression = expression[1:].lstrip()
    return Call("calculator", {"expression": expression})


def _symbols(text: str) -> str:
    for pattern, symbol in _WORDED_OPERATORS:
        # The length is kept, so that positions still give the order of the parts.
        text = pattern.sub(functools.partial(_centred, symbol), text)
    return text


def _centred(symbol: str, match: re.Match[str]) -> str:
    return symbol.center(len(match[0]))
