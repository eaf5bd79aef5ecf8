"""Who calls: the subject of a token that is signed with the secret of this server."""

import os

import jwt
from fastapi import HTTPException, Request
from litellm.proxy._types import UserAPIKeyAuth


async def user_of(request: Request, api_key: str) -> UserAPIKeyAuth:
    """The user of a token. Raises HTTPException with 401 for one that is not valid."""
    try:
        claims = jwt.decode(api_key, os.environ["LIVE_SECRET"], ["HS256"], audience="live")
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, f"invalid token: {error}") from error
    return UserAPIKeyAuth(user_id=claims["sub"])
