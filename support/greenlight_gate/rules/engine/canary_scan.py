"""Whose canaries one connection receives: in one frame, split over two or more, or split over the texts of a run.

Kept between frames are the last ones, more of them once one had what may be a piece of a canary, and of each open run
the last texts. Only where pieces are found that may belong together, the texts of the frames around them are joined by
their places. All of it is bounded, whatever comes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import Final, NamedTuple

from greenlight_gate.rules.engine import canary_search
from greenlight_gate.rules.engine.canary import owner_code
from greenlight_gate.rules.engine.canary_search import NOTHING_FOUND, Sighting
from greenlight_gate.rules.engine.run_state import RunState, UserTabs
from greenlight_gate.rules.engine.text_streams import MOST_CARRIED, TextStreams, edges, last_of

LONGEST_KEPT: Final = 16_384
_EDGE = 8_192
_MOST_CUT = 8
_MOST_OTHERS = 1_024
# So many frames may come between the two that hold the parts of a canary.
_MOST_BETWEEN = 16
_MOST_BEFORE = 4
# So many reads are kept from the first piece of a marker on, in which the next one is looked for.
_MOST_FOLLOWED = 64
# In so many frames after pieces that may belong together, the rest of the name is looked for.
_MOST_STREAMED = 128
# So many more texts come together before they are searched.
_MOST_SAID = 64


class SeenCanary(NamedTuple):
    """Another user's canary that was received: its owner, how it was encoded, where, and the records that hold it."""

    owner: str
    how: str
    where: str
    numbers: tuple[int, ...]
    run: RunState | None = None


Seen = Sequence[SeenCanary]


class CanaryScan:
    """Searches all that comes on one connection. Its methods return the canaries of other users that they find.

    `seen_own`: one of the user's own was seen here.
    `others`: the owners of all other canaries that were seen here, with the record of the first.
    `last`: what came last, frames that were read together with the number of the first of them; `most_last` of those.
    `expecting`: the next frames have to be looked at one by one, for one may hold the rest of a canary.
    `what` names a frame, for reports. `knows`: whether there is a user of this name.
    """

    def __init__(self, user: str, tabs: UserTabs, what: Callable[[bytes], str], knows: Callable[[str], bool]) -> None:
        self._knows = knows
        self.user = user
        self._tabs = tabs
        self.seen_own = False
        self.others: dict[str, int] = {}
        self.expecting = False
        self._own_code = owner_code(user)
        self._what = what
        # A list, since a deque takes 760 bytes, for each of thousands of users.
        self.last: list[tuple[int, Sequence[bytes]]] = []
        self.most_last = _MOST_BEFORE
        self._begun = (0, b"")
        self._expected = 0
        self._cut: list[tuple[Sighting, str, int]] = []
        # The last record with what may be a piece of a marker.
        self._piece_n = 0
        # What is needed once there are pieces that may belong together, which most connections never see.
        self._streams: TextStreams | None = None
        self._streaming = 0
        self._streamed: dict[str, tuple[Sighting, tuple[int, ...]]] = {}
        self._last_others: list[tuple[int, str, bytes]] = []

    @property
    def own(self) -> frozenset[bytes]:
        """The owner codes of the user's own canaries, on whichever of their connections."""
        return self._tabs.canaries

    def add_own(self, *codes: bytes) -> None:
        """Canaries of these owner codes are the user's own."""
        self._tabs.canaries |= {*codes}

    def typed(self, text: str) -> None:
        """What the user asked: a canary in it is the user's own, whichever of the target's users they are."""
        data = text.encode(errors="surrogatepass")
        if canary_search.suspicious(data):
            sightings = canary_search.search(data).sightings
            self.add_own(*(sighting.letters for sighting in sightings if sighting.whole))

    def frame(self, data: bytes, n: int) -> Seen:
        """Searches one frame, if anything in it is suspicious, and remembers it for the next one."""
        seen: list[SeenCanary] = []
        suspicious = canary_search.suspicious(data)
        if self.expecting or suspicious:
            closely = self._expected > 0 or (suspicious and canary_search.may_hold(data))
            found = canary_search.search(data) if closely else NOTHING_FOUND
            clipped = [sighting for sighting in found.sightings if sighting.clipped]
            split = {sighting.letters for sighting in found.sightings if not sighting.clipped}
            for sighting in found.sightings:
                if not sighting.clipped:
                    seen += self._saw(sighting, lambda: f"in {self._what(data)}", n)
            for before_n, before in self._befores(n) if found.unfinished or clipped or self._expected else ():
                for sighting in canary_search.across(before, data):
                    split.add(sighting.letters)
                    seen += self._saw(sighting, lambda: "split over 2 frames", before_n, n)
            for sighting in clipped:
                # What looks cut off at its left may have begun in the frame before.
                if sighting.letters not in split:
                    seen += self._saw(sighting, lambda: f"in {self._what(data)}", n)
            seen += self._stream(found.unfinished or (suspicious and self._continues(data, n)), n, data)
            self._expected -= self._expected > 0
            if found.unfinished:
                self._begun, self._expected = (n, _kept(data)), _MOST_BETWEEN
            self.expecting = self._expected > 0 or self._streaming > 0
        self.keep((data,), n, len(data))
        return seen

    def _continues(self, data: bytes, n: int) -> bool:
        """Whether a frame has a piece of a marker that may belong to one in it, or in those since the last piece."""
        if not canary_search.has_piece(data):
            return False
        since = takewhile(lambda before: before[0] >= self._piece_n, self._frames_before(n))
        frames = b"\n".join((*(before for _, before in since), data))
        self._piece_n = n
        self.most_last = _MOST_FOLLOWED
        return canary_search.in_pieces(frames)

    def _stream(self, begins: bool, n: int, data: bytes, place: str = "") -> Seen:
        """Joins texts from when pieces come that may belong together, until there have been none for a while."""
        if begins and not self._streaming:
            self._begin_stream(n)
        if begins:
            self._streaming = _MOST_STREAMED
        if self._streams is None or not self._streaming:
            return ()
        self._streams.add(n, data, place)
        self._streaming -= 1
        self.expecting = True
        if not self._streaming:
            return self._end_stream()
        if self._streams.full:
            self._join()
        return ()

    def _begin_stream(self, n: int) -> None:
        self._streams = self._streams or TextStreams()
        before = [(m, data, "") for m, data in self._frames_before(n)]
        before += [(m, data, place) for m, place, data in self._last_others]
        for m, data, place in sorted(before):
            self._streams.add(m, data, place)
            if self._streams.full:
                self._join()

    def _join(self) -> None:
        for pieces in self._streams.joined() if self._streams is not None else ():
            for sighting, numbers in _split_over(pieces.texts, unless=self._is_known, least=2 - pieces.in_one):
                # Pieces that were lost, came elsewhere, or belong to several texts, leave a name of nobody.
                if not sighting.clipped and self._is_own(sighting):
                    self.seen_own = True
                elif not sighting.clipped and self._may_be(sighting.owner) and len(self._streamed) < _MOST_CUT:
                    self._streamed.setdefault(sighting.owner, (sighting, numbers))

    def _may_be(self, owner: str) -> bool:
        """Whether a canary that was joined may be this user's: pieces of one's own, sent in turn, make up some name."""
        return not self.own or self._knows(owner)

    def _end_stream(self) -> Seen:
        """What was found in many pieces, unless it was found otherwise meanwhile."""
        if self._streams is not None:
            self._join()
            self._streams.clear()
        streamed, self._streamed, self._streaming = self._streamed, {}, 0
        return [
            self._others(sighting, _in_pieces(numbers), *numbers)
            for owner, (sighting, numbers) in streamed.items()
            if owner not in self.others
        ]

    def keep(self, frames: Sequence[bytes], n: int, size: int) -> None:
        """Remembers frames of `size` bytes in all, the first of them numbered `n`, until a few more have come."""
        if size > LONGEST_KEPT and self.most_last == _MOST_FOLLOWED:
            frames = tuple(map(_kept, frames))
        elif size > LONGEST_KEPT:
            frames, n = (_kept(frames[-1]),), n + len(frames) - 1
        last = self.last
        last.append((n, frames))
        if len(last) > self.most_last:
            del last[0]

    def _befores(self, n: int) -> list[tuple[int, bytes]]:
        """The frames before, the latest first, and the one that holds the beginning of a canary."""
        last = list(islice(self._frames_before(n), _MOST_BEFORE))
        return last if not self.expecting or any(m == self._begun[0] for m, _ in last) else [*last, self._begun]

    def frame_of(self, n: int) -> bytes:
        """The frame of a record that came just now; empty if it is no longer known whole."""
        number, data = next(self._frames_before(n + 1), (0, b""))
        return data if number == n and len(data) < LONGEST_KEPT else b""

    def _frames_before(self, n: int) -> Iterator[tuple[int, bytes]]:
        for first, frames in reversed(self.last):
            for i in reversed(range(len(frames))):
                if first + i < n:
                    yield first + i, frames[i]

    def other(self, data: bytes, where: str, n: int) -> Seen:
        """Searches what is no message: a control frame, the reason of a close, headers."""
        seen: list[SeenCanary] = []
        suspicious = canary_search.suspicious(data)
        if self.expecting or suspicious:
            found = canary_search.search(data) if suspicious else NOTHING_FOUND
            for sighting in found.sightings:
                seen += self._saw(sighting, lambda: f"in {where}", n)
            begins = found.unfinished
            if suspicious and not begins:
                before = (text for _, place, text in self._last_others if place == f"({where})")
                begins = canary_search.in_pieces(b"\n".join((*before, data)))
            seen += self._stream(begins, n, data, f"({where})")
        self._last_others.append((n, f"({where})", _kept(data, MOST_CARRIED // 2)))
        del self._last_others[:-_MOST_FOLLOWED]
        return seen

    def finish(self) -> Seen:
        """Nothing more will come: what has been cut off stays so."""
        seen = [self._others(sighting, where, n) for sighting, where, n in self._cut]
        self._cut.clear()
        self.expecting = self._expected > 0
        return [*seen, *self._end_stream()]

    # The texts of one run -----------------------------------------------------------------------------------------

    def say(self, run: RunState, n: int, text: str) -> Seen:
        """Adds a text that may be part of a word which is split, or follows one.

        `n`: its record, negative for all but agent_thinking.
        """
        if run.said is None:
            thought = {run.thought_n: edges(run.thought)} if run.thought else {}
            other = {-run.other_text_n: edges(run.other_text)} if run.other_text else {}
            run.said = thought | other if run.thought_n < run.other_text_n else other | thought
        run.said[n] = edges(text)
        return self.said(run) if len(run.said) > run.said_most else ()

    def said(self, run: RunState) -> Seen:
        """Searches the texts of a run, joined as if they were one, and keeps the last of them."""
        seen = self.said_all(run)
        run.said = last_of(run.said or {})
        run.said_most = len(run.said) + _MOST_SAID
        return seen

    def said_all(self, run: RunState) -> Seen:
        """The same where nothing more is expected of the run."""
        pieces = run.said or {}
        seen: list[SeenCanary] = []
        if len(pieces) > 1:
            seen += self._split(pieces, run)
            # Where one text comes between two thoughts, a half of the marker is whole on one side of it.
            thoughts = {n: text for n, text in pieces.items() if n > 0}
            if 1 < len(thoughts) < len(pieces):
                seen += self._split(thoughts, run)
        return seen

    def _split(self, pieces: Mapping[int, str], run: RunState) -> Seen:
        seen: list[SeenCanary] = []
        for sighting, numbers in _split_over(pieces, unless=self._is_known):
            where = f"split over {len(numbers)} texts"
            seen += self._saw(sighting, lambda where=where: where, *numbers, run=run)  # type: ignore[misc]
        return seen

    def _is_known(self, sighting: Sighting) -> bool:
        return (self.seen_own and self._is_own(sighting)) or sighting.owner in self.others

    # Whose it is --------------------------------------------------------------------------------------------------

    def _saw(self, sighting: Sighting, where: Callable[[], str], *numbers: int, run: RunState | None = None) -> Seen:
        if sighting.whole:
            self._cut = [cut for cut in self._cut if not sighting.letters.startswith(cut[0].letters)]
        if self._is_own(sighting):
            self.seen_own = self.seen_own or sighting.whole
        elif not sighting.cut:
            return (self._others(sighting, where(), *numbers, run=run),)
        elif len(self._cut) < _MOST_CUT:
            # The rest of the name may follow.
            self._cut.append((sighting, where(), numbers[-1]))
        return ()

    def owns(self, owner: str) -> bool:
        """Whether canaries of this name are the user's own."""
        return owner_code(owner) in (self._own_code, *self.own)

    def _is_own(self, sighting: Sighting) -> bool:
        if sighting.whole:
            return sighting.letters == self._own_code or sighting.letters in self.own
        # What is cut off where it could still become the user's own is not held to be another user's.
        return any(code.startswith(sighting.letters) for code in (self._own_code, *self.own))

    def _others(self, sighting: Sighting, where: str, *numbers: int, run: RunState | None = None) -> SeenCanary:
        owner = sighting.owner
        if len(self.others) < _MOST_OTHERS:
            self.others.setdefault(owner, numbers[-1])
        return SeenCanary(owner, sighting.how, where, numbers, run)


def _kept(frame: bytes, edge: int = _EDGE) -> bytes:
    return frame if len(frame) <= 2 * edge else frame[:edge] + b'"' + frame[-edge:]


def _joined(texts: Iterable[str]) -> bytes:
    return "".join(texts).encode(errors="surrogatepass")


def _in_pieces(numbers: Sequence[int]) -> str:
    return f"split over {len(numbers)} frames" if len(numbers) > 1 else "in pieces in one frame"


def _split_over(
    pieces: Mapping[int, str], unless: Callable[[Sighting], bool] = lambda _: False, least: int = 2
) -> Iterator[tuple[Sighting, tuple[int, ...]]]:
    """The canaries in texts that are joined as if they were one, and the records of those that hold each.

    Only those over at least so many records.
    """
    joined = _joined(pieces.values())
    if not canary_search.suspicious(joined):
        return
    for sighting in canary_search.search(joined).sightings:
        if sighting.whole and not unless(sighting):
            first, end = _span(tuple(pieces.values()), sighting)
            if end - first >= least:
                yield sighting, tuple(abs(n) for n in list(pieces)[first:end])


def _span(texts: Sequence[str], sighting: Sighting) -> tuple[int, int]:
    """The fewest texts in a row that hold the canary: from the first to before the last. By halving: it is rare."""

    def holds(first: int, end: int) -> bool:
        found = canary_search.search(_joined(texts[first:end])).sightings
        return any(each.letters == sighting.letters and each.clipped <= sighting.clipped for each in found)

    low, high = 0, len(texts) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle, len(texts)) else (low, middle - 1)
    first, low, high = low, low + 1, len(texts)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(first, middle) else (middle + 1, high)
    return first, low
