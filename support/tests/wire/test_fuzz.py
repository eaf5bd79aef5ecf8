"""Random and mutated frames through every profile and every codec: no crash, and always a reading.

10,000 of them each in CI. The seed is fixed: what fails once fails again.
"""

import base64
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from greenlight_gate.events import Control, Event, EventKind, Foreign, Ignored, More, Unmapped, each
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import Opened, Received, Sent
from greenlight_gate.wire.codecs import UndecodableError, codec_named
from greenlight_gate.wire.profile import Profile

from support.tests.hypothesis_profiles import examples
from support.tests.needs import needs_extra
from support.tests.wire.recorded import CAPTURES, PROFILES, shipped
from support.tests.wire.test_documented import CASES, SOCKETIO
from support.tests.wire.test_reading import FRAME

TIMES = examples(10_000)
# Frames of one capture, so that a long one leaves room for the others.
MOST_OF_ONE = 100
NAMES = [
    *sorted(path.stem for path in PROFILES.glob("*.toml")),
    pytest.param("protobuf", marks=needs_extra("protobuf")),
]
READINGS = Event | Control | Unmapped | More | Ignored | Foreign
ODD: list[Any] = [
    None, True, False, 0, -1, 10**30, 1.5, "", " ", "\ud800", "req-", "ask", [], {}, [[]], {"": {}}, "null", "data: {}",
    "42", '2["x"]', "AAAA", {"type": "x"}, [{"functionCall": None}], ["text"], float("nan"), "\u0000",
]  # fmt: skip


def _seeds() -> list[bytes]:
    """Frames as they came from real servers, and from documentation."""
    seeds: list[bytes] = [b"", b"2", b"0{}", b"[DONE]", b"data: {}\n\n", b"\xff\xfe", b"[" * 3000, b'{"a":' * 3000]
    seeds += [json.dumps({**FRAME, "type": kind}).encode() for kind in (*EventKind, "pong", "error_message")]
    captures = (path.read_bytes().splitlines() for path in sorted(CAPTURES.glob("*.jsonl")))
    lines = [line for capture in captures for line in capture[:MOST_OF_ONE]]
    for line in [*lines, *(line for case in CASES for line in case[1]), *SOCKETIO]:
        entry = json.loads(line)
        if entry["dir"] == "in":
            data = entry["data"]
            binary = entry["kind"] == "binary"
            seeds.append(
                base64.b64decode(data) if binary else (data if isinstance(data, str) else json.dumps(data)).encode()
            )
    return seeds


SEEDS = _seeds()


def mutated(random_: random.Random, seeds: list[bytes] = SEEDS) -> bytes:
    """A frame with something wrong in it: bytes changed, cut or doubled, or a value of it replaced."""
    seed = random_.choice(seeds)
    place = random_.randrange(len(seed) + 1)
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: seed[:place] + random_.randbytes(random_.randrange(4)) + seed[place + random_.randrange(3) :],
        lambda: seed[:place],
        lambda: seed + random_.choice(seeds),
        lambda: random_.randbytes(random_.randrange(60)),
        lambda: base64.b64encode(seed),
        *[lambda: _another_value(seed, random_)] * 3,
    )
    return random_.choice(ways)()


def _another_value(seed: bytes, random_: random.Random) -> bytes:
    begin = seed.find(b"{")
    try:
        value = json.loads(seed[begin:].strip()) if begin >= 0 else None
    except (ValueError, RecursionError):
        return seed
    return seed[:begin] + json.dumps(_with_something_else(value, random_)).encode() if value else seed


def _with_something_else(value: Any, random_: random.Random, depth: int = 0) -> Any:
    if isinstance(value, dict) and value and (depth < 1 or random_.random() < 0.7):
        name = random_.choice(list(value))
        if random_.random() < 0.2:
            return {key: item for key, item in value.items() if key != name}
        return {**value, name: _with_something_else(value[name], random_, depth + 1)}
    if isinstance(value, list) and value and random_.random() < 0.5:
        return [*value[:-1], _with_something_else(value[-1], random_, depth + 1)]
    return random_.choice(ODD)


@pytest.mark.parametrize("name", NAMES)
def test_every_profile(name: str) -> None:
    protobuf = name == "protobuf"
    if protobuf:
        from support.tests.wire import protobuf_messages
    profile = Profile.from_toml(protobuf_messages.PROFILE) if protobuf else shipped(name)
    random_ = random.Random(f"frames for {name}")
    checker = TraceChecker(profile, TimeBudgets(), 1_767_225_600.0)
    kept = dict.fromkeys(profile.spec.looked_up, "x")
    checker.feed(Opened(n=1, at=0.0, connection="c1", user="Ada", user_id="u", values=kept))
    seen: set[type[Any]] = set()
    for number in range(2, TIMES + 2):
        at = number / 1000
        if number % 50 == 2:
            checker.feed(Sent(n=number, at=at, connection="c1", what="start", text="?", request=f"q{number}"))
            continue
        data = mutated(random_, protobuf_messages.MESSAGES if protobuf else SEEDS)
        binary = random_.random() < (0.9 if protobuf else 0.1)
        reading = checker.feed(Received(n=number, at=at, connection="c1", data=data, binary=binary))
        parts = list(each(reading))
        assert parts
        assert all(isinstance(part, READINGS) for part in parts)
        seen.update(type(part) for part in parts)
    checker.finish()
    assert Unmapped in seen
    assert seen & {Event, More, Ignored, Control}, "the frames never came near to being read"


@pytest.mark.parametrize(
    "name",
    [
        "json",
        "json:data",
        "json-or-text",
        "ndjson",
        "sse",
        "sse-envelope",
        "base64",
        "base64:data",
        "json-rpc",
        "socketio",
        "jupyter-v1",
        pytest.param("protobuf:chat.Event", marks=needs_extra("protobuf")),
    ],
)
def test_every_codec(name: str) -> None:
    protobuf = name.startswith("protobuf")
    if protobuf:
        from support.tests.wire import protobuf_messages
    codec = codec_named(name, protobuf_messages.DESCRIPTOR if protobuf else "", "frame.codecs")
    random_ = random.Random(f"bytes for {name}")
    good = bad = 0
    for _ in range(TIMES):
        data: Any = mutated(random_, protobuf_messages.MESSAGES if protobuf else SEEDS)
        if name in ("json:data", "base64:data"):
            data = {"data": data.decode(errors="replace")} if random_.random() < 0.9 else random_.choice(ODD)
        elif name == "json-rpc":
            data = random_.choice([*ODD, {"method": "x"}, [{"result": 1}, {"method": "y"}], [{"result": 1}, 5]])
        try:
            found = codec.decode(data)
        except UndecodableError:
            bad += 1
        else:
            assert isinstance(found, list)
            good += 1
    assert good
    assert bad or name in ("ndjson", "json-or-text")
