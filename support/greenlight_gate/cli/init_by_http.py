"""A backend by HTTP whose message is known: which transport answers it, and which included profile reads the answer."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from greenlight_gate.cli.init_recognition import included
from greenlight_gate.cli.init_trial import ByHttp, Trial, reads, unknown_profile
from greenlight_gate.events import EventKind
from greenlight_gate.findings import printable
from greenlight_gate.targets.settings import Misconfigured, profile_text
from greenlight_gate.trace import LEAST_ERROR, Responded
from greenlight_gate.wire.by_http import content_type, framing_of
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import ProfileError
from greenlight_gate.wire.templates import RESERVED, names_in

_SHOWN = 200
# A table of a profile, up to the next one.
_START = re.compile(r"^\[send\.start(?:\.[^\]]*)?\]\n(?:(?!^\[).*\n?)*", re.MULTILINE)
_NEED = re.compile(r"^(\w+) = .*\n", re.MULTILINE)
_NEEDS = re.compile(r"^\[needs\]\n((?:(?!^\[).*\n?)*)", re.MULTILINE)


def origin_and_path(url: str) -> tuple[str, str]:
    """The url of a target, without its path, which a profile adds to each message; its query stays."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, "", parts.query, "")), parts.path or "/"


def recorded(
    url: str, message: Mapping[str, Any], channel: str, attempt: Callable[[str], Trial]
) -> tuple[ByHttp, Trial]:  # fmt: skip
    """How the message is answered, and the trial that shows it. `attempt`: tries a profile. Raises Misconfigured."""
    path = urlsplit(url).path or "/"
    _check(message, channel)
    by_http = ByHttp("channel", path, channel) if channel else ByHttp("sse", path)
    trial = attempt(unknown_profile(message, by_http))
    answered = trial.answered
    framing = framing_of(content_type(answered.headers)) if answered is not None else None
    if not channel and framing == "ndjson":
        by_http = ByHttp("ndjson", path)
        trial = attempt(unknown_profile(message, by_http))
        answered = trial.answered
    if (answered is None or answered.status >= LEAST_ERROR or not (channel or framing)) or not trial.messages:
        raise Misconfigured(_unusable(url, channel, trial, answered))
    return by_http, trial


def _check(message: Mapping[str, Any], channel: str) -> None:
    """Raises Misconfigured for a name in a message that nothing gives."""
    unknown = sorted({name for _, name in names_in(message, "")} - {*RESERVED})
    if unknown and not channel:
        given = "{prompt}, {thread}, {request}, {uuid}, {user} and {now} are given"
        raise Misconfigured(f"--message: {{{unknown[0]}}} has no value: {given}; what a channel says first: --channel")


def _unusable(url: str, channel: str, trial: Trial, answered: Responded | None) -> str:
    where = url.partition("?")[0]
    if answered is None:
        hint = (
            "; other names than {prompt} in --message are members of the first message on the channel"
            if channel
            else ""
        )
        return f"{where}: expected an answer to --message, got none ({trial.why or 'within 30 s'}){hint}"
    body = printable(" ".join(answered.body.split()))[:_SHOWN]
    said = f"HTTP {answered.status}{f': {body}' if body else ''}"
    if answered.status >= LEAST_ERROR:
        hint = "; how users sign in: --sign-in" if answered.status in (401, 403) else ""
        return f"{where}: expected a stream in answer to --message, got {said}{hint}"
    if channel:
        return f"{where}: expected messages on {channel} after --message, got none ({said})"
    media = content_type(answered.headers) or "no content type"
    return (
        f"{where}: expected a stream in answer to --message (text/event-stream or application/x-ndjson), got {media}"
        f"{f': {body}' if body else ''}; where the answers come on an event stream that stays open: --channel PATH"
    )


def recognised(by_http: ByHttp, message: Mapping[str, Any], lines: Sequence[bytes]) -> tuple[str, str]:
    """The included profile that reads most of these answers, and its text with this message; ("", "") for none."""
    best: tuple[set[EventKind], str, str] = (set(), "", "")
    for name, spec in included().items():
        if spec.connection.transport != by_http.transport or by_http.channel:
            continue
        try:
            text = _with_start(profile_text(name, Path())[1], by_http.path, by_http.start(message))
            found = reads(text, lines)
        except ProfileError:
            continue  # its other messages need what this one does not give
        if len(found) > len(best[0]):
            best = (found, name, text)
    return best[1], best[2]


def _with_start(text: str, path: str, start: str) -> str:
    """The profile with this message in place of its own, and no need that nothing uses any longer."""
    own = Profile.from_toml(text).spec.addresses["start"].path
    text = _START.sub("", text)
    text = text.replace(f'path = "{own}"', f'path = "{path}"') if own else text
    text = f"{text.rstrip()}\n\n# Your message.\n[send]\nstart = {start}\n"
    needs = _NEEDS.search(text)
    if needs is None:
        return text
    rest = text.replace(needs[0], "")
    used = [line[0] for line in _NEED.finditer(needs[1]) if f"{{{line[1]}}}" in rest]
    return text.replace(needs[0], "[needs]\n" + "".join(used) + "\n" if used else "")
