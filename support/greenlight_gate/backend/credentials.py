"""How users authenticate at `/auth/token`."""

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_MAX_BODY_BYTES = 65_536
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


def knows(users: Mapping[str, str], name: str, password: str) -> bool:
    """Return whether this is the password of this user."""
    expected = users.get(name)
    # An unknown name takes the same comparison, so that the time reveals nothing. JSON can hold half a surrogate pair.
    matches = hmac.compare_digest((expected or "").encode(), password.encode(errors="surrogatepass"))
    return expected is not None and matches


def problem(status: int, message: str) -> JSONResponse:
    """Return the error response."""
    return JSONResponse({"error": message}, status, headers=_CHALLENGE if status == 401 else None)


async def read_credentials(request: Request) -> tuple[str, str] | Response:
    """Return name and password from a form or JSON, or the error response."""
    body = await _bounded_body(request)
    if body is None:
        return problem(413, f"at most {_MAX_BODY_BYTES} bytes are read")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    read = _READERS.get(media_type)
    if read is None:
        return problem(415, f"send one of {', '.join(_READERS)}")
    name, password = await read(request, body)
    if not (isinstance(name, str) and isinstance(password, str) and name and password):
        return problem(400, "username and password are needed")
    return name, password


async def _bounded_body(request: Request) -> bytes | None:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            return None
    return body


async def _read_json(request: Request, body: bytes) -> tuple[object, object]:
    del request
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        return None, None
    return (values.get("username"), values.get("password")) if isinstance(values, dict) else (None, None)


async def _read_form(request: Request, body: bytes) -> tuple[object, object]:
    async def replay() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    form = await Request(request.scope, replay).form(max_files=0)
    return form.get("username"), form.get("password")


_READERS: dict[str, Callable[[Request, bytes], Awaitable[tuple[object, object]]]] = {
    "application/x-www-form-urlencoded": _read_form,
    "multipart/form-data": _read_form,
    "application/json": _read_json,
}
