"""The admin call, which reads and changes the defects at run time. It exists only if it was enabled at the start."""

import asyncio
import hmac
import json
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from greenlight_gate.backend.credentials import problem
from greenlight_gate.backend.defects import Chain, ConflictError, UnknownDefectError, activate
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.runs import AgentRun

LEAST_TOKEN_CHARACTERS = 16
_MAX_BODY_BYTES = 65_536
_GONE_WITHIN_S = 1.0
_ASK_EVERY_S = 0.005


def admin_routes(hub: Callable[[], Hub], token: str) -> list[Route]:
    """The routes for requests with this token; none without one.

    `GET /admin/defects` returns the active defects. `PUT /admin/defects` with `{"defects": ["NAME", "NAME=VALUE"]}`
    replaces all others by these and returns what it did; an invalid defect changes nothing.
    """
    if not token:
        return []
    admin = _Admin(hub, token)
    return [Route("/admin/defects", admin.show, methods=["GET"]), Route("/admin/defects", admin.put, methods=["PUT"])]


class _Admin:
    def __init__(self, hub: Callable[[], Hub], token: str) -> None:
        self._hub = hub
        self._expected = f"Bearer {token}".encode()
        self._turn = asyncio.Lock()

    async def show(self, request: Request) -> Response:
        return self._refused(request) or JSONResponse({"defects": list(self._hub().chain.requests)})

    async def put(self, request: Request) -> Response:
        refused = self._refused(request)
        if refused is not None:
            return refused
        try:
            wanted = _wanted(await request.body())
            chain = activate(wanted)
        except ConflictError as error:
            return problem(409, str(error))
        except (ValueError, UnknownDefectError) as error:
            return problem(400, str(error))
        async with self._turn:
            return JSONResponse(await switch(self._hub(), chain))

    def _refused(self, request: Request) -> Response | None:
        shown = request.headers.get("authorization", "").encode()
        return None if hmac.compare_digest(shown, self._expected) else problem(401, "the admin token is needed")


def _wanted(body: bytes) -> list[str]:
    try:
        wanted = json.loads(body)["defects"] if len(body) <= _MAX_BODY_BYTES else None
    except (ValueError, RecursionError, TypeError, KeyError):
        wanted = None
    if not (isinstance(wanted, list) and all(isinstance(each, str) for each in wanted)):
        raise ValueError('send {"defects": ["NAME", "NAME=VALUE"]}, an empty list for none')
    return wanted


async def switch(hub: Hub, chain: Chain) -> dict[str, object]:
    """Replace the defects, as if the backend had been started with them; return what was done.

    Runs are ended and connections closed first, and the notes of earlier defects are deleted.
    """
    before = list(hub.chain.requests)
    # Without defects first: the last events of running runs must be neither held back nor broken.
    hub.chain.become(Chain())
    runs, connections = hub.runs.under_way(), list(hub.connections.values())
    await hub.runs.stop_all("the backend is being changed")
    _end(runs)
    for connection in connections:
        connection.close(1012, "the backend is being changed")
    if not await _gone(hub):
        for connection in list(hub.connections.values()):
            connection.protocol.abort()
        await _gone(hub)
    hub.notes.clear()
    hub.chain.become(chain)
    return {
        "before": before,
        "defects": list(chain.requests),
        "runs_ended": len(runs),
        "connections_closed": len(connections),
        "connections_left": len(hub.connections),
    }


def _end(runs: list[AgentRun]) -> None:
    for run in runs:
        # A run that continued although it was stopped.
        if run.work is not None:
            run.work.cancel()


async def _gone(hub: Hub) -> bool:
    deadline = asyncio.get_running_loop().time() + _GONE_WITHIN_S
    while hub.connections and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - they end in many ways
        await asyncio.sleep(_ASK_EVERY_S)
    return not hub.connections
