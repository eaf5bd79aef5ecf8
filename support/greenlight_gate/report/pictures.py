"""The pictures of a session, as files and as parts of its page."""

import base64
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from greenlight_gate.evidence.cut_matrix import CutGrid
from greenlight_gate.evidence.judge import Judgement
from greenlight_gate.evidence.loads import latency_in_words
from greenlight_gate.evidence.safe_files import open_regular
from greenlight_gate.evidence.session_folder import write_whole
from greenlight_gate.findings import numbered
from greenlight_gate.measure.thresholds import success
from greenlight_gate.report.cut_matrix_picture import draw_cuts
from greenlight_gate.report.html_page import Picture
from greenlight_gate.report.isolation_picture import draw_isolation, in_words
from greenlight_gate.report.monitoring_files import DASHBOARD, TIMELINE, VISUALIZATIONS
from greenlight_gate.report.performance_dashboard import draw_dashboard
from greenlight_gate.report.picture_style import inline, saved
from greenlight_gate.report.session_timeline import draw_timeline

_MOST_PAIRS = 6
# Other PNG files in the folder are shown too, under these names or that of the file.
_NAMES = {"isolation_matrix": "Isolation", "cut_matrix": "Answers after a lost connection"}


def draw_pictures(judgement: Judgement, folder: Path) -> list[Picture]:
    """Draws all pictures of a session into its folder, each atomically. Raises OSError."""
    (folder / VISUALIZATIONS).mkdir(parents=True, exist_ok=True)
    session, observed = judgement.session, judgement.observed
    timeline = draw_timeline(judgement.timeline)
    dashboard = draw_dashboard(
        judgement.timeline, observed, judgement.measurements, judgement.watched, judgement.loads,
        thresholds=session.thresholds,
    )  # fmt: skip
    drawn = []
    for file, figure, name, said in (
        (TIMELINE, timeline, "Events over time", _timeline_in_words(judgement)),
        (DASHBOARD, dashboard, "Performance", _dashboard_in_words(judgement)),
    ):
        write_whole(folder / VISUALIZATIONS / file, saved(figure))
        drawn.append(Picture(name, f"{VISUALIZATIONS}/{file}", said, inline(saved(figure, "svg"), file[:11])))
    if judgement.relations:
        draw_isolation(judgement.relations, folder)
    if judgement.cells:
        draw_cuts(judgement.cells, folder)
    return [*drawn, *_others(folder, judgement)]


def _others(folder: Path, judgement: Judgement) -> Iterator[Picture]:
    for path in sorted((folder / VISUALIZATIONS).glob("*.png")):
        if path.name in (TIMELINE, DASHBOARD):
            continue
        name = _NAMES.get(path.stem, path.stem.replace("_", " ").capitalize())
        said = _IN_WORDS[path.stem](judgement) if path.stem in _IN_WORDS else "No description is available."
        with open_regular(path) as file:
            data = base64.b64encode(file.read()).decode()
        yield Picture(name, f"{VISUALIZATIONS}/{path.name}", said, f'<img alt="" src="data:image/png;base64,{data}">')


def _timeline_in_words(judgement: Judgement) -> str:
    whole = judgement.timeline.windows.total()
    return (
        f"{numbered(whole.events, 'event')} of {numbered(whole.asked, 'request')}. "
        f"Lost without a reason: {numbered(whole.dropped, 'connection')}; "
        f"not provoked by a test: {numbered(whole.errors, 'failure')}; {numbered(whole.findings, 'finding')}."
    )


def _dashboard_in_words(judgement: Judgement) -> str:
    observed, measured = judgement.observed, judgement.measurements
    parts = [latency_in_words(observed, judgement.loads)]
    traced, loaded = success(observed), success(*(load.summary for load in judgement.loads))
    if traced is not None:
        parts.append(f"success {traced.percent:.2f} %")
    if loaded is not None:
        parts.append(f"success under load {loaded.percent:.2f} %")
    if measured is not None and measured.target_rss_mb_start is not None and measured.target_rss_mb_end is not None:
        parts.append(f"memory from {measured.target_rss_mb_start:.0f} to {measured.target_rss_mb_end:.0f} MB")
    return f"{', '.join(parts)}."


def _isolation_in_words(judgement: Judgement) -> str:
    pairs = dict.fromkeys(pair for relation in judgement.relations for pair in relation.saw)
    if not pairs:
        return f"{in_words(judgement.relations).capitalize()}."
    if len(pairs) <= _MOST_PAIRS:
        return f"{'; '.join(f'{one} received data of {other}' for one, other in pairs)}."
    lookers, seen = len({one for one, _ in pairs}), len({other for _, other in pairs})
    scenarios = sum(bool(relation.saw) for relation in judgement.relations)
    of = numbered(len(judgement.relations), "scenario")
    return f"{numbered(lookers, 'user')} received data of {numbered(seen, 'other')}, in {scenarios} of {of}."


def _cuts_in_words(judgement: Judgement) -> str:
    rules = Counter(rule for cell in judgement.cells for rule in cell.rules)
    broken = sum(bool(cell.rules) for cell in judgement.cells)
    which = f": {', '.join(f'{rule} {times} times' for rule, times in rules.most_common())}" if rules else ""
    grid = CutGrid(judgement.cells)
    fitted = len(grid.cells) < len(grid.rows) * len(grid.ways)
    fewer = " Not each place was cut in each way, to fit the pace and the limits of the target." if fitted else ""
    return f"{broken or 'None'} of {len(judgement.cells)} cuts broke a promise{which}.{fewer}"


_IN_WORDS = {"isolation_matrix": _isolation_in_words, "cut_matrix": _cuts_in_words}
