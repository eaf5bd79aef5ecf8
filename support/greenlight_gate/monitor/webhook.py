"""Posts alerts to a webhook as signed JSON, on a thread of its own, so that no round waits for a network."""

import hashlib
import hmac
import json
import logging
import re
import threading
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec
from tenacity import (
    RetryError,
    Retrying,
    retry_if_result,
    stop_after_delay,
    stop_when_event_set,
    wait_exponential_jitter,
)
from tenacity.nap import sleep_using_event

from greenlight_gate.findings import printable, shortened
from greenlight_gate.monitor.alerts import Alert
from greenlight_gate.monitor.round import RoundObserver, Watched
from greenlight_gate.rules.engine.canary import named
from greenlight_gate.targets.sections import ALERT_FIELDS

TIMESTAMP, SIGNATURE, DELIVERY = "Greenlight-Timestamp", "Greenlight-Signature", "Greenlight-Delivery"
LEAST_BETWEEN_S = 60.0
_RETRY_FOR_S = 600.0
_TIMEOUT_S = 10.0
_STOP_S = 12.0
_MOST_WAITING = 4
_MOST_PATTERNS = 50
_MOST_TEXT = 500
_PLACE = re.compile(r"\{(" + "|".join(ALERT_FIELDS) + r")\}")
# What starts a mention or a link in Slack, and a tag elsewhere; a measured text may be a target's.
_HARMLESS = str.maketrans({"<": "\u2039", ">": "\u203a", "&": "+"})
log = logging.getLogger("greenlight")


class WebhookNotices(RoundObserver):
    """Observes alerts and posts them from `with` to its end. Of each pattern at most one in `least_between_s` is sent.

    What comes earlier waits; of several that wait, the oldest are left out. A response of 408, 429 or 5xx, and none,
    is tried again for ten minutes. `body`: what is sent in place of the alert (`targets.sections.Webhook`).
    """

    def __init__(
        self, url: str, secret: str, watched: Watched, body: Mapping[str, Any] | None = None, *,
        least_between_s: float = LEAST_BETWEEN_S, first_pause_s: float = 1.0,
    ) -> None:  # fmt: skip
        self.sent = 0
        self._url = url
        self._secret = secret.encode()
        self._watched = watched
        self._body = body
        self._least_between_s = least_between_s
        self._first_pause_s = first_pause_s
        self._waiting: OrderedDict[str, deque[Alert]] = OrderedDict()
        self._next_at: dict[str, float] = {}
        self._changed = threading.Condition()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="webhook", daemon=True)

    def on_notice(self, alert: Alert) -> None:
        """Will be posted."""
        with self._changed:
            waiting = self._waiting.setdefault(alert.pattern, deque())
            waiting.append(alert)
            if len(waiting) > _MOST_WAITING:
                log.warning("webhook: a notice about %s was left out", waiting.popleft().pattern)
            if len(self._waiting) > _MOST_PATTERNS:
                log.warning("webhook: notices about %s were left out", self._waiting.popitem(last=False)[0])
            self._changed.notify()

    def __enter__(self) -> "WebhookNotices":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Tries once to post what waits and may be sent by now."""
        self._ending.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(_STOP_S)

    def _work(self) -> None:
        with httpx2.Client(timeout=_TIMEOUT_S, follow_redirects=False) as client:
            while (alert := self._next()) is not None:
                try:
                    self._post(client, alert)
                except Exception:  # one alert that cannot be posted must not end all notices
                    log.exception("webhook: a notice about %s was not sent", alert.pattern)
                with self._changed:
                    # From the last attempt on, which may have been the one that the receiver has accepted.
                    self._next_at[alert.pattern] = time.monotonic() + self._least_between_s

    def _next(self) -> Alert | None:
        """The next alert that may be sent, waited for; None at the end."""
        with self._changed:
            while True:
                now = time.monotonic()
                due = {name: self._next_at.get(name, now) for name in self._waiting}
                name = min(due, key=lambda pattern: due[pattern], default=None)
                if name is not None and due[name] <= now:
                    alert = self._waiting[name].popleft()
                    if not self._waiting[name]:
                        del self._waiting[name]
                    self._next_at = {kept: at for kept, at in self._next_at.items() if at > now}
                    return alert
                if self._ending.is_set():
                    if self._waiting:
                        log.warning("webhook: notices about %s were not sent", ", ".join(self._waiting))
                    return None
                self._changed.wait(due[name] - now if name is not None else None)

    def _post(self, client: httpx2.Client, alert: Alert) -> None:
        body = json.dumps(body_of(alert, self._watched, self._body), ensure_ascii=False).encode(errors="replace")
        delivery = str(uuid.uuid4())
        retrying = Retrying(
            retry=retry_if_result(lambda why: why != ""),
            wait=wait_exponential_jitter(multiplier=self._first_pause_s, max=60, jitter=self._first_pause_s),
            stop=stop_after_delay(_RETRY_FOR_S) | stop_when_event_set(self._ending),
            sleep=sleep_using_event(self._ending),
        )
        try:
            retrying(self._attempt, client, body, delivery, alert.pattern)
        except RetryError as error:
            log.warning("webhook: a notice about %s was given up: %s", alert.pattern, error.last_attempt.result())

    def _attempt(self, client: httpx2.Client, body: bytes, delivery: str, pattern: str) -> str:
        """Posts once. Returns why it should be tried again, or ""."""
        stamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json", "User-Agent": "greenlight-monitor", TIMESTAMP: stamp,
            SIGNATURE: signature(self._secret, stamp, body), DELIVERY: delivery,
        }  # fmt: skip
        # The url may be the credential: it is in no message.
        host = urlsplit(self._url).hostname
        try:
            # What the receiver says beyond its status is not read: it may never end.
            with client.stream("POST", self._url, content=body, headers=headers) as answer:
                status = answer.status_code
        except httpx2.HTTPError as error:
            return f"{host}: {type(error).__name__}"
        if status in (408, 429) or status >= 500:
            return f"{host}: status {status}"
        if status >= 300:
            log.warning("webhook: %s refused a notice about %s: status %d", host, pattern, status)
        else:
            self.sent += 1
        return ""


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """The value of the header: HMAC-SHA256 of the timestamp, a dot and the body, as "v1=" and hex digits."""
    return "v1=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def body_of(alert: Alert, watched: Watched, template: Mapping[str, Any] | None = None) -> Any:
    """What is posted: the alert as JSON values, or the template with its values."""
    values = {name: _shown(value) for name, value in msgspec.to_builtins(alert).items()}
    values |= {
        "environment": _shown(watched.environment),
        "url": _shown(watched.url.partition("?")[0]),
        "text": _shown(f"{watched.environment}: {alert}"),
    }
    return _filled(template, values) if template else {"version": 1, **values}


def _filled(part: Any, values: Mapping[str, str]) -> Any:
    if isinstance(part, str):
        return _PLACE.sub(lambda place: values[place[1]].translate(_HARMLESS), part)
    if isinstance(part, Mapping):
        return {key: _filled(item, values) for key, item in part.items()}
    if isinstance(part, list | tuple):
        return [_filled(item, values) for item in part]
    return part


def _shown(text: str) -> str:
    return shortened(printable(named(text)), _MOST_TEXT)
