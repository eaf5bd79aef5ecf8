"""Where frames hold the ids of their run, thread and user; and which frames belong to one run."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from greenlight_gate.wire.drafting.dialogue import THREAD, Dialogue, is_id
from greenlight_gate.wire.drafting.recording import leaves
from greenlight_gate.wire.drafting.requests import ID, Requests, is_kind, values_at
from greenlight_gate.wire.values import MISSING, read_stamp, walk

_OF_OTHERS = re.compile(r"user|client|tool|call|workflow_id$|agent|model|parent", re.IGNORECASE)
_OF_RUNS = re.compile(r"run|turn|response|invocation|job|task|execution|answer", re.IGNORECASE)
_BARE = re.compile(
    r"(^|[._])(run|turn|job|task|execution|response|invocation|thread|session|conversation|chat|room)$", re.IGNORECASE
)
_STAMP = re.compile(r"(timestamp|created_?at|date|time|ts)$", re.IGNORECASE)


class Ids:
    """Where the ids stand.

    `run`: the paths of its id, the likeliest first; `given`: the name of a value that names it, where no frame does.
    `groups`: the frames of each run.
    """

    def __init__(self, requests: Requests, dialogue: Dialogue) -> None:
        self.dialogue = dialogue
        connections = requests.recording.connections.values()
        all_came = [tuple(each.value for each in messages if each.way == "in") for messages in connections]
        turns = [(turn.connection, turn.came) for turn in requests.turns if turn.came]
        longest = max((len(came) for _, came in turns), default=0)
        # A request that was refused has no run.
        turns = [(name, came) for name, came in turns if len(came) * 4 >= longest]
        self._names = [name for name, _ in turns]
        self._turns = [came for _, came in turns] or [came for came in all_came if came]
        self.came = requests.recording.came
        self.run = self._run_paths()
        self.given = "" if self.run else dialogue.run_given()
        self.groups = self._grouped()

    def _run_paths(self) -> list[str]:
        found: dict[str, list[set[str]]] = defaultdict(list)
        counts: dict[str, int] = defaultdict(int)
        for came in self._turns:
            here: dict[str, set[str]] = defaultdict(set)
            for frame in came:
                for path, value in leaves(frame):
                    if _may_be_id(path, value):
                        here[path].add(str(value))
                        counts[path] += 1
            for path, values in here.items():
                found[path].append(values)
        total = sum(map(len, self._turns))
        turns = len(self._turns)
        distinct = {path: len(set().union(*sets)) for path, sets in found.items()}
        # A sub-agent has a run of its own within that of the request.
        likely = [
            path for path, sets in found.items()
            if turns <= distinct[path] <= turns * 3 // 2 and len(sets) == turns and counts[path] * 3 >= total
            and sum(map(len, sets)) * 2 <= turns * 3
            and not (_OF_OTHERS.search(path) or THREAD.search(path)) and path not in self.dialogue.request_at
        ]  # fmt: skip
        if turns == 1:
            # Of one run, whatever is the same in all of it may be its id: only a name tells.
            likely = [path for path in likely if _OF_RUNS.search(path)]
        likely.sort(key=lambda path: (distinct[path] != turns, -counts[path], path.count("."), path))
        if not likely:
            # Where only the response to a request repeats its id, that says nothing of the other frames; nor do those
            # that hold other ids in that place, as where each message names the one that it belongs to.
            sent = {str(each) for ids in self.dialogue.request_ids.values() for each in ids}
            frames = [frame for came in self._turns for frame in came]
            return [
                path for path in self.dialogue.request_at[:1]
                if sum(str(walk(frame, path)) in sent for frame in frames) * 3 >= total
            ]  # fmt: skip
        return [likely[0], *self._same_id_elsewhere(likely[0])]

    def _same_id_elsewhere(self, first: str) -> list[str]:
        """Where frames without this path have the same id."""
        known = set(values_at([frame for came in self._turns for frame in came], first))
        others = [frame for came in self._turns for frame in came if walk(frame, first) is MISSING]
        counts: dict[str, int] = defaultdict(int)
        for frame in others:
            for path, value in leaves(frame):
                if _may_be_id(path, value) and str(value) in known:
                    counts[path] += 1
        return [max(counts, key=lambda path: counts[path])] if counts else []

    def _grouped(self) -> list[list[Any]]:
        groups: dict[Any, list[Any]] = {}
        # By the client's own ids, what answers another message, or another user, is no run of this one.
        by_request = bool(self.run) and self.run[0] in self.dialogue.request_at
        for number, came in enumerate(self._turns):
            key: Any = number
            for frame in came:
                own = next((str(v) for path in self.run if isinstance(v := walk(frame, path), str | int)), None)
                if by_request and own not in self.dialogue.request_ids.get(self._names[number], ()):
                    continue
                key = own if own is not None else key
                groups.setdefault(key, []).append(frame)
        longest = max(map(len, groups.values()), default=0)
        return [frames for frames in groups.values() if len(frames) * 4 >= longest]

    def lines(self) -> Iterator[str]:
        """The lines of [every]."""
        if self.run:
            yield f"run = {json.dumps(self.run if len(self.run) > 1 else self.run[0])}"
        elif self.given:
            yield f'run = "${self.given}"'
        else:
            yield '# No id of the run was found. "$request" stands for the last question on the connection.'
            yield 'run = "$request"'
        if (parent := self._parent()) is not None:
            yield f'parent = "{parent}?"'
        if self.dialogue.request_at:
            yield f'request = "{self.dialogue.request_at[0]}?"'
        threads = [self.dialogue.thread_at] if self.dialogue.thread_at else self._steady(THREAD)
        yield f'thread = "{threads[0]}?"' if threads else '# thread = "PATH?"'
        users = self._steady(re.compile("user", re.IGNORECASE))
        yield f'user = "{users[0]}?"' if users else '# user = "PATH?"'
        stamps = Counter(
            path for frame in self.came for path, value in leaves(frame)
            if _STAMP.search(path) and isinstance(value, str | int | float) and read_stamp(value)[1] is not None
        )  # fmt: skip
        likely = sorted(stamps, key=lambda path: (-round(stamps[path] / len(self.came), 1), path.count("."), path))
        yield f'stamp = "{likely[0]}?"' if likely else '# stamp = "PATH"'

    def _parent(self) -> str | None:
        """Where a sub-agent's frames name the run that it works for."""
        runs = {value for path in self.run for value in values_at(self.came, path)}
        for frame in self.came:
            for path, value in leaves(frame):
                if "parent" in path and _OF_RUNS.search(path) and str(value) in runs:
                    return path
        return None

    def _steady(self, words: re.Pattern[str]) -> list[str]:
        """The paths with such a name that hold one value in each run."""
        steady: dict[str, int] = defaultdict(int)
        changing: set[str] = set()
        for frames in self.groups:
            here: dict[str, set[str]] = defaultdict(set)
            for frame in frames:
                for path, value in leaves(frame):
                    if words.search(path) and _may_be_id(path, value):
                        here[path].add(str(value))
            for path, values in here.items():
                steady[path] += len(values) == 1
                changing |= {path} if len(values) > 1 else set()
        likely = [path for path in steady if path not in changing and steady[path] == len(self.groups)]
        return sorted(likely, key=lambda path: (path.count("."), path))


def _may_be_id(path: str, value: Any) -> bool:
    could = isinstance(value, str | int) and not isinstance(value, bool) and value != ""
    # Some call it `run` or `conversation`; what stands there tells then.
    is_named = bool(ID.search(path)) or (bool(_BARE.search(path)) and is_id(value))
    return could and is_named and not is_kind(path)
