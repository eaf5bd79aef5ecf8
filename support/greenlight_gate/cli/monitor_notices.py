"""The notices of `greenlight monitor`: alerts go to the webhook of the target file."""

import argparse
import contextlib
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from greenlight_gate.monitor.round import RoundObserver, Watched
from greenlight_gate.targets.sections import Webhook
from greenlight_gate.targets.settings import Misconfigured, load_target

_SHORTEST_SECRET = 16
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add(group: Any) -> None:
    """It has no options: the target file says where notices go."""


@contextlib.contextmanager
def observing(options: argparse.Namespace, watched: Watched) -> Iterator[RoundObserver | None]:
    """The notices, if the target file has `[monitor.webhook]`. Raises Misconfigured."""
    webhook = load_target(options.environment).monitor.webhook
    if webhook is None:
        yield None
        return
    url, secret = _url(webhook), _secret(webhook)
    # httpx2 and tenacity take longer to import than most commands run.
    from greenlight_gate.monitor.webhook import WebhookNotices  # noqa: PLC0415

    with WebhookNotices(url, secret, watched, webhook.body) as notices:
        yield notices


def _url(webhook: Webhook) -> str:
    """The url of the webhook, which may be a credential: no error shows it."""
    where = f"{webhook.url_env} (monitor.webhook.url_env)"
    url = os.environ.get(webhook.url_env, "")
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        came = "it is not set" if not url else "it is none"
        raise Misconfigured(f"{where}: expected the https url of a webhook in this environment variable, but {came}")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise Misconfigured(f"{where}: expected an https url, for alerts leave this machine, but it is http")
    return url


def _secret(webhook: Webhook) -> str:
    secret = os.environ.get(webhook.secret_env, "")
    if len(secret) < _SHORTEST_SECRET:
        raise Misconfigured(
            f"{webhook.secret_env} (monitor.webhook.secret_env): expected a secret of at least {_SHORTEST_SECRET} "
            f"characters in this environment variable, got {len(secret)} characters"
        )
    return secret
