"""Sending the HTTP requests of profiles and target files, filled in with values."""

import itertools
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from greenlight_gate.targets.http import Reply, exchange
from greenlight_gate.targets.model import Target
from greenlight_gate.wire.http_call import HttpCall
from greenlight_gate.wire.templates import fill, filled_or_none, quoted


class Values(dict[str, Any]):
    """Values by name; those that are new each time (`uuid`, `counter`, `now`) are made on access.

    So is `request_number`, the request id as an integer, and what `made` has a function for.
    """

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        self.count = itertools.count(1)
        self.made: dict[str, Callable[[Values], Any]] = {}

    def over(self, supplied: Mapping[str, Any]) -> "Values":
        """These values, overridden by others; the counter and what is made are shared."""
        both = Values({**self, **supplied})
        both.count, both.made = self.count, self.made
        return both

    def __missing__(self, name: str) -> Any:
        if name in self.made:
            return self.made[name](self)
        if name == "uuid":
            return uuid.uuid4().hex
        if name == "counter":
            return next(self.count)
        if name == "request_number":
            return int(self["request"])
        now = time.time()
        if name == "now":
            return datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        if name in ("now_s", "now_ms"):
            return int(now * (1 if name == "now_s" else 1000))
        raise KeyError(name)


async def call(target: Target, request: HttpCall, values: Values, headers: Mapping[str, str]) -> Reply:
    """Sends one request, with further headers, whatever its status. Raises as `exchange` does."""
    return await exchange(
        target, request.method, target.resolve(fill(request.path, quoted(values))),
        headers={**filled(request.headers, values), **headers},
        form=None if request.form is None else filled(request.form, values),
        json_body=None if request.json is None else fill(request.json, values),
    )  # fmt: skip


def filled(table: Mapping[str, str], values: Values) -> dict[str, str]:
    """A table of texts filled in, without those whose value is null."""
    found = {name: filled_or_none(template, values) for name, template in table.items()}
    return {name: value for name, value in found.items() if value is not None}
