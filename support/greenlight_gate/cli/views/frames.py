"""How the frames of a conversation were read: a table of all, a summary, and whether they suffice as evidence."""

from collections import Counter
from collections.abc import Collection, Sequence

from rich.console import Console
from rich.markup import escape

from greenlight_gate.events import (
    ENDS,
    FIVE,
    Control,
    Event,
    EventKind,
    Foreign,
    Ignored,
    More,
    Reading,
    Unmapped,
    each,
)
from greenlight_gate.evidence.conversation import as_table
from greenlight_gate.findings import numbered
from greenlight_gate.trace import AnyRecord, Received
from greenlight_gate.wire.profile import Profile

# Above this share of frames that cannot be read, the evidence is not conclusive (EVIDENCE).
MOST_UNMAPPED = 0.05
# From so many pieces on, what comes is no beginning.
_MOST_STARTS = 50
Entries = Sequence[tuple[AnyRecord, Reading | None]]


class FrameSummary:
    """The frames counted by how they were read. `unshown`: kinds of event that the target accepts not to show."""

    def __init__(self, profile: Profile, entries: Entries, unshown: Collection[str] = ()) -> None:
        self.profile = profile
        self.unshown = unshown
        self.entries = entries
        parts = [part for _, reading in entries for part in each(reading)]
        self.messages = sum(isinstance(record, Received) for record, _ in entries)
        self.unmapped = sum(any(isinstance(part, Unmapped) for part in each(reading)) for _, reading in entries)
        self.counts = Counter(_named(part) for part in parts)
        self.shown = {part.kind for part in parts if isinstance(part, Event) and not part.synthesised}

    @property
    def missing(self) -> list[str]:
        """The kinds among the five that were not received, although the wire can show them."""
        known = {*self.shown, *self.profile.spec.absent, *self.unshown}
        return [str(kind) for kind in FIVE if kind not in known]

    @property
    def too_many_unmapped(self) -> bool:
        """Whether a verdict on these frames would be inconclusive."""
        return self.unmapped > MOST_UNMAPPED * self.messages

    def show(self, console: Console) -> None:
        """Shows the table of all frames, and the summary."""
        columns = console.width if console.is_terminal else 0
        console.print(escape(as_table(self.entries, columns=columns)), highlight=False, soft_wrap=True)
        console.print(f"\nRead, of {numbered(self.messages, 'message')}:", highlight=False)
        for (group, name), count in sorted(self.counts.items()):
            colour = {"unmapped": "yellow", "foreign": "yellow"}.get(group)
            line = f"  {count:>5}  {group:<10} {escape(name)}"
            console.print(f"[{colour}]{line}[/]" if colour else line, highlight=False, soft_wrap=True)
        for kind, why in self.profile.spec.absent.items():
            console.print(f"not observable with this profile: {kind} ({escape(why)})", highlight=False, soft_wrap=True)
        if self.missing:
            console.print(f"not received here: {', '.join(self.missing)}", highlight=False, soft_wrap=True)
        same, runs = pieces_of_answer(self.entries)
        if same * 2 > runs:
            console.print(
                f"[bold yellow]WARNING[/] {escape(_pieces_warning(same, runs))}", highlight=False, soft_wrap=True
            )
        if self.unmapped:
            share = 100 * self.unmapped / self.messages
            limit = f"the verdict is INCONCLUSIVE above {100 * MOST_UNMAPPED:g} %"
            console.print(f"{self.unmapped} unmapped: {share:.1f} % of all ({limit})", highlight=False)


def _pieces_warning(same: int, runs: int) -> str:
    return (
        f"the text of agent_thinking is the beginning of the answer in {same} of {numbered(runs, 'run')}: pieces of "
        'the answer are no reasoning; map them with is = "answer_part"'
    )


def pieces_of_answer(entries: Entries) -> tuple[int, int]:
    """In how many runs agent_thinking is the beginning of the answer, and how many have an answer.

    Compared is each stream, an event with what was more of it, from each of its first pieces on.
    """
    streams: dict[tuple[str, str | None], list[list[str]]] = {}
    same = runs = 0
    for record, reading in entries:
        for part in each(reading):
            event = part.event if isinstance(part, More) else part
            if not isinstance(event, Event) or event.parent is not None:
                continue
            found = streams.setdefault((record.connection, event.run), [])
            if event.kind is EventKind.THINKING:
                if not isinstance(part, More) or not found:
                    found.append([])
                found[-1].append(event.text or "")
            elif isinstance(part, Event) and event.kind in ENDS:
                answer = (event.text or "").strip() if event.kind is EventKind.COMPLETED else ""
                runs += bool(answer)
                same += any(_begins(answer, stream) for stream in found)
                found.clear()
    return same, runs


def _begins(answer: str, pieces: list[str]) -> bool:
    starts = range(min(len(pieces), _MOST_STARTS))
    return any((text := "".join(pieces[start:]).strip()) and answer.startswith(text) for start in starts)


def _named(part: Event | Control | Unmapped | More | Ignored | Foreign) -> tuple[str, str]:
    """The group (event, part, more, lifecycle, ignored, foreign or unmapped), and the name within it."""
    if isinstance(part, Event):
        return "event", f"{part.kind}{' (inferred)' if part.synthesised else ''}"
    if isinstance(part, More):
        return "part" if part.event.kind is EventKind.ANSWER_PART else "more", str(part.event.kind)
    if isinstance(part, Control):
        return "lifecycle", part.name
    if isinstance(part, Ignored):
        return "ignored", part.because
    return ("foreign", part.what) if isinstance(part, Foreign) else ("unmapped", part.reason)
