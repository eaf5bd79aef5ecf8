"""Who may connect, and whose threads are whose: tokens of a shared secret, and the owner in the metadata."""

import os
from typing import Any

import jwt
from langgraph_sdk import Auth

auth = Auth()


@auth.authenticate
async def signed_in(authorization: str | None) -> Auth.types.MinimalUserDict:
    kind, _, token = (authorization or "").partition(" ")
    try:
        claims = jwt.decode(
            token, os.environ["LIVE_SECRET"], algorithms=["HS256"], audience="live",
            options={"require": ["exp", "sub"]},
        )  # fmt: skip
    except jwt.InvalidTokenError as error:
        raise Auth.exceptions.HTTPException(status_code=401, detail="no token of ours") from error
    if kind != "Bearer":
        raise Auth.exceptions.HTTPException(status_code=401, detail="no token of ours")
    return {"identity": claims["sub"]}


@auth.on
async def owned(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> dict[str, str]:
    owner = {"owner": ctx.user.identity}
    value.setdefault("metadata", {}).update(owner)
    return owner


@auth.on.assistants
async def shared(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> None:
    """All users share the assistants."""
