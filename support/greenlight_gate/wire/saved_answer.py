"""What `curl -N` has saved of the answer to a request, with or without its head (`-i`), as a capture."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from greenlight_gate.wire.by_http import MEDIA_TYPES, content_type, framing_of, looks_like, messages_of
from greenlight_gate.wire.capture import CaptureError
from greenlight_gate.wire.credentials import Credentials
from greenlight_gate.wire.event_stream import StreamError

Redact = Callable[[Mapping[str, str]], Callable[[bytes], bytes]]
_HEAD = re.compile(rb"HTTP/[0-9.]+ (\d{3})[^\r\n]*\r?\n((?:[^\r\n]+\r?\n)*)\r?\n")
_OK = 200


def capture_of_answer(saved: bytes, asked: bytes, url: str, redact: Redact) -> list[bytes]:
    """The lines of a capture: a request with the body `asked` to `url`, and the messages of its answer.

    `redact`: see `har.capture_of`. Raises CaptureError.
    """
    try:
        body = json.loads(asked)
    except (ValueError, RecursionError) as error:
        raise CaptureError(f"--asked: expected the JSON that was sent, got {asked[:40]!r} ({error})") from error
    status, media, answer = _OK, "", saved
    # After a redirect, or 100 Continue, several heads stand there.
    while (head := _HEAD.match(answer)) is not None:
        status, answer = int(head[1]), answer[head.end() :]
        media = content_type(head[2].decode("latin-1").splitlines())
    framing = framing_of(media) if media else looks_like(answer)
    if framing is None:
        what = f"an answer of type {media}" if media else f"{answer[:40]!r}"
        raise CaptureError(f"expected an event stream or lines of JSON, as `curl -N` prints them, got {what}")
    try:
        messages = messages_of(answer, framing)
    except StreamError as error:
        raise CaptureError(f"cannot be read: {error}") from error
    if not messages:
        raise CaptureError("expected at least one message in the answer, got none")
    credentials = Credentials()
    credentials.url(url)
    for text, sent in ((json.dumps(body, ensure_ascii=False), True), *((text, False) for text in messages)):
        credentials.frame(text, sent=sent)
    http = {
        "method": "POST",
        "url": urlsplit(url).path or "/",
        "status": status,
        "type": media or MEDIA_TYPES[framing][0],
    }
    clean = json.loads(credentials.without_named(json.dumps(body, ensure_ascii=False), sent=True))
    lines: list[dict[str, Any]] = [{"conn": "c1", "dir": "out", "kind": "text", "data": clean, "http": http}]
    lines += [
        {"conn": "c1", "dir": "in", "kind": "text", "data": credentials.without_named(text, sent=False)}
        for text in messages
    ]
    return redact(credentials.found)(b"\n".join(json.dumps(line, ensure_ascii=False).encode() for line in lines)).split(
        b"\n"
    )
