"""How a backend refuses: the ways that a profile lists, and what else may take the place of a refusal."""

from collections.abc import Mapping
from typing import Any

import msgspec

ANY = "*"


class RefusalKinds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ways in which one kind of request is refused; each of them will do.

    `status`: HTTP status of the answer to the upgrade, or to the request. `close`: codes of a close frame. `error`:
    codes of an error, "*" for any. `fresh`: a new and empty conversation takes the place of the one that was asked for.
    `ignored`: nothing happens at all, as on wires that know no errors.
    """

    status: tuple[int, ...] = ()
    close: tuple[int, ...] = ()
    error: tuple[str, ...] = ()
    fresh: bool = False
    ignored: bool = False

    def has_status(self, status: int | None) -> bool:
        """Whether the answer to an upgrade is one of the ways."""
        return status in self.status

    def has_close(self, code: int | None) -> bool:
        """Whether a close is one of the ways."""
        return code in self.close

    def has_error(self, code: Any) -> bool:
        """Whether an error frame is one of the ways."""
        return bool(self.error) and (ANY in self.error or (code is not None and str(code) in self.error))

    def has_answer(self, values: Mapping[str, Any]) -> bool:
        """Whether an error is one of the ways: by its code, or by the HTTP status that it came with."""
        return self.has_error(values.get("code")) or self.has_status(values.get("status"))

    def __str__(self) -> str:
        ways = [f"HTTP {_either(self.status)}"] if self.status else []
        ways += [f"error {_either(self.error)}" if ANY not in self.error else "a clear error"] if self.error else []
        ways += [f"a close with {_either(self.close)}"] if self.close else []
        ways += ["a fresh and empty conversation"] if self.fresh else []
        ways += ["no answer at all"] if self.ignored else []
        return " or ".join(ways)


class Refusals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[refusals]: `entry` without a valid token, `foreign` for another user's data, `expiry` of a token in use."""

    entry: RefusalKinds = RefusalKinds(status=(401, 403))
    foreign: RefusalKinds = RefusalKinds(error=(ANY,))
    expiry: RefusalKinds = RefusalKinds(close=(1008, 4401))


def _either(values: tuple[int, ...] | tuple[str, ...]) -> str:
    return " or ".join(map(str, values))
