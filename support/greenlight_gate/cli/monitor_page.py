"""`greenlight monitor --page`: the live page of the rounds."""

import argparse
import contextlib
import ipaddress
import os
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from greenlight_gate.cli.views.terminal import Terminal
from greenlight_gate.evidence.monitor_day import folders_of, is_of, rounds_in
from greenlight_gate.monitor.round import RoundObserver, Watched
from greenlight_gate.report.live_state import DAY_S, LiveState
from greenlight_gate.session.target_watch import alerts_in
from greenlight_gate.targets.settings import Misconfigured, load_profile, load_target

_SHORTEST_TOKEN = 16


def add(group: Any) -> None:
    """Adds its options."""
    group.add_argument(
        "--page", metavar="HOST:PORT",
        help="serve a live page of the rounds, alerts and findings (default: none; example: --page 127.0.0.1:8088)",
    )  # fmt: skip
    group.add_argument(
        "--page-token-env", metavar="ENV",
        help="the environment variable with the token that readers of the page need; required for any --page that is "
        "not on loopback (default: none; example: --page-token-env PAGE_TOKEN)",
    )  # fmt: skip


@contextlib.contextmanager
def observing(options: argparse.Namespace, watched: Watched) -> Iterator[RoundObserver | None]:
    """The page's server, which observes. Raises Misconfigured."""
    if not options.page:
        if options.page_token_env:
            raise Misconfigured("--page-token-env: there is no --page to protect")
        yield None
        return
    # uvicorn and starlette take longer to import than most commands run.
    from greenlight_gate.session.page_server import PageServer  # noqa: PLC0415

    token = _token(options.page_token_env)
    listener = _listener(options.page, token)
    folder = Path(watched.folder)
    server = PageServer(
        listener, _restored(watched, folder), load_profile(load_target(options.environment)), folder, token=token
    )
    host, port = listener.getsockname()[:2]
    server.start()
    try:
        Terminal().print(f"page at http://{f'[{host}]' if ':' in host else host}:{port}/", highlight=False)
        yield server
    finally:
        server.stop()


def _token(variable: str | None) -> str:
    if not variable:
        return ""
    token = os.environ.get(variable, "")
    if len(token) < _SHORTEST_TOKEN:
        raise Misconfigured(
            f"--page-token-env {variable}: expected a token of at least {_SHORTEST_TOKEN} characters in this "
            f"environment variable, got {len(token)} characters"
        )
    return token


def _listener(address: str, token: str) -> socket.socket:
    """A bound socket. Raises Misconfigured for an address that cannot be served, or not without a token."""
    found = re.fullmatch(r"(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})", address)
    if found is None or int(found[3]) > 65_535:
        raise Misconfigured(f"--page {address}: expected HOST:PORT, such as 127.0.0.1:8088")
    host, port = found[1] or found[2] or "127.0.0.1", int(found[3])
    try:
        kind, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if not token and not ipaddress.ip_address(str(where[0]).partition("%")[0]).is_loopback:
            raise Misconfigured(
                f"--page {address}: others can reach this address, and conversations are shown: give a token with "
                "--page-token-env ENV, or use 127.0.0.1"
            )
        listener = socket.socket(kind, socket.SOCK_STREAM)
    except OSError as error:
        raise Misconfigured(f"--page {address}: expected an address of this machine ({error.strerror})") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise Misconfigured(f"--page {address}: cannot be served ({error.strerror}); take another port") from error
    return listener


def _restored(watched: Watched, folder: Path) -> LiveState:
    """The state as the rounds and alerts of the last day left it, for a monitor that was started again."""
    state = LiveState(watched)
    now = datetime.now(UTC)  # noqa: TID251 -- the shell: what happened before is read by the wall clock
    since = now - timedelta(seconds=DAY_S)
    for day in folders_of(folder, watched.environment, (since - timedelta(days=1)).date()):
        if not is_of(day, watched.lasting_url):
            continue
        with contextlib.suppress(OSError):  # the watch reports a folder that cannot be read
            for one in rounds_in(day):
                if one.began_epoch_s >= since.timestamp():
                    state.take(one)
            for alert in alerts_in(day):
                if alert.time >= since.isoformat()[:19]:
                    state.alert(alert)
    return state
