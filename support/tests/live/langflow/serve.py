"""Langflow with eight users, who each have the flow of flow.py: serve.py PORT. It listens once they are there."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI
from flow import flow
from langflow.main import create_app

USERS = ("ada", "bashir", "chiara", "dayo", "emeka", "farah", "goran", "hana")
PASSWORD = os.environ["LIVE_PASSWORD"]
app = create_app()
as_shipped = app.router.lifespan_context


@asynccontextmanager
async def with_users(served: FastAPI) -> AsyncIterator[None]:
    """The server's own life, with users once it has begun."""
    async with as_shipped(served):
        transport = httpx.ASGITransport(app=served)
        made = flow()
        async with httpx.AsyncClient(transport=transport, base_url="http://live", timeout=120) as client:
            for user in USERS:
                account = {"username": user, "password": PASSWORD}
                (await client.post("/api/v1/users/", json=account)).raise_for_status()
                token = (await client.post("/api/v1/login", data=account)).raise_for_status().json()["access_token"]
                bearer = {"Authorization": f"Bearer {token}"}
                (await client.post("/api/v1/flows/", json=made, headers=bearer)).raise_for_status()
        yield


app.router.lifespan_context = with_users
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
