"""Strategies for frames: legal ones, nearly legal ones, and bytes."""

import json
from typing import Any

from hypothesis import strategies as st

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(10**30), st.floats(), st.text(max_size=8),
    st.sampled_from(["r0", "q0", "t0", "2026-01-01T00:00:03.000000Z", "registry", "", " ", "\ud800"]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
stamps = st.one_of(
    st.sampled_from([
        "2026-01-01T00:00:03.000000Z", "2026-01-01T00:00:03.12Z", "2026-01-01T00:00:61.000000Z",
        "2026-01-01 00:00:03.000001Z", "2026-01-01T00:00:03,000001Z", "2026-01-01T00:00:03.00000١Z",
        "20260101T000003.000.123456Z", "2026-W01-1T00:00:00.000001Z", "2026-01-01T00:00:03+0000", 1767225603,
        1767225603.5, 1767225603500, 1e400, -1, "0", "", "yesterday",
    ]),
    values,
)  # fmt: skip
kinds = st.sampled_from([
    "agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed", "agent_failed",
    "agent_stopped", "connection_established", "error_message", "pong", "session_restored", "system_message", "x",
])  # fmt: skip
_PAYLOAD = ("message", "reasoning", "thought", "tool_name", "tool", "tool_call_id", "parameters", "status", "result",
            "results", "error_message", "error", "reason", "execution_time_ms", "run_id")  # fmt: skip
_ROOT = ("request_id", "run_id", "thread_id", "user_id", "parent_run_id", "agent_name", "seq", "event_id", "nonce",
         "error_code", "result", "server_time", "config")  # fmt: skip


def some(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """A few of the members, mostly with sensible values."""
    sensible = st.sampled_from(["r0", "q0", "a text", 1, {"a": 1}, None])
    return st.dictionaries(st.sampled_from(names), sensible | values, max_size=len(names))


@st.composite
def objects(draw: st.DrawFn) -> dict[str, Any]:
    """Something like a frame of the default wire."""
    payload: Any = draw(some(_PAYLOAD) | values)
    if draw(st.booleans()):
        payload = {**payload, "payload": draw(some(_PAYLOAD))} if isinstance(payload, dict) else payload
    frame = {
        "type": draw(kinds | values), **draw(some(_ROOT)), "timestamp": draw(stamps),
        draw(st.sampled_from(["payload", "data", "other"])): payload,
    }  # fmt: skip
    if draw(st.integers(0, 4)) == 0:
        frame = {"type": "system_message", "data": {"event": draw(kinds), **frame}}
    return frame


@st.composite
def likely(draw: st.DrawFn) -> dict[str, Any]:
    """A frame that is nearly always whole."""
    return {
        "type": draw(kinds), "run_id": "r0", "request_id": draw(st.sampled_from(["q0", None])), "thread_id": "t0",
        "seq": draw(st.integers(0, 9)), "timestamp": draw(stamps), "user_id": "user-ada",
        "payload": {
            "reasoning": draw(st.text(max_size=4)), "tool_name": "x", "result": draw(values), "message": "m",
            "error_message": draw(st.none() | st.text(max_size=3)), **draw(some(_PAYLOAD)),
        },
    }  # fmt: skip


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


legal_looking = st.one_of(likely(), objects()).map(_bytes)
any_frame = st.one_of(
    legal_looking,
    values.map(_bytes),
    st.binary(max_size=40),
    st.tuples(legal_looking, st.integers(0, 400)).map(lambda pair: pair[0][: pair[1]]),
    st.just(b"[" * 100_000),
    st.just(b'{"type":"agent_thinking","payload":{"reasoning":' + b"[" * 5000 + b"]" * 5000 + b"}}"),
)
