"""A defect opens its own door and no other."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from greenlight_gate.backend.defects import activate
from greenlight_gate.backend.settings import Settings
from greenlight_gate.backend.sqlite_store import SqliteStore
from greenlight_gate.backend.tokens import Attempt, Tokens

from support.tests.backend.users import SECRET, token_of

ATTEMPTS = {
    "no_token_accepted": Attempt("", "", None, ""),
    "bad_signature_accepted": Attempt(token_of("ada", secret="x" * 32), "header", None, ""),
    "expired_token_accepted": Attempt(token_of("ada", lifetime_s=-60), "header", None, ""),
    "wrong_audience_accepted": Attempt(token_of("ada", aud="mail"), "subprotocol", None, ""),
    "token_in_query_accepted": Attempt(token_of("ada"), "query", None, ""),
}
NEVER = {
    "expired and by a stranger": Attempt(token_of("ada", lifetime_s=-60, secret="x" * 32), "header", None, ""),
    "not yet": Attempt(token_of("ada", nbf=time.time() + 3_600), "header", None, ""),
    "not yet, by a stranger": Attempt(token_of("ada", nbf=time.time() + 3_600, secret="x" * 32), "header", None, ""),
    "without a usable end": Attempt(token_of("ada", exp="soon"), "header", None, ""),
    "garbage": Attempt("garbage", "header", None, ""),
    "garbage in the address": Attempt("garbage", "query", None, ""),
}
ACTIONS = {"foreign_thread_accepted": "start", "foreign_resume_accepted": "restore", "foreign_stop_accepted": "stop"}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Any]:
    settings = Settings(jwt_secret=SECRET)
    store = SqliteStore(tmp_path / "chat.sqlite3", lambda commit: None)
    yield SimpleNamespace(settings=settings, store=store, tokens=Tokens(settings, store))
    asyncio.run(store.close())


@pytest.mark.parametrize("active", ATTEMPTS)
def test_one_way_in_is_open_and_the_others_are_not(hub: Any, active: str) -> None:
    chain = activate([active])
    let_in = {name for name, attempt in {**ATTEMPTS, **NEVER}.items() if chain.credentials(hub, attempt, None)}
    assert let_in == {active}


def test_who_has_signed_out_stays_outside_whoever_signed_the_token(hub: Any) -> None:
    token = token_of("ada", jti="signed-out")
    asyncio.run(hub.store.revoke("signed-out", time.time() + 600))
    chain = activate(list(ATTEMPTS))
    let_in = chain.credentials(hub, Attempt(token, "header", None, ""), hub.tokens.identify(token))
    assert let_in is not None
    assert asyncio.run(hub.tokens.admitted(let_in)) is None


def test_a_token_that_was_good_still_ends_where_only_ended_ones_are_let_in(hub: Any) -> None:
    chain, now = activate(["expired_token_accepted"]), time.time()
    assert chain.expiry(hub, now + 60) == now + 60
    assert chain.expiry(hub, now - 60) is None


@pytest.mark.parametrize("active", ACTIONS)
def test_one_action_on_what_is_not_yours_is_open_and_the_others_are_not(active: str) -> None:
    chain = activate([active])
    allowed = {action for action in ACTIONS.values() if chain.access(False, action, "ada", "bashir")}
    assert allowed == {ACTIONS[active]}
