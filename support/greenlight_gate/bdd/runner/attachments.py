"""The Allure attachments of a scenario: the conversation, its frames and the findings."""

import logging
import re
from collections.abc import Callable

import allure
import msgspec

from greenlight_gate.bdd.actions.cut_matrix import cut_cells_of
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.recorder import RecordedEntry
from greenlight_gate.evidence.cut_matrix import CutCell, as_table
from greenlight_gate.trace import encode_record

_MOST_BYTES = 4_194_304
_UNSEEN = re.compile(r"[^ -~\n]")
log = logging.getLogger("greenlight")


def attach(world: World, scenario: str) -> None:
    """Attaches the records of a scenario to Allure, up to a limit; the trace has all of them."""
    entries = list(world.recorder.entries)
    if not entries:
        return
    kinds = allure.attachment_type
    allure.attach(world.table(), name="The conversation", attachment_type=kinds.TEXT)
    frames, shown = _frames(entries)
    name = "Frames" if shown == len(entries) else f"Frames (the first {shown} of {len(entries)}; see {world.trace})"
    allure.attach(as_text(frames), name=name, attachment_type=kinds.JSON)
    if world.pictured:
        _attach_picture("Isolation", lambda: _isolation(world, scenario))
    cells = cut_cells_of(world)
    if cells:
        text = "\n".join([*world.fitted, as_table(cells)])
        allure.attach(text, name="Where the connection was cut", attachment_type=kinds.TEXT)
        _attach_picture("Cut-point matrix", lambda: _cuts(cells))
        allure.attach(msgspec.json.encode(cells).decode(), name="Cuts", attachment_type=kinds.JSON)
    if world.findings:
        found = msgspec.json.format(msgspec.json.encode(world.findings), indent=2).decode()
        allure.attach(as_text(found), name="Findings", attachment_type=kinds.JSON)


def _attach_picture(name: str, draw: Callable[[], bytes]) -> None:
    """Attaches a picture, or a note if it cannot be drawn, since the outcome of the scenario does not depend on it."""
    try:
        allure.attach(draw(), name=name, attachment_type=allure.attachment_type.PNG)
    except Exception as error:
        log.exception("Suite fault: picture '%s' was not drawn", name)
        said = f"Suite fault: this could not be drawn: {type(error).__name__}: {error}"
        allure.attach(said, name=name, attachment_type=allure.attachment_type.TEXT)


def _isolation(world: World, scenario: str) -> bytes:
    from greenlight_gate.report.isolation_picture import isolation_sheet  # noqa: PLC0415 -- takes half a second to load
    from greenlight_gate.report.matrix_picture import draw  # noqa: PLC0415 -- as above

    return draw(isolation_sheet([world.recorder.checker.relation(scenario, world.private)]))


def _cuts(cells: list[CutCell]) -> bytes:
    from greenlight_gate.report.cut_matrix_picture import cut_sheet  # noqa: PLC0415 -- as above
    from greenlight_gate.report.matrix_picture import draw  # noqa: PLC0415 -- as above

    return draw(cut_sheet(cells))


def _frames(entries: list[RecordedEntry]) -> tuple[str, int]:
    """The records as a JSON array, as many as fit, and their number."""
    lines: list[bytes] = []
    size = 0
    for entry in entries:
        line = encode_record(entry.record).rstrip()
        size += len(line)
        if size > _MOST_BYTES:
            break
        lines.append(line)
    return "[\n" + b",\n".join(lines).decode() + "\n]\n", len(lines)


def as_text(json: str) -> str:
    """The same JSON value, with characters escaped that cannot be printed or that reverse the direction of writing."""
    return _UNSEEN.sub(lambda match: match[0] if match[0].isprintable() else _escape(match[0]), json)


def _escape(char: str) -> str:
    units = char.encode("utf-16-be", errors="surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
