"""Single changes that break a legal trace, each with the rule that is responsible for it.

A mutation changes the trace in place and returns the rule that must object; None where the trace has no place for it.
They act on users with one tab that is never restored, where what is owed does not depend on what others saw.
"""

import itertools
import json
import random
from collections.abc import Callable
from typing import Any

import msgspec
from greenlight_gate.trace import Closed, Opened, Received, Sent

from support.tests.rules.model import CANARIES, NAMES
from support.tests.rules.talk import Body, Talk

ENDS = ("agent_completed", "agent_failed", "agent_stopped")
MIDDLE = ("agent_thinking", "tool_executing", "tool_completed")
Mutation = Callable[[Talk, random.Random], str | None]
MUTATIONS: dict[str, Mutation] = {}


def mutation(change: Mutation) -> Mutation:
    MUTATIONS[change.__name__] = change
    return change


class Event:
    """One event in a trace: where it stands, and what it says."""

    def __init__(self, index: int, record: Received) -> None:
        self.index = index
        self.connection = record.connection
        self.body: Body = json.loads(record.text or "")
        self.kind: str = self.body["type"]
        self.run: str = self.body["run_id"]
        self.thread: str = self.body["thread_id"]
        self.request: str = self.body["request_id"]
        self.helper = "parent_run_id" in self.body


def events(talk: Talk) -> list[Event]:
    """The events that come to users with a single tab."""
    opened: dict[str, list[str]] = {}
    spoilt = set()
    for record in talk.records:
        if isinstance(record, Opened):
            opened.setdefault(record.user, []).append(record.connection)
        if isinstance(record, Closed) or (isinstance(record, Sent) and record.what == "restore"):
            spoilt.add(record.connection)
    plain = {tabs[0] for tabs in opened.values() if len(tabs) == 1} - spoilt
    return [
        Event(index, record)
        for index, record in enumerate(talk.records)
        if isinstance(record, Received) and record.connection in plain and is_event(record.text or "")
    ]


def is_event(text: str) -> bool:
    """Whether a frame is an event, and whole: an earlier change may have cut it."""
    try:
        return "run_id" in json.loads(text)
    except ValueError:
        return False


def of_run(talk: Talk, run: str) -> list[Event]:
    return [event for event in events(talk) if event.run == run]


def end_of(talk: Talk, run: str) -> str:
    return of_run(talk, run)[-1].kind


def pick(chance: random.Random, found: list[Any]) -> Any:
    return chance.choice(found) if found else None


def put(talk: Talk, event: Event, **changes: Any) -> None:
    body = {**event.body, **changes}
    talk.records[event.index] = msgspec.structs.replace(talk.records[event.index], text=json.dumps(body))


def renumber(talk: Talk) -> None:
    """Gives the events of single tabs the numbers and ids that the backend would have given them in this order."""
    seen: dict[str, int] = {}
    for event in events(talk):
        first = event.body["seq"] if event.thread not in seen else seen[event.thread] + 1
        seen[event.thread] = first if event.thread in seen else 1
        put(talk, event, seq=seen[event.thread], event_id=f"{event.thread}-{seen[event.thread]}")


def is_between(talk: Talk, event: Event) -> bool:
    """Whether a number of its thread comes before and after it, so that its own is missed."""
    others = [other.index for other in events(talk) if other.thread == event.thread]
    return others[0] < event.index < others[-1]


def has_call_ids(talk: Talk, run: str) -> bool:
    """Whether all calls of a run are told apart by their ids."""
    payloads = [event.body["payload"] for event in of_run(talk, run)]
    return all(payload.get("tool_call_id", "none") for payload in payloads)


def shows_itself(talk: Talk, event: Event) -> bool:
    """Whether a run is known by a second event of its own before a helper of it is: else the helper is taken for it."""
    after = [e for e in events(talk) if e.request == event.request and e.index > event.index]
    return event.kind != "agent_started" or event.helper or not after or not after[0].helper


def finishes_all(talk: Talk, run: str) -> bool:
    """Whether each tool that begins in a run is seen to finish."""
    kinds = [event.kind for event in of_run(talk, run)]
    return kinds.count("tool_executing") == kinds.count("tool_completed")


def is_last_thought(talk: Talk, event: Event) -> bool:
    """Whether it is the only thought of a run that owes one, and that comes to its answer."""
    asked = next(r for r in talk.records if isinstance(r, Sent) and r.request == event.request)
    thoughts = [e for e in events(talk) if e.request == asked.request and e.kind == "agent_thinking"]
    root = [e for e in events(talk) if e.request == asked.request and not e.helper]
    if not root or asked.expect is None or not asked.expect.thinking:
        return False
    return root[-1].kind == asked.expect.end and len(thoughts) == 1


@mutation
def drop(talk: Talk, chance: random.Random) -> str | None:
    """An event never comes."""
    event = pick(chance, [e for e in events(talk) if shows_itself(talk, e)])
    if event is None:
        return None
    rule = "LIFECYCLE-1" if event.kind == "agent_started" and len(of_run(talk, event.run)) > 1 else None
    if event.kind == "tool_executing" and finishes_all(talk, event.run):
        rule = "PAIRING-1"
    elif event.kind == "tool_completed" and end_of(talk, event.run) == "agent_completed":
        rule = "PAIRING-2"
    elif event.kind in ENDS and not event.helper:
        rule = "LIFECYCLE-2"
    elif event.kind == "agent_thinking" and is_last_thought(talk, event):
        rule = "LIFECYCLE-4"
    rule = rule or ("CONTINUITY-3" if is_between(talk, event) else None)
    del talk.records[event.index]
    return rule


@mutation
def drop_unnumbered(talk: Talk, chance: random.Random) -> str | None:
    """An event never came into being, so that no number is missing."""
    owed = [e for e in events(talk) if shows_itself(talk, e)]
    owed = [e for e in owed if e.kind != "agent_thinking" or is_last_thought(talk, e)]
    owed = [e for e in owed if e.kind not in ENDS or not e.helper]
    owed = [e for e in owed if len(of_run(talk, e.run)) > 1]
    owed = [e for e in owed if e.kind != "tool_completed" or end_of(talk, e.run) == "agent_completed"]
    owed = [e for e in owed if e.kind != "tool_executing" or finishes_all(talk, e.run)]
    event = pick(chance, owed)
    if event is None:
        return None
    rule = {
        "agent_started": "LIFECYCLE-1", "agent_thinking": "LIFECYCLE-4", "tool_executing": "PAIRING-1",
        "tool_completed": "PAIRING-2",
    }.get(event.kind, "LIFECYCLE-2")  # fmt: skip
    del talk.records[event.index]
    renumber(talk)
    return rule


@mutation
def double(talk: Talk, chance: random.Random) -> str | None:
    """A frame comes twice, the second time at once or later."""
    event = pick(chance, events(talk))
    if event is None:
        return None
    end = of_run(talk, event.run)[-1]
    later = chance.randint(event.index + 1, len(talk.records))
    talk.records.insert(later, msgspec.structs.replace(talk.records[event.index], at=talk.records[later - 1].at))
    under_way = later <= end.index or end.kind not in ENDS
    return "CONTINUITY-2" if under_way or event.index == end.index else "LIFECYCLE-3"


@mutation
def double_under_the_same_number(talk: Talk, chance: random.Random) -> str | None:
    """A frame comes twice: whatever else is wrong with it, its number is."""
    event = pick(chance, events(talk))
    if event is None:
        return None
    later = chance.randint(event.index + 1, len(talk.records))
    talk.records.insert(later, msgspec.structs.replace(talk.records[event.index], at=talk.records[later - 1].at))
    return "CONTINUITY-3"


@mutation
def double_unnumbered(talk: Talk, chance: random.Random) -> str | None:
    """An event comes into being twice, each with a number of its own."""
    event = pick(chance, [e for e in events(talk) if e.kind != "agent_thinking"])
    if event is None or (event.kind == "tool_executing" and end_of(talk, event.run) != "agent_completed"):
        return None
    talk.records.insert(event.index + 1, talk.records[event.index])
    renumber(talk)
    return {"agent_started": "LIFECYCLE-1", "tool_executing": "PAIRING-2", "tool_completed": "PAIRING-1"}.get(
        event.kind, "LIFECYCLE-2"
    )


def _exchange(talk: Talk, first: Event, second: Event) -> None:
    for event, other in ((first, second), (second, first)):
        talk.records[event.index] = msgspec.structs.replace(
            talk.records[event.index], text=json.dumps(other.body), connection=other.connection
        )


@mutation
def swap(talk: Talk, chance: random.Random) -> str | None:
    """Two events of a conversation change places, with their numbers."""
    found = events(talk)
    asked = {r.request: i for i, r in enumerate(talk.records) if isinstance(r, Sent)}
    pairs = [(a, b) for a in found for b in found if asked[b.request] < a.index < b.index and a.thread == b.thread]
    pair = pick(chance, pairs)
    if pair is None:
        return None
    _exchange(talk, *pair)
    return "CONTINUITY-3"


@mutation
def swap_unnumbered(talk: Talk, chance: random.Random) -> str | None:
    """Two neighbours of a run come into being in the other order."""
    found = events(talk)
    runs = {event.run: of_run(talk, event.run) for event in found}
    pairs = []
    for run in runs.values():
        numbered = has_call_ids(talk, run[0].run)
        for first, second in itertools.pairwise(run):
            call = first.body["payload"].get("tool_call_id", "none")
            same = numbered and call == second.body["payload"].get("tool_call_id")
            if first.request != second.request:
                continue  # two runs write into each other: an end may come before its question
            if first.kind == "agent_started" or (second.kind in ENDS and not second.helper) or same:
                pairs.append((first, second))
    pair = pick(chance, pairs)
    if pair is None:
        return None
    first, second = pair
    _exchange(talk, first, second)
    renumber(talk)
    if second.kind in ENDS and not second.helper and first.kind != "agent_started":
        return "LIFECYCLE-3"
    return "LIFECYCLE-1" if first.kind == "agent_started" else "PAIRING-1"


@mutation
def relabel_kind(talk: Talk, chance: random.Random) -> str | None:  # noqa: PLR0911 - one for each kind
    """An event goes by the name of another kind."""
    event = pick(chance, [e for e in events(talk) if not e.helper])
    if event is None:
        return None
    kind = chance.choice([kind for kind in ("agent_started", *MIDDLE, *ENDS) if kind != event.kind])
    put(talk, event, type=kind)
    if event.kind == "agent_started":
        return "LIFECYCLE-1" if kind in MIDDLE else "LIFECYCLE-2"
    if event.kind in ENDS:
        return None if kind in ENDS else "LIFECYCLE-1" if kind == "agent_started" else "LIFECYCLE-2"
    if kind in ENDS:
        return "LIFECYCLE-2"
    if kind == "agent_started":
        return "LIFECYCLE-1"
    if event.kind == "agent_thinking":
        return "PAIRING-3"
    if event.kind == "tool_executing":
        # A run that was stopped may never have come to the end of the tool.
        return "PAIRING-1" if end_of(talk, event.run) == "agent_completed" else None
    return "PAIRING-2" if end_of(talk, event.run) == "agent_completed" else None


@mutation
def relabel_run(talk: Talk, chance: random.Random) -> str | None:
    """An event says that it is of a run that nobody asked for, or of none."""
    # A helper's start that names another id is that of another helper, and a run may choose its id when it begins.
    event = pick(chance, [e for e in events(talk) if not e.helper])
    if event is None:
        return None
    put(talk, event, run_id=chance.choice(["run-of-nobody", None, "registry", "", "null"]))
    return "IDENTITY-1"


@mutation
def relabel_thread(talk: Talk, chance: random.Random) -> str | None:
    """An event of a run under way names a conversation that nobody has."""
    event = pick(chance, [e for e in events(talk) if e.kind != "agent_started" and not e.helper])
    if event is None:
        return None
    put(talk, event, thread_id="thread-of-nobody")
    return "IDENTITY-2"


@mutation
def relabel_user(talk: Talk, chance: random.Random) -> str | None:
    """An event names a user whom nobody knows."""
    event = pick(chance, events(talk))
    if event is None:
        return None
    put(talk, event, user_id="user-nobody")
    return "IDENTITY-2"


@mutation
def relabel_tool(talk: Talk, chance: random.Random) -> str | None:
    """A tool finishes under another name than it began with."""
    named = [e for e in events(talk) if e.kind == "tool_completed" and has_call_ids(talk, e.run)]
    event = pick(chance, named)
    if event is None:
        return None
    put(talk, event, payload={**event.body["payload"], "tool_name": "telescope"})
    return "PAIRING-3"


@mutation
def relabel_time(talk: Talk, chance: random.Random) -> str | None:
    """The stamp of an event lies before that of the event before it in its run."""
    later = [e for e in events(talk) if e.kind != "agent_started"]
    event = pick(chance, later)
    if event is None:
        return None
    put(talk, event, timestamp="2025-12-31T23:59:59.000000Z")
    return "CONTENT-3"


@mutation
def delay(talk: Talk, chance: random.Random) -> str | None:
    """From an event on all comes six seconds later."""
    event = pick(chance, [e for e in events(talk) if not e.helper])
    if event is None:
        return None
    talk.records[event.index :] = [
        msgspec.structs.replace(record, at=record.at + 6) for record in talk.records[event.index :]
    ]
    return "TIMELINESS-1" if event.kind == "agent_started" else "TIMELINESS-2"


@mutation
def hold_back(talk: Talk, chance: random.Random) -> str | None:
    """All that a run shows is held back until its end."""
    paced = {r.request for r in talk.records if isinstance(r, Sent) and r.expect is not None and r.expect.paced}
    done = [e for e in events(talk) if e.kind == "agent_completed" and not e.helper and e.request in paced]
    # Where all is held back, only the server's stamps tell, and one of whole seconds may be one that is cut off.
    end = pick(chance, [e for e in done if not e.body["timestamp"].endswith(".000000Z")])
    if end is None:
        return None
    held = [e for e in events(talk) if e.request == end.request and e.index < end.index]
    last = talk.records[end.index]
    moved = [msgspec.structs.replace(talk.records[e.index], at=last.at) for e in held]
    gone = {e.index for e in held}
    kept = [record for index, record in enumerate(talk.records) if index not in gone]
    at = kept.index(last)
    talk.records[:] = [*kept[:at], *moved, *kept[at:]]
    return "TIMELINESS-3"


@mutation
def cross_wire(talk: Talk, chance: random.Random) -> str | None:
    """An event goes to somebody else's connection, instead of or beside the asker's."""
    event = pick(chance, events(talk))
    if event is None:
        return None
    before = talk.records[: event.index]
    others = [r.connection for r in before if isinstance(r, Opened) and r.user in NAMES]
    gone = {r.connection for r in before if isinstance(r, Closed)}
    own = {r.user for r in before if isinstance(r, Opened) and r.connection == event.connection}
    mine = {r.connection for r in before if isinstance(r, Opened) and r.user in own}
    other = pick(chance, [c for c in others if c not in gone | mine])
    if other is None:
        return None
    stray = msgspec.structs.replace(talk.records[event.index], connection=other)
    if chance.random() < 0.5:
        talk.records[event.index] = stray
    else:
        talk.records.insert(event.index + 1, stray)
    return "ISOLATION-2"


@mutation
def cross_wire_runs(talk: Talk, chance: random.Random) -> str | None:
    """Two runs of a user write into each other."""
    found = [e for e in events(talk) if not e.helper and e.kind != "agent_started"]
    pairs = [(a, b) for a in found for b in found if str(a.run) < str(b.run) and a.connection == b.connection]
    pair = pick(chance, pairs)
    if pair is None:
        return None
    put(talk, pair[0], run_id=pair[1].run)
    put(talk, pair[1], run_id=pair[0].run)
    return "IDENTITY-1"


@mutation
def cross_wire_words(talk: Talk, chance: random.Random) -> str | None:
    """An answer holds what somebody else has confided."""
    event = pick(chance, [e for e in events(talk) if e.kind == "agent_completed"])
    if event is None:
        return None
    user = next(r.user for r in talk.records if isinstance(r, Opened) and r.connection == event.connection)
    word = CANARIES[chance.choice([name for name in NAMES if name != user])]
    put(talk, event, payload={**event.body["payload"], "result": f"I found {word}, as you asked."})
    return "ISOLATION-1"


@mutation
def truncate(talk: Talk, chance: random.Random) -> str | None:
    """The trace just stops while a run is under way."""
    event = pick(chance, [e for e in events(talk) if e.kind in ENDS and not e.helper])
    if event is None:
        return None
    begun = of_run(talk, event.run)[0].index
    if begun == event.index:
        return None
    del talk.records[chance.randint(begun + 1, event.index) :]
    return "LIFECYCLE-2"


@mutation
def truncate_frame(talk: Talk, chance: random.Random) -> str | None:
    """A frame ends in the middle."""
    event = pick(chance, events(talk))
    if event is None:
        return None
    text = json.dumps(event.body)
    cut = text[: chance.randint(1, len(text) - 1)]
    talk.records[event.index] = msgspec.structs.replace(talk.records[event.index], text=cut)
    return "CONTENT-2"


@mutation
def truncate_payload(talk: Talk, chance: random.Random) -> str | None:
    """An event comes without what it is there to tell."""
    needed = {"agent_thinking": "reasoning", "tool_executing": "tool_name", "tool_completed": "tool_name"}
    needed |= {"agent_completed": "result", "agent_failed": "error_message"}
    event = pick(chance, [e for e in events(talk) if e.kind in needed])
    if event is None:
        return None
    payload = {name: value for name, value in event.body["payload"].items() if name != needed[event.kind]}
    put(talk, event, payload=payload)
    return "PAIRING-3" if needed[event.kind] == "tool_name" else "CONTENT-1"
