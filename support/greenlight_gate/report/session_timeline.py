"""The events of a session over time: the whole session as bars, below it selected answers, one row each."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from greenlight_gate.events import EventKind
from greenlight_gate.findings import numbered, printable, shortened
from greenlight_gate.measure.run_tracks import RunTrack
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.report.picture_style import (
    BLUE,
    FAINT,
    GREEN,
    GRID,
    INK,
    ORANGE,
    PAPER,
    PINK,
    SKY,
    VERMILION,
    blank,
    plain_axes,
    title,
)

_MOST_TRACKS = 18
_TRACK_IN = 0.38
_STRIP_IN = 1.7
_HEAD_IN = 1.35
_FOOT_IN = 0.62
_GAP_IN = 0.75
_MOST_BARS = 150
_LEAST_SILENCE_S = 1.0
_LONGEST_LABEL = 46
_LATE = 0.6
_ABOVE = 0.46
# If durations differ by more than this ratio, short answers would be a dot on a linear scale.
_LINEAR_RATIO = 12.0

# Each kind has a colour, a shape and a name; the shape tells kinds apart in grey.
MARKS: dict[EventKind, tuple[str, str, str]] = {
    EventKind.STARTED: (BLUE, ">", "started"),
    EventKind.THINKING: (SKY, "o", "thinking"),
    EventKind.TOOL_EXECUTING: (ORANGE, "[", "tool executing"),
    EventKind.TOOL_COMPLETED: (ORANGE, "]", "tool completed"),
    EventKind.COMPLETED: (GREEN, "s", "completed"),
    EventKind.FAILED: (PINK, "X", "failed"),
    EventKind.STOPPED: (FAINT, "D", "stopped"),
    EventKind.INPUT_REQUESTED: (BLUE, "^", "user asked"),
    EventKind.INPUT_RECEIVED: (BLUE, "v", "user answered"),
}
_BRACKET = ((0.4, 1.0), (-0.4, 1.0), (-0.4, -1.0), (0.4, -1.0), (0.4, -0.75), (-0.1, -0.75), (-0.1, 0.75), (0.4, 0.75))
_SHAPES: dict[str, Any] = {"[": _BRACKET, "]": [(-x, y) for x, y in _BRACKET]}


def draw_timeline(timeline: Timeline) -> Figure:
    """The picture of a session; without events it says so."""
    tracks = timeline.tracks.chosen(_MOST_TRACKS)
    height = _HEAD_IN + _STRIP_IN + _FOOT_IN + (_GAP_IN + len(tracks) * _TRACK_IN if tracks else 0.0)
    figure = blank(height)
    whole = timeline.windows.total()
    guilty = sum(bool(track.found) for track in tracks)
    said = f"{numbered(whole.events, 'event')} of {numbered(whole.asked, 'request')}"
    shown = f"; below, {numbered(len(tracks), 'selected answer')}, {guilty} of them with findings" if tracks else ""
    under_load = whole.events - sum(whole.kinds)
    loads = f"; {under_load:,} of them under load, where answers are only counted" if under_load > 0 else ""
    title(figure, "Events over time", said + loads + shown)
    _legend(figure, height)
    strip = figure.add_axes((0.30, 1 - (_HEAD_IN + _STRIP_IN) / height, 0.675, _STRIP_IN / height))
    _strip(strip, timeline)
    if tracks:
        below = figure.add_axes((0.30, _FOOT_IN / height, 0.675, len(tracks) * _TRACK_IN / height))
        _tracks(below, tracks)
    return figure


def _legend(figure: Figure, height: float) -> None:
    handles: list[Any] = [
        Line2D([], [], linestyle="", marker=_SHAPES.get(shape, shape), color=colour, markersize=8, label=name)
        for colour, shape, name in MARKS.values()
    ]
    handles += [
        Patch(facecolor=GRID, edgecolor=FAINT, hatch="...", label="under load, any kind"),
        Patch(facecolor="#fbe3b5", edgecolor=ORANGE, label="a tool is executing"),
        Patch(facecolor=PAPER, edgecolor=FAINT, hatch="////", label="silence of 1 s or more"),
        Line2D(
            [], [], linestyle="", marker="x", color=VERMILION, markersize=9, markeredgewidth=2, label="connection ended"
        ),
        Line2D([], [], linestyle="", marker="v", color=VERMILION, markersize=8, label="finding"),
    ]
    figure.legend(
        handles=handles, loc="center left", bbox_to_anchor=(0.012, 1 - 1.0 / height), ncols=6, frameon=False,
        fontsize=9, handlelength=1.4, columnspacing=1.5, labelcolor=INK,
    )  # fmt: skip


def _stack(
    axis: Any, times: Sequence[float], width: float, heights: Sequence[float], bottom: Sequence[float], **style: Any
) -> None:
    """Bars of one kind on top of the others, as one outline: hundreds of single bars take most of a picture's time."""
    edges, tops, below = [times[0]], list[float](), list[float]()
    for at, height, base in zip(times, heights, bottom, strict=True):
        if at > edges[-1]:
            edges.append(at)
            tops.append(0.0)
            below.append(0.0)
        edges.append(at + width)
        tops.append(base + height)
        below.append(base)
    axis.stairs(tops, edges, baseline=below, fill=True, linewidth=0.2, **style)


def _strip(axis: Any, timeline: Timeline) -> None:
    """The events of the whole session over time, stacked by kind."""
    plain_axes(axis)
    start = timeline.windows.start
    span = max(timeline.ended_at - start, timeline.windows.width_s)
    windows = timeline.windows.joined(span / _MOST_BARS)
    if not windows:
        axis.text(0.5, 0.5, "no event was received", transform=axis.transAxes, ha="center", va="center", color=FAINT)
        axis.set_xticks([])
        axis.set_yticks([])
        return
    width = max(
        timeline.windows.width_s, round(span / _MOST_BARS / timeline.windows.width_s) * timeline.windows.width_s
    )
    times = [begin - start for begin, _ in windows]
    bottom = [0.0] * len(windows)
    for number, kind in enumerate(EventKind):
        counts = [window.kinds[number] / width for _, window in windows]
        if any(counts):
            hatch = "///" if kind is EventKind.TOOL_COMPLETED else None
            _stack(axis, times, width, counts, bottom, color=MARKS[kind][0], edgecolor=PAPER, hatch=hatch)
            bottom = [below + count for below, count in zip(bottom, counts, strict=True)]
    under_load = [max(window.events - sum(window.kinds), 0) / width for _, window in windows]
    if any(under_load):
        _stack(axis, times, width, under_load, bottom, color=GRID, edgecolor=FAINT, hatch="...")
        bottom = [below + count for below, count in zip(bottom, under_load, strict=True)]
    top = max(bottom) or 1.0
    _above(axis, [t + width / 2 for t, (_, w) in zip(times, windows, strict=True) if w.findings], top * 1.12, "v")
    _above(axis, [t + width / 2 for t, (_, w) in zip(times, windows, strict=True) if w.dropped], top * 1.24, "x")
    axis.set_ylim(0, top * 1.32)
    axis.set_xlim(0, max(span, times[-1] + width))
    axis.yaxis.grid(visible=True, color=GRID)
    axis.set_ylabel("events each second", fontsize=9, color=FAINT)
    axis.set_xlabel("seconds since the session began", fontsize=9, color=FAINT, labelpad=2)


def _above(axis: Any, times: Sequence[float], height: float, marker: str) -> None:
    axis.plot(times, [height] * len(times), linestyle="", marker=marker, color=VERMILION, markersize=6, clip_on=False)


def _tracks(axis: Any, tracks: Sequence[RunTrack]) -> None:
    plain_axes(axis)
    lengths = sorted(max(track.last, 1e-3) for track in tracks)
    longest, middle = lengths[-1], lengths[len(lengths) // 2]
    if longest > _LINEAR_RATIO * middle:
        axis.set_xscale("symlog", linthresh=max(10 ** _floor_log10(lengths[0]), 1e-3))
        scale = "seconds since the request (not to scale: short answers are stretched)"
    else:
        scale = "seconds since the request"
    axis.set_xlim(0, longest * 1.06)
    for row, track in enumerate(tracks):
        _track(axis, track, row)
    axis.set_ylim(len(tracks) - 0.4, -0.75)
    axis.set_xlim(0, longest * 1.06)
    axis.set_yticks(range(len(tracks)), [_label(track) for track in tracks], fontsize=8)
    for label, track in zip(axis.get_yticklabels(), tracks, strict=True):
        label.set_color(VERMILION if track.found else INK)
    # The first mark of an answer is on the axis: names keep a distance from it.
    axis.tick_params(axis="y", length=0, pad=9)
    axis.xaxis.grid(visible=True, color=GRID)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_xlabel(scale, fontsize=9, color=FAINT)


def _floor_log10(value: float) -> int:
    exponent = 0
    while value < 10**exponent:
        exponent -= 1
    return exponent


def _track(axis: Any, track: RunTrack, row: int) -> None:
    axis.hlines(row, 0, track.last, color=GRID, linewidth=1, zorder=1)
    begin, end = track.silence
    if end - begin >= _LEAST_SILENCE_S:
        # Above the bar of an executing tool, which would hide the silence.
        axis.barh(
            row, end - begin, left=begin, height=0.44, facecolor="none", edgecolor=FAINT, hatch="////", linewidth=0.5,
            zorder=2.5,
        )  # fmt: skip
    for begun, done, _ in track.bars:
        until = track.last if done is None else done
        edge = VERMILION if done is None else ORANGE
        axis.barh(row, until - begun, left=begun, height=0.5, color="#fbe3b5", edgecolor=edge, linewidth=1, zorder=2)
    for kind in dict.fromkeys(kind for _, kind in track.marks):
        colour, shape, _ = MARKS[kind]
        times = [at for at, of in track.marks if of is kind]
        axis.plot(
            times, [row] * len(times), linestyle="", marker=_SHAPES.get(shape, shape), color=colour, markersize=8,
            markeredgecolor=INK if shape not in _SHAPES else colour, markeredgewidth=0.4, zorder=3, clip_on=False,
        )  # fmt: skip
    if track.cut is not None:
        axis.plot([track.cut], [row], marker="x", color=VERMILION, markersize=10, markeredgewidth=2.4, zorder=4)
    if track.found:
        at = track.found[0][0]
        axis.plot([at], [row - _ABOVE], marker="v", color=VERMILION, markersize=6, zorder=5, clip_on=False)
        rules = ", ".join(dict.fromkeys(rule for _, rule in track.found))
        # Between two rows they hide neither; on the side with enough space.
        across, _ = axis.transAxes.inverted().transform(axis.transData.transform((at, row)))
        late = across > _LATE
        axis.annotate(
            rules, (at, row - _ABOVE), xytext=(-7 if late else 7, 0), textcoords="offset points", fontsize=7,
            color=VERMILION, va="center", ha="right" if late else "left", zorder=6,
        )  # fmt: skip


def _label(track: RunTrack) -> str:
    # matplotlib reads a dollar sign as the start of a formula.
    return shortened(printable(f"{track.user}: {track.scenario}"), _LONGEST_LABEL).replace("$", r"\$")
