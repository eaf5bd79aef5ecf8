"""Defects in the access to stops and approvals by HTTP requests of their own; elsewhere, none of them shows."""

import re
import time
from dataclasses import replace

from greenlight_gate.backend.defects.registry import defect
from greenlight_gate.backend.defects.security_access import bad_signature_accepted, expired_token_accepted
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.tokens import Attempt, Identity

_ACT = re.compile(r"/runs/([^/]+)/(stop|input)")


@defect("credentials", "REFUSAL-1")
def stop_accepted_without_a_token(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """A request to stop a run is obeyed without a token."""
    return identity or _owner_of_run(hub, attempt, "stop")


@defect("credentials", "REFUSAL-1")
def approval_accepted_without_a_token(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """A tool that needs approval runs after a request that approves it without a token."""
    return identity or _owner_of_run(hub, attempt, "input")


@defect("credentials", "REFUSAL-1")
def signature_not_checked_of_a_stop(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """The signature of the token is not checked where a run is stopped."""
    return bad_signature_accepted(hub, attempt, identity) if _is(attempt, "stop") else identity


@defect("credentials", "REFUSAL-1")
def signature_not_checked_of_an_approval(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """The signature of the token is not checked where a tool is approved."""
    return bad_signature_accepted(hub, attempt, identity) if _is(attempt, "input") else identity


@defect("credentials", "REFUSAL-1")
def expired_token_accepted_of_a_stop(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """An expired token is accepted where a run is stopped."""
    return renewed(hub, attempt, identity) if _is(attempt, "stop") else identity


@defect("credentials", "REFUSAL-1")
def expired_token_accepted_of_an_approval(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """An expired token is accepted where a tool is approved."""
    return renewed(hub, attempt, identity) if _is(attempt, "input") else identity


def renewed(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """The user of an expired token, as if it had been made now."""
    expired = expired_token_accepted(hub, attempt, identity)
    return expired and replace(expired, expires_at=time.time() + hub.settings.token_ttl_s)


def _is(attempt: Attempt, act: str) -> bool:
    found = _ACT.fullmatch(attempt.path)
    return found is not None and found[2] == act


def _owner_of_run(hub: Hub, attempt: Attempt, act: str) -> Identity | None:
    """The owner of the run that a request without a token is about."""
    found = _ACT.fullmatch(attempt.path)
    run = hub.runs.find(found[1]) if found is not None and found[2] == act and not attempt.source else None
    return None if run is None else Identity(run.user_id, "", time.time() + hub.settings.token_ttl_s)
