"""ISOLATION-1 on one connection: whose canaries the person was shown, in one frame, in two, or in the texts of a run.

Kept between frames are the last one, and of each open run the last texts: bounded, whatever comes.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from greenlight_gate.rules.engine import canary_search
from greenlight_gate.rules.engine.canary import owner_code
from greenlight_gate.rules.engine.canary_search import Sighting
from greenlight_gate.rules.engine.run_state import Report, RunState

LONGEST_KEPT: Final = 16_384
_EDGE = 8_192
_MOST_CUT = 8
_MOST_OTHERS = 1_024
# So many frames may come between the two that hold the parts of a canary.
_MOST_BETWEEN = 16
_MOST_BEFORE = 4
# The letters of a long name as escapes; and how many more texts come together before they are searched.
MOST_CARRIED: Final = 1_024
_MOST_SAID = 64


class CanaryScan:
    """Looks at all that comes on one connection.

    `own`: how the names of the canaries begin that are the person's own. `seen_own`: one of them was seen here.
    `others`: the owners of all other canaries that were seen here, with the record of the first.
    `last`: what came last, frames that were read together with the number of the first of them.
    `expecting`: the next frames have to be looked at closely, for one may hold the rest of a canary.
    """

    def __init__(self, person: str, own: set[bytes], report: Report, what: Callable[[bytes], str]) -> None:
        self.person = person
        self.own = own
        self.report = report
        self.seen_own = False
        self.others: dict[str, int] = {}
        self.expecting = False
        self._own_code = owner_code(person)
        self._what = what
        self.last: deque[tuple[int, Sequence[bytes]]] = deque(maxlen=_MOST_BEFORE)
        self._begun = (0, b"")
        self._expected = 0
        self._cut: list[tuple[Sighting, str, int]] = []

    def typed(self, text: str) -> None:
        """What the person asked: a canary in it is the person's own, whoever of the target's people they are."""
        data = text.encode(errors="surrogatepass")
        if canary_search.suspicious(data):
            self.own.update(sighting.letters for sighting in canary_search.search(data).sightings if sighting.whole)

    def frame(self, data: bytes, n: int) -> None:
        """Looks at one frame, if it is worth it, and remembers it for the next one."""
        if self.expecting or canary_search.suspicious(data):
            found = canary_search.search(data)
            for sighting in found.sightings:
                self._saw(sighting, lambda: f"in {self._what(data)}", n)
            for before_n, before in self._befores(n) if found.unfinished or self.expecting else ():
                for sighting in canary_search.across(before, data):
                    self._saw(sighting, lambda: "split over 2 frames", before_n, n)
            self._expected -= self.expecting
            if found.unfinished:
                self._begun, self._expected = (n, _kept(data)), _MOST_BETWEEN
            self.expecting = self._expected > 0
        self.keep((data,), n, len(data))

    def keep(self, frames: Sequence[bytes], n: int, size: int) -> None:
        """Remembers frames of `size` bytes in all, the first of them numbered `n`, until a few more have come."""
        if size > LONGEST_KEPT:
            frames, n = (_kept(frames[-1]),), n + len(frames) - 1
        self.last.append((n, frames))

    def _befores(self, n: int) -> list[tuple[int, bytes]]:
        """The frames before, the last first, and the one that holds the begin of a canary."""
        last = [(first + i, data) for first, frames in self.last for i, data in enumerate(frames) if first + i < n]
        last = last[: -_MOST_BEFORE - 1 : -1]
        return last if not self.expecting or any(m == self._begun[0] for m, _ in last) else [*last, self._begun]

    def other(self, data: bytes, where: str, n: int) -> None:
        """Looks at what is no message: a control frame, the reason of a close, headers."""
        if canary_search.suspicious(data):
            for sighting in canary_search.search(data).sightings:
                self._saw(sighting, lambda: f"in {where}", n)

    def finish(self) -> None:
        """Nothing more will come: what has been cut off stays so."""
        for sighting, where, n in self._cut:
            self._accuse(sighting, where, n)
        self._cut.clear()

    # The texts of one run -----------------------------------------------------------------------------------------

    def say(self, run: RunState, n: int, text: str) -> None:
        """Adds a text that may be part of a word which is split, or follows one. `n`: negative if it is no thought."""
        if run.said is None:
            before = ((run.thought_n, edges(run.thought)), (-run.aside_n, edges(run.aside)))
            run.said = dict(sorted((piece for piece in before if piece[1]), key=lambda piece: abs(piece[0])))
        run.said[n] = edges(text)
        if len(run.said) > run.said_most:
            self.said(run)

    def said(self, run: RunState) -> None:
        """Looks at the texts of a run, one after the other as if they were one, and keeps the last of them."""
        self.said_all(run)
        pieces, carried = run.said or {}, 0
        kept: list[tuple[int, str]] = []
        for n in reversed(pieces):
            if carried >= MOST_CARRIED:
                break
            kept.append((n, pieces[n]))
            carried += len(pieces[n])
        run.said = dict(reversed(kept))
        run.said_most = len(kept) + _MOST_SAID

    def said_all(self, run: RunState) -> None:
        """The same where nothing more is expected of the run."""
        pieces = run.said or {}
        joined = "".join(pieces.values()).encode(errors="surrogatepass")
        if canary_search.suspicious(joined) and len(pieces) > 1:
            self._join(joined, pieces, run)
            # Where one text comes between two thoughts, a half of the marker is whole on one side of it.
            thoughts = {n: text for n, text in pieces.items() if n > 0}
            if 1 < len(thoughts) < len(pieces):
                self._join(_joined(thoughts.values()), thoughts, run)

    def _join(self, joined: bytes, pieces: Mapping[int, str], run: RunState) -> None:
        for sighting in canary_search.search(joined).sightings:
            if sighting.whole and not self._is_known(sighting):
                texts = tuple(pieces.values())
                first, end = _span(texts, sighting.letters)
                if end - first > 1:
                    numbers = [abs(n) for n in list(pieces)[first:end]]
                    where = f"split over {len(numbers)} texts"
                    self._saw(sighting, lambda where=where: where, *numbers, run=run)  # type: ignore[misc]

    def _is_known(self, sighting: Sighting) -> bool:
        return (self.seen_own and self._is_own(sighting)) or sighting.owner in self.others

    # What follows -------------------------------------------------------------------------------------------------

    def _saw(self, sighting: Sighting, where: Callable[[], str], *numbers: int, run: RunState | None = None) -> None:
        if sighting.whole:
            self._cut = [cut for cut in self._cut if not sighting.letters.startswith(cut[0].letters)]
        if self._is_own(sighting):
            self.seen_own = self.seen_own or sighting.whole
        elif not sighting.cut:
            self._accuse(sighting, where(), *numbers, run=run)
        elif len(self._cut) < _MOST_CUT:
            # The rest of the name may follow.
            self._cut.append((sighting, where(), numbers[-1]))

    def _is_own(self, sighting: Sighting) -> bool:
        if sighting.whole:
            return sighting.letters == self._own_code or sighting.letters in self.own
        # What is cut off where it could still become the person's own accuses nobody.
        return any(code.startswith(sighting.letters) for code in (self._own_code, *self.own))

    def _accuse(self, sighting: Sighting, where: str, *numbers: int, run: RunState | None = None) -> None:
        owner = sighting.owner
        if len(self.others) < _MOST_OTHERS:
            self.others.setdefault(owner, numbers[-1])
        came = f"canary of {owner}, {sighting.how}, {where}"
        self.report("ISOLATION-1", "nothing of anybody else", came, *numbers, run=run, about=owner)


def _kept(frame: bytes) -> bytes:
    return frame if len(frame) <= LONGEST_KEPT else frame[:_EDGE] + b'"' + frame[-_EDGE:]


def _joined(texts: Iterable[str]) -> bytes:
    return "".join(texts).encode(errors="surrogatepass")


def _span(texts: Sequence[str], letters: bytes) -> tuple[int, int]:
    """The fewest texts in a row that hold the canary: from the first to before the last. By halving: it is rare."""

    def holds(first: int, end: int) -> bool:
        return any(found.letters == letters for found in canary_search.search(_joined(texts[first:end])).sightings)

    low, high = 0, len(texts) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle, len(texts)) else (low, middle - 1)
    first, low, high = low, low + 1, len(texts)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(first, middle) else (middle + 1, high)
    return first, low


def edges(text: str) -> str:
    """As much of a long text as can be part of a canary that is split: its beginning and its end."""
    half = MOST_CARRIED // 2
    return text if len(text) <= MOST_CARRIED else f"{text[:half]}\n{text[-half:]}"
