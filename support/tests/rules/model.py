"""A model of what contract.md allows: legal traces of several users, drawn step by step.

A scene is played by a backend that keeps all promises, and by users who ask, stop, ping, send nonsense, reach for what
is not theirs, open tabs, lose their lines and come back. Each step is one that is possible where the scene stands.
"""

import itertools
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from greenlight_gate.events import EventKind
from greenlight_gate.rules.engine.canary import canary_word
from greenlight_gate.trace import Expect, Other, Received, Sent
from hypothesis import strategies as st

from support.tests.rules.talk import STEP_S, Body, Talk

NAMES = ("Ada", "Bashir", "Chiara")
CANARIES = {name: canary_word(name, "abc") for name in NAMES}
_PAUSES_S = (0.001, 0.02, 0.1, 0.6)
_LONGEST_SILENCE_S = 3.0
_LONGEST_STOP_S = 1.0
_LEAST_PACED_S = 0.5

Plan = list[Any]


@dataclass
class Run:
    """One answer in the making. `left`: the steps that are still to come, in order; a list of lists is parallel."""

    id: str
    thread: str
    user: str
    request: str
    connection: str
    asked_n: int
    left: Plan
    parent: str | None = None
    last_at: float = 0.0
    first_at: float = 0.0
    times: list[float] = field(default_factory=list)
    stopped_at: float | None = None


@dataclass
class Tab:
    """One connection: whose, which threads are shown here beside those that were asked in, whether it is open."""

    name: str
    user: str
    seen: dict[str, int] = field(default_factory=dict)
    restored: set[str] = field(default_factory=set)


class Scene:
    """What has happened so far, and what can happen next."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.talk = Talk()
        self.tabs: list[Tab] = []
        self.runs: list[Run] = []
        self.threads: dict[str, str] = {}
        self.stored: dict[str, list[Body]] = {}
        self.shown: defaultdict[str, set[int]] = defaultdict(set)
        self.numbers = dict.fromkeys(("c", "q", "r", "k", "x"), 0)

    def name(self, letter: str) -> str:
        self.numbers[letter] += 1
        return f"{letter}{self.numbers[letter]}"

    def overdue(self) -> list[Run]:
        """The runs of which nothing has come for long, or that were stopped a while ago."""
        return [run for run in self.runs if self.is_overdue(run)]

    def is_overdue(self, run: Run) -> bool:
        if run.stopped_at is not None and self.talk.at - run.stopped_at > _LONGEST_STOP_S:
            return True
        return self.talk.at - run.last_at > _LONGEST_SILENCE_S

    def pause(self) -> None:
        """Time goes by, never so long that anybody waits in vain."""
        soon = self.overdue() or any(run.stopped_at is not None for run in self.runs)
        pause_s = _PAUSES_S[0] if soon else self.chance.choice(_PAUSES_S)
        self.talk.wait(pause_s - STEP_S)

    def pick(self, *options: Any) -> Any:
        return self.chance.choice(options)

    # What can happen ----------------------------------------------------------------------------------------------

    def steps(self) -> list[Callable[[], None]]:
        if overdue := self.overdue():
            return [lambda: self.advance(min(overdue, key=lambda run: run.last_at))]
        steps: list[Callable[[], None]] = []
        if len(self.tabs) < 4:
            steps.append(self.come)
        if self.tabs:
            steps += [self.ask, self.ask, self.ping, self.nonsense, self.heartbeat, self.restore]
            steps += [self.leave] if len(self.tabs) > 1 else []
        if len({tab.user for tab in self.tabs}) > 1 and self.threads:
            steps.append(self.reach)
        if self.runs:
            steps += [self.advance_any] * 6 + [self.stop]
        return [*steps, self.turned_away]

    def come(self) -> None:
        """Somebody opens a tab."""
        user, name = self.pick(*NAMES), self.name("c")
        self.pause()
        self.talk.open(user, name)
        self.tabs.append(Tab(name, user))

    def turned_away(self) -> None:
        """Somebody comes without a valid pass."""
        name = self.name("x")
        self.pause()
        if self.chance.random() < 0.5:
            self.talk.close("server", None, name, during="handshake", status=401, user="Mallory", unwelcome="no token")
        else:
            self.talk.open("Mallory", name, ready=False, user_id=None, unwelcome="a forged token")
            self.talk.close("server", 4401, name)

    def ask(self) -> None:
        """A question, in the user's conversation on this tab or in a new one."""
        tab = self.pick(*self.tabs)
        mine = [thread for thread, owner in self.threads.items() if owner == tab.user and thread in tab.seen]
        thread = self.pick(*mine, None)
        request, run_id, tools = self.name("q"), self.name("r"), self.chance.randint(0, 3)
        parallel, helper = tools > 1 and self.chance.random() < 0.5, self.chance.randint(0, 4) == 0
        thinking = tools > 0 or self.chance.random() < 0.5
        word = CANARIES[tab.user]
        plan = self.plan(tools, parallel=parallel, thinking=thinking, helper=helper)
        end = EventKind(plan[-1][0])
        contains = ((word, "found"),) if end is EventKind.COMPLETED else ()
        expect = Expect(f"What about {word}?", thinking, tools, parallel, contains=contains, end=end)
        self.pause()
        self.talk.ask(request, expect, tab.name, thread=thread)
        thread = thread or f"t{request}"
        self.threads.setdefault(thread, tab.user)
        self.stored.setdefault(thread, [])
        tab.seen.setdefault(thread, 0)
        n = len(self.talk.records)
        self.runs.append(Run(run_id, thread, tab.user, request, tab.name, n, plan, last_at=self.talk.at))

    def plan(self, tools: int, *, parallel: bool, thinking: bool, helper: bool) -> Plan:
        """The steps of a run: (kind, payload) each, or sets of steps that go on side by side."""
        calls = []
        for _ in range(tools):
            tool, call = self.pick("weather", "news"), self.name("k") if self.chance.randint(0, 3) else None
            failed = self.chance.randint(0, 5) == 0
            done = (
                {"status": "error", "error_message": "unavailable"} if failed else {"status": "ok", "result": "found"}
            )
            named = {"tool_name": tool, "tool_call_id": call}
            begin, end = ("tool_executing", {**named, "parameters": {}}), ("tool_completed", {**named, **done})
            calls.append([begin, end])
        thoughts = [("agent_thinking", {"reasoning": "let me see", "step_number": 1})]
        plan: Plan = [("agent_started", {"message": "on it"})]
        plan += thoughts if thinking else []
        if parallel:
            plan += [call[0] for call in calls] + [[call[1:] for call in calls]]
        else:
            plan += [step for call in calls for step in call]
        plan += [self.plan(self.chance.randint(0, 1), parallel=False, thinking=True, helper=False)] if helper else []
        plan += thoughts if self.chance.random() < 0.5 else []
        if self.chance.randint(0, 9) == 0 and not helper:
            return [*plan, ("agent_failed", {"error_code": "BUSY", "error_message": "the model is busy"})]
        return [*plan, ("agent_completed", {"result": "I found it, as you asked.", "execution_time_ms": 12})]

    def advance_any(self) -> None:
        self.advance(self.pick(*self.runs))

    def advance(self, run: Run) -> None:
        """The next event of a run."""
        if run.stopped_at is not None:
            self.emit(run, "agent_stopped", {"reason": "stopped by the user"})
            self.runs.remove(run)
            return
        step = run.left[0]
        if isinstance(step, tuple):
            run.left.pop(0)
            self.emit(run, *step)
            if not run.left:
                self.runs.remove(run)
        elif isinstance(step[0], tuple):  # a helper's whole run
            run.left[0] = [run.left[0], self.name("r")]
            self.advance(run)
        elif isinstance(step[1], str):
            inner, helper_id = step
            helper = Run(helper_id, run.thread, run.user, run.request, run.connection, run.asked_n, inner, run.id)
            kind, payload = inner.pop(0)
            self.emit(helper, kind, payload, owner=run)
            if not inner:
                run.left.pop(0)
        else:  # sides that go on in parallel
            side = self.pick(*(side for side in step if side))
            self.emit(run, *side.pop(0))
            if not any(step):
                run.left.pop(0)

    def emit(self, run: Run, kind: str, payload: Body, owner: Run | None = None) -> None:
        """An event comes into being, and goes to the tabs that are shown it."""
        self.pause()
        parent = {"parent_run_id": run.parent} if run.parent else {}
        user_id = f"user-{run.user.lower()}"
        body = self.talk.body(kind, payload, run.id, thread=run.thread, request=run.request, user_id=user_id, **parent)
        self.stored[run.thread].append(body)
        root = owner or run
        root.times.append(self.talk.at + STEP_S)
        shown = False
        for tab in self.tabs:
            if tab.name == run.connection or run.thread in tab.restored:
                self.show(tab, body)
                shown = True
        if not shown:
            self.talk.wait(STEP_S)
        root.last_at = self.talk.at
        if kind == "agent_completed" and run.parent is None:
            self.pace(run)

    def show(self, tab: Tab, body: Body) -> None:
        self.talk.frame(body, tab.name)
        tab.seen[body["thread_id"]] = body["seq"]
        self.shown[body["thread_id"]].add(body["seq"])

    def pace(self, run: Run) -> None:
        """Where the events of a whole answer came as they happened, its question may have been one that asks for it."""
        index = run.asked_n - 1
        took = run.times[-1] - run.times[0]
        late = sum(at >= run.times[-1] - took / 10 - 1e-9 for at in run.times)
        asked = self.talk.records[index]
        assert isinstance(asked, Sent)
        here = any(tab.name == asked.connection for tab in self.tabs)
        if took > _LEAST_PACED_S + 0.01 and late <= len(run.times) / 2 and here and asked.expect is not None:
            paced = msgspec.structs.replace(asked.expect, paced=True)
            self.talk.records[index] = msgspec.structs.replace(asked, expect=paced)

    def stop(self) -> None:
        """A user stops a run on the connection that it was asked on."""
        run = self.pick(*self.runs)
        if any(tab.name == run.connection for tab in self.tabs) and len(run.times):
            self.pause()
            self.talk.send("stop", run.connection, run=run.id)
            run.stopped_at = run.stopped_at or self.talk.at

    def ping(self) -> None:
        tab, nonce = self.pick(*self.tabs), self.name("x")
        self.pause()
        self.talk.send("ping", tab.name, nonce=nonce)
        self.talk.frame({"type": "pong", "nonce": nonce, "server_time": None}, tab.name)

    def nonsense(self) -> None:
        tab = self.pick(*self.tabs)
        self.pause()
        self.talk.send("invalid", tab.name)
        error = {"type": "error_message", "error_code": "BAD_JSON", "error_message": "that is no JSON"}
        self.talk.frame({**error, "request_id": None}, tab.name)

    def heartbeat(self) -> None:
        self.pause()
        self.talk.add(Other, self.pick(*self.tabs).name, what="ping", data=b"beat")

    def reach(self) -> None:
        """Somebody asks for what is another's, and is refused."""
        tab = self.pick(*self.tabs)
        others = {thread: owner for thread, owner in self.threads.items() if owner != tab.user}
        if not others:
            return
        thread = self.pick(*others)
        what, request = self.pick("restore", "start"), self.name("q")
        asked = {"request": request, "expect": Expect("What do you know?")} if what == "start" else {}
        self.pause()
        self.talk.send(what, tab.name, thread=thread, foreign=others[thread], **asked)
        error = {"type": "error_message", "error_code": "FORBIDDEN_THREAD", "error_message": "not yours"}
        self.talk.frame({**error, "request_id": request if what == "start" else None}, tab.name)

    def leave(self) -> None:
        """A tab is closed; what is under way goes on without it."""
        tab = self.pick(*self.tabs)
        if self.chance.random() < 0.5:
            self.talk.cut("FIN", "in the middle", tab.name)
        self.pause()
        self.talk.close("client", 1000, tab.name)
        self.tabs.remove(tab)

    def restore(self) -> None:
        """A tab asks for a conversation of its user: what it missed comes, then what happens from now on."""
        tab = self.pick(*self.tabs)
        mine = [thread for thread, owner in self.threads.items() if owner == tab.user and self.stored[thread]]
        if not mine:
            return
        thread = self.pick(*mine)
        seen = self.pick(self.known(thread), self.known(thread), 0)
        self.pause()
        self.show_again(tab, thread, seen)

    def show_again(self, tab: Tab, thread: str, seen: int) -> None:
        """What a tab missed after the event with the number `seen`; from then on it is shown all of the thread."""
        self.talk.send("restore", tab.name, thread=thread, last_seq=seen)
        tab.restored.add(thread)
        tab.seen.setdefault(thread, seen)
        for body in self.stored[thread][seen:]:
            self.show(tab, body)
        self.talk.restored(tab.name, thread)

    def known(self, thread: str) -> int:
        """Up to which number its user has seen all of a conversation, in whatever tabs."""
        return next(number for number in itertools.count() if number + 1 not in self.shown[thread])

    def end(self) -> None:
        """Whatever is under way comes to its end, and whoever has left something behind comes back for it."""
        while self.runs:
            self.advance(min(self.runs, key=lambda run: run.last_at))
        for thread, owner in self.threads.items():
            if self.known(thread) < len(self.stored[thread]):
                self.tabs.append(Tab(self.name("c"), owner))
                self.talk.open(owner, self.tabs[-1].name)
                self.show_again(self.tabs[-1], thread, 0)


def legal(chance: random.Random, most: int = 40) -> Talk:
    """A legal trace: everything that was asked has its end, and no promise was broken."""
    scene = Scene(chance)
    scene.come()
    for _ in range(chance.randint(3, most)):
        chance.choice(scene.steps())()
    scene.end()
    return scene.talk


seeds = st.integers(0, 2**48).map(random.Random)


def scenes(most: int = 40) -> st.SearchStrategy[Talk]:
    """Legal traces, for hypothesis."""
    return seeds.map(lambda chance: legal(chance, most))


def events(talk: Talk) -> list[int]:
    """Where the events stand in the records."""
    return [i for i, r in enumerate(talk.records) if isinstance(r, Received) and '"run_id"' in (r.text or "")]
