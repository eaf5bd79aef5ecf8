"""What a server shows before users sign in: that it is there, its health, and which profile it may use."""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from greenlight_gate.cli.init_target import TargetDraft
from greenlight_gate.cli.reachability import reach, resolve, secure
from greenlight_gate.targets.access import TargetFault, check_health, ssl_context
from greenlight_gate.targets.http import exchange
from greenlight_gate.targets.model import TWINS, Target
from greenlight_gate.targets.sections import Prompt, Prompts, Tls
from greenlight_gate.targets.settings import Misconfigured, profile_text, profiles
from greenlight_gate.wire.errors import ProfileError
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import Spec
from greenlight_gate.wire.values import MISSING, walk

_HEALTH = "/health"
_REFERENCE = "reference-chat"
_NAME = re.compile(r"\{[^{}]*\}")


class Recognised(NamedTuple):
    """`profiles`: those that the server seems to use, each with the values that it gives. "" for what is not known."""

    health: str
    api_version: str
    is_reference: bool
    profiles: Mapping[str, Mapping[str, str]]


def included() -> dict[str, Spec]:
    """The profiles that ship and whose packages are installed, by name."""
    found = {}
    for name in profiles():
        try:
            found[name] = Profile.from_toml(profile_text(name, Path())[1]).spec
        except ProfileError:
            continue  # its extra is not installed
    return found


def opened_as(url: str, *, by_http: bool) -> str:
    """The url with the scheme of a chat by HTTP, or over a WebSocket."""
    scheme, mark, rest = url.partition("://")
    schemes = {twin: own for own, twin in TWINS.items()} if by_http else TWINS
    return f"{schemes.get(scheme, scheme)}{mark}{rest}"


def without_path_of(url: str, spec: Spec) -> str:
    """The url without the path that the profile adds itself, so that either may be given."""
    base, mark, query = url.partition("?")
    if spec.connection.path:
        ending = "".join("[^/]+" if _NAME.fullmatch(part) else re.escape(part) for part in _parts(spec.connection.path))
        base = re.sub(f"{ending}/?$", "", base)
    return f"{base}{mark}{query}"


def _parts(path: str) -> list[str]:
    return re.split(r"(\{[^{}]*\})", path)


async def recognise(draft: TargetDraft, folder: Path) -> Recognised:
    """Looks for the server. Raises Misconfigured where there is none, or none that can be trusted."""
    tls = Tls(ca_file=str((folder / draft.ca_file).resolve()) if draft.ca_file else "",
              insecure_skip_verification=draft.insecure)  # fmt: skip
    prompts = Prompts(without_tool=Prompt(ask="?"))
    # Which profile it will be is not known yet, and the usual one is over a WebSocket.
    url = opened_as(draft.url, by_http=False)
    target = Target(name=draft.name, url=url, prompts=prompts, tls=tls, health=_HEALTH, api_version="")
    await resolve(target, "the url")
    await reach(target, "the url")
    try:
        await secure(target, ssl_context(target))
    except Misconfigured as error:
        option = " (here: --ca-file FILE)" if isinstance(error.__cause__, ssl.SSLCertVerificationError) else ""
        raise Misconfigured(f"{error}{option}") from error
    health, version, is_reference = "", "", False
    try:
        report = await check_health(target)
        health, is_reference = _HEALTH, report.service == _REFERENCE
        major = re.match(r"v?(\d+)(\.|$)", report.version)
        version = major[1] if major else ""
    except (TargetFault, Misconfigured):
        health = ""  # there need be none
    found = {}
    for name, spec in included().items():
        if spec.recognise is not None and (given := await _given(target, spec)) is not None:
            found[name] = given
    return Recognised(health, version, is_reference, found)


async def _given(target: Target, spec: Spec) -> dict[str, str] | None:
    """The values that the server gives for a profile; None if it is not such a server."""
    assert spec.recognise is not None
    try:
        reply = await exchange(target, "GET", target.resolve(spec.recognise.path))
        value = walk(msgspec.json.decode(reply.body), spec.recognise.has) if reply.status == 200 else MISSING
    except (TargetFault, Misconfigured, msgspec.DecodeError):
        return None
    if value is MISSING:
        return None
    return {spec.recognise.gives: str(value)} if spec.recognise.gives else {}
