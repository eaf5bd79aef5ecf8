"""Whether a target says that it is well, and that it is of the version that is judged."""

import re
from typing import NamedTuple

from greenlight_gate.targets.errors import TargetFault
from greenlight_gate.targets.http import NotReady, Reply, Unreachable, exchange
from greenlight_gate.targets.model import Target
from greenlight_gate.trace import SUCCESS

_WELL = frozenset({"healthy", "ok", "up", "pass"})
_NOT_YET = frozenset({502, 503, 504})
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


class HealthReport(NamedTuple):
    """What the target says of itself; "" for what it does not say. `status` is "not asked" where health is ""."""

    status: str
    version: str = ""
    service: str = ""


async def check_health(target: Target) -> HealthReport:
    """Asks once.

    Where the target file says no version (`api_version = ""`), any status of 200 to 299 is well, whatever the body is,
    unless it is JSON with another "status". Raises Misconfigured when it cannot be reached or trusted (exit code 3),
    and TargetFault when it answers wrongly: not 200, no JSON, not healthy, another API version. NotReady among these
    may pass with time.
    """
    if not target.health:
        return HealthReport("not asked")
    reply = await exchange(target, "GET", target.resolve(target.health))
    body = reply.json()
    said = body or {}
    status = said.get("status")
    _refuse_unless_well(target, reply, status, is_json=body is not None)
    report = HealthReport(_text(status), _text(said.get("version")), _text(said.get("service")))
    major = re.match(r"v?(\d+)(\.|$)", report.version)
    if target.api_version and (major is None or major[1] != target.api_version):
        came = f"{report.version!r} came" if report.version else "it reports none"
        raise TargetFault(
            f"{target.name}: {reply.url}: expected version {target.api_version}.x, but {came}; "
            f"api_version in the target file says which major version is judged"
        )
    return report


async def wait_healthy(target: Target, timeout_s: float) -> HealthReport:
    """Asks until the target is healthy, for `timeout_s` seconds.

    Asks again only while it cannot be reached or is not ready; raises at once for what time does not heal, and what
    `check_health` raised last when the time is over.
    """
    from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential  # noqa: PLC0415

    retrying = AsyncRetrying(
        retry=retry_if_exception_type((Unreachable, NotReady)),
        stop=stop_after_delay(timeout_s),
        wait=wait_exponential(multiplier=_FIRST_PAUSE_S, max=_LONGEST_PAUSE_S),
        reraise=True,
    )
    try:
        return await retrying(check_health, target)
    except (Unreachable, NotReady) as error:
        raise type(error)(f"{error} (asked for {timeout_s:g} s)") from error


def _refuse_unless_well(target: Target, reply: Reply, status: object, *, is_json: bool) -> None:
    where = f"{target.name}: {reply.url}"
    if is_json and status is not None and _text(status).lower() not in _WELL:
        raise NotReady(f"{where}: expected status 'healthy', but {_text(status)!r} came (HTTP {reply.status})")
    if reply.status in _NOT_YET:
        raise NotReady(f"{where}: expected HTTP 200, but {reply.described()}")
    if not target.api_version and reply.status in SUCCESS:
        return
    if reply.status != 200 or not is_json:
        step = 'health in the target file names the path ("" for none)'
        raise TargetFault(f"{where}: expected HTTP 200 with a JSON object, but {reply.described()}; {step}")
    if status is None:
        raise TargetFault(f'{where}: expected a JSON object with "status", but it has none')


def _text(value: object) -> str:
    return "" if value is None else str(value)[:60]
