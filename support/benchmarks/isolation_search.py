"""What the search for other users's canaries costs, by frame and by socket read.

    python -m support.benchmarks.isolation_search [PAIRS]

The frames are those of `decode_and_rules`: about 300 bytes each, 7 to a socket read. Each is searched alone, and then
each read once for all its frames, alternating in one process; CPU time, medians of at least 5 pairs. For comparison:
the search for leaks, which the same reads go through, and the close look that a frame with a canary gets. The bar is
1 microsecond an event by read.
"""

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable

from greenlight_gate.rules.engine import canary_search, forbidden_text
from greenlight_gate.rules.engine.canary import canary_word

from support.benchmarks.decode_and_rules import Answer, answers

BAR_US = 1.0
LEAST_PAIRS = 5
_HIDDEN = canary_word("Bashir", "abcdefgh")


def by_frame(work: list[Answer]) -> int:
    """How many frames the filter lets through, asked for each."""
    return sum(canary_search.suspicious(frame) for answer in work for frame in answer.frames)


def by_read(work: list[Answer]) -> int:
    """How many reads the filter lets through, asked once for each."""
    return sum(canary_search.suspicious(answer.read) for answer in work)


def leaks_by_read(work: list[Answer]) -> int:
    """The same for leaks."""
    return sum(forbidden_text.suspicious(answer.read) for answer in work)


def leaks_and_canaries_by_read(work: list[Answer]) -> int:
    """Both for each read, as the load engine asks."""
    return sum(forbidden_text.suspicious(answer.read) or canary_search.suspicious(answer.read) for answer in work)


def close_look(work: list[Answer]) -> int:
    """The close look at each frame."""
    return sum(bool(canary_search.search(frame).sightings) for answer in work for frame in answer.frames)


def _cpu_s(side: Callable[[list[Answer]], int], work: list[Answer]) -> float:
    gc.collect()
    began = time.process_time()
    side(work)
    return time.process_time() - began


def _with_canary(answer: Answer) -> Answer:
    frames = [json.dumps({**json.loads(frame), "note": _HIDDEN}).encode() for frame in answer.frames]
    return answer._replace(frames=frames, read=b"".join(frames))


def _proves_its_work(work: list[Answer], spoilt: list[Answer]) -> None:
    """Clean frames are let go, and every frame with a canary is found."""
    events = sum(len(answer.frames) for answer in spoilt)
    assert by_frame(work) == by_read(work) == 0
    assert by_frame(spoilt) == close_look(spoilt) == events
    assert by_read(spoilt) == len(spoilt)


def main(pairs: int) -> float:
    """Prints the figures and returns the median cost by read, microseconds of CPU an event."""
    work = answers()
    spoilt = [_with_canary(answer) for answer in work[:200]]
    _proves_its_work(work, spoilt)
    gc.freeze()
    sides = (by_frame, by_read, leaks_by_read, leaks_and_canaries_by_read)
    times: dict[str, list[float]] = {side.__name__: [] for side in sides}
    looks: list[float] = []
    events = sum(len(answer.frames) for answer in work)
    for _ in range(max(pairs, LEAST_PAIRS)):
        for side in sides:
            times[side.__name__].append(_cpu_s(side, work) / events * 1e6)
        looks.append(_cpu_s(close_look, spoilt) / sum(len(answer.frames) for answer in spoilt) * 1e6)
    us = {name: statistics.median(values) for name, values in times.items()}
    ratios = [frame / read for frame, read in zip(times["by_frame"], times["by_read"], strict=True)]
    print(f"{events} events, {len(looks)} pairs, microseconds of CPU per event (medians)")
    print(f"canaries, by frame            {us['by_frame']:6.2f}")
    print(f"canaries, by read             {us['by_read']:6.2f}  (the bar is {BAR_US})")
    print(f"leaks, by read                {us['leaks_by_read']:6.2f}")
    print(f"leaks and canaries, by read   {us['leaks_and_canaries_by_read']:6.2f}")
    print(f"close look, with a canary     {statistics.median(looks):6.2f}")
    print(f"by frame against by read      {statistics.median(ratios):6.2f}  ({min(ratios):.2f} to {max(ratios):.2f})")
    return us["by_read"]


if __name__ == "__main__":
    sys.exit(0 if main(int(sys.argv[1]) if len(sys.argv) > 1 else 11) <= BAR_US else 1)
