"""The trace context that a client sends: `traceparent` of W3C Trace Context (https://www.w3.org/TR/trace-context/)."""

import secrets


def new_traceparent(same_trace_as: str = "") -> str:
    """A sampled trace context with a new span, in a new trace or in that of another trace context."""
    trace = same_trace_as.split("-")[1] if same_trace_as else secrets.token_hex(16)
    return f"00-{trace}-{secrets.token_hex(8)}-01"
