"""The counts of a load until a moment: cumulative, so that leaving some out costs only resolution in time."""

import msgspec

MOST_KEPT = 512


class Counts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All of one load until `at` (seconds since the epoch).

    `tried`, `made`, `refused` and `lost` are connections: begun, usable, not opened, and lost.
    `failed` answers failed though they should not have. `open` and `busy`: connections, and answers under way, at this
    moment. `answering_us`: how long all answers that have ended had taken together. `rules`: answers that broke each
    rule. `delays`: latencies by coarse bucket (`time_series.bucket`), `delay_us` their sum. `hindered`: the
    generator was too busy, all in all, to say how fast anything was. `is_last`: nothing more comes.
    """

    at: float
    tried: int = 0
    made: int = 0
    refused: int = 0
    lost: int = 0
    asked: int = 0
    messages: int = 0
    events: int = 0
    failed: int = 0
    open: int = 0
    busy: int = 0
    answering_us: int = 0
    rules: dict[str, int] = {}
    delays: dict[int, int] = {}
    delay_us: int = 0
    hindered: bool = False
    is_last: bool = False


class Counting:
    """Keeps counts of a load, at most `MOST_KEPT` of them however long the load is."""

    def __init__(self) -> None:
        self.kept: list[Counts] = []

    def add(self, counts: Counts) -> None:
        """The latest."""
        self.kept.append(counts)
        if len(self.kept) > MOST_KEPT:
            self.kept = self._thinned()

    def _thinned(self) -> list[Counts]:
        """Every second one, the first and the last among them. The peaks of one left out go to the one after it."""
        first, *others = self.kept
        thinned = [first]
        for left_out, kept in zip(others[::2], others[1::2], strict=False):
            most = {name: max(getattr(left_out, name), getattr(kept, name)) for name in ("open", "busy")}
            thinned.append(kept if kept.is_last else msgspec.structs.replace(kept, **most))
        return thinned if len(others) % 2 == 0 else [*thinned, others[-1]]
