"""Whether a client is admitted: what its request shows, and whose token that is."""

import asyncio
from dataclasses import replace

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from greenlight_gate.backend.credentials import problem
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.tokens import Attempt, Identity, read_attempt


async def admit(hub: Hub, attempt: Attempt) -> tuple[int | None, Identity | None]:
    """The status with which all users are refused now, or None; and whose token it is, None if it is not valid."""
    status = await hub.chain.handshake(hub, attempt)
    if hub.settings.variation.slow_handshake_s:
        await asyncio.sleep(hub.settings.variation.slow_handshake_s)
    await hub.tokens.learn_keys(attempt.token)
    judged = None if attempt.source in {"", "query"} else hub.tokens.identify(attempt.token)
    return status, await hub.tokens.admitted(hub.chain.credentials(hub, attempt, judged))


def attempt_of(connection: HTTPConnection, subprotocols: list[str] | None = None) -> Attempt:
    """What a request shows of who sends it."""
    client = connection.client.host if connection.client else ""
    shown, query = connection.headers.get("authorization", ""), connection.query_params.multi_items()
    attempt = read_attempt(shown, subprotocols or (), query, client)
    return replace(attempt, path=connection.url.path, resumes="last-event-id" in connection.headers)


async def signed_in(hub: Hub, request: Request) -> tuple[Identity, str] | Response:
    """The user of an HTTP request with the token, or the refusal."""
    attempt = attempt_of(request)
    status, identity = await admit(hub, attempt)
    if status is not None:
        return problem(status, "not now")
    if identity is None:
        return problem(401, why_refused(attempt))
    await hub.store.remember_user(identity.user_id)
    return identity, attempt.token


def why_refused(attempt: Attempt) -> str:
    """What is wrong with what was shown."""
    if attempt.source == "query":
        return "a token in the address is refused: send it in the Authorization header or as a subprotocol"
    return "the token is not valid" if attempt.source else "a token is needed"
