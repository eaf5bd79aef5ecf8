"""The performance of a session: latency, throughput, users, memory and success on one sheet."""

from collections.abc import Sequence
from itertools import pairwise
from math import nan
from statistics import median
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from greenlight_gate.evidence.loads import latency_in_words
from greenlight_gate.evidence.session_folder import Measurements
from greenlight_gate.measure.thresholds import LEAST_SUCCESS, Thresholds, success
from greenlight_gate.measure.time_series import TimeWindow, bucket_ms, percentiles_ms
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.report.picture_style import (
    BLUE,
    FAINT,
    GREEN,
    GRID,
    INK,
    ORANGE,
    PAPER,
    SKY,
    VERMILION,
    blank,
    plain_axes,
    title,
)
from greenlight_gate.verdict.criteria import LoadOfScenario
from greenlight_gate.verdict.facts import Observed
from greenlight_gate.verdict.memory_trend import MB, MemorySamples, Slope, theil_sen

_HEIGHT_IN = 7.6
_MOST_POINTS = 120
_GAP_STEPS = 6
_FEW_DECADES = 200.0
_NOTHING = "no user was connected in this session"


def draw_dashboard(
    timeline: Timeline, observed: Observed, measurements: Measurements | None, watched: tuple[MemorySamples, ...] = (),
    loads: tuple[LoadOfScenario, ...] = (), *, thresholds: Thresholds,
) -> Figure:  # fmt: skip
    """The sheet of a session. A diagram without data says why."""
    figure = blank(_HEIGHT_IN)
    title(figure, "Performance of the session", latency_in_words(observed, loads))
    axes = figure.subplots(2, 3)
    figure.subplots_adjust(left=0.065, right=0.975, top=0.845, bottom=0.085, hspace=0.42, wspace=0.27)
    start = timeline.windows.start
    span = max(timeline.ended_at - start, timeline.windows.width_s)
    points = [(begin - start, window) for begin, window in timeline.windows.joined(span / _MOST_POINTS)]
    step = max(span / _MOST_POINTS, timeline.windows.width_s)
    _distribution(axes[0][0], timeline.windows.total(), thresholds.latency_ms_avg)
    _percentiles(axes[0][1], points, step, thresholds.latency_ms_avg)
    _throughput(axes[0][2], points, step)
    _users(axes[1][0], points)
    for axis in (axes[0][1], axes[0][2], axes[1][0]):
        # All share one time axis, also where nothing happened at the beginning or the end.
        if points and axis.get_xlabel():
            axis.set_xlim(-0.02 * span, 1.02 * span)
    _memory(axes[1][1], measurements, watched)
    _success(axes[1][2], observed, loads, thresholds.success_percent)
    return figure


def _nothing(axis: Any, why: str) -> None:
    axis.text(0.5, 0.5, why, transform=axis.transAxes, ha="center", va="center", color=FAINT, fontsize=10, wrap=True)
    axis.set_xticks([])
    axis.set_yticks([])


def _untimed(*windows: TimeWindow) -> str:
    """The reason why there is no latency to show."""
    if not any(window.messages for window in windows):
        return _NOTHING
    return "no reliable latency:\nscenarios ran in parallel,\nor the server clock is unknown"


def _threshold(axis: Any, at: float, text: str, *, upright: bool = False) -> None:
    line = axis.axvline if upright else axis.axhline
    line(at, color=VERMILION, linewidth=1.6, linestyle=(0, (5, 2)), zorder=4, label=text)


def _log_labels(axis: Any, limits: tuple[float, float]) -> None:
    """Plain numbers at each decade; also at 2 and 5 where there are few decades."""
    few = limits[1] < _FEW_DECADES * limits[0]
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_locator(NullLocator())


def _distribution(axis: Any, whole: TimeWindow, limit_ms: float) -> None:
    plain_axes(axis, "Latency of events")
    if not whole.samples:
        _nothing(axis, _untimed(whole))
        return
    numbers = sorted(whole.delays)
    edges = [max(bucket_ms(number), 1e-3) for number in numbers]
    axis.set_xscale("log")
    shares = [100 * whole.delays[number] / whole.samples for number in numbers]
    axis.bar(
        edges, shares, width=[edge * 0.12 for edge in edges],
        color=SKY, edgecolor=BLUE, linewidth=0.4,
    )  # fmt: skip
    _threshold(axis, limit_ms, f"allowed on average: {limit_ms:g} ms", upright=True)
    axis.axvline(whole.delay_ms, color=INK, linewidth=1.4, linestyle=":", label=f"average: {whole.delay_ms:.1f} ms")
    axis.set_xlim(min(edges[0], limit_ms) / 2, max(edges[-1], limit_ms) * 2)
    _log_labels(axis.xaxis, axis.get_xlim())
    axis.set_xlabel("milliseconds", fontsize=9, color=FAINT)
    axis.set_ylabel("% of the events", fontsize=9, color=FAINT)
    axis.set_ylim(0, axis.get_ylim()[1] * 1.25)
    axis.legend(fontsize=8, loc="upper right", labelcolor=INK, framealpha=0.92, edgecolor="none")


def _percentiles(axis: Any, points: list[tuple[float, TimeWindow]], step: float, limit_ms: float) -> None:
    plain_axes(axis, "Latency over time")
    known = [(at, window) for at, window in points if window.samples]
    if not known:
        _nothing(axis, _untimed(*(window for _, window in points)))
        return
    times = [at for at, _ in known]
    # No line is drawn over a time in which nothing was measured.
    gaps = [n for n, (earlier, later) in enumerate(pairwise(times), 1) if later - earlier > _GAP_STEPS * step]
    alone = len(times) == 1 or any(later - earlier == 1 for earlier, later in pairwise([0, *gaps, len(times)]))
    times = _parted(times, gaps)
    styles = ((50, BLUE, "-", 2.0), (95, GREEN, (0, (4, 1)), 1.6), (99, ORANGE, (0, (1, 1)), 1.6))
    percents = [percent for percent, *_ in styles]
    by_percent = zip(*(percentiles_ms(window.delays, percents) for _, window in known), strict=True)
    for (percent, colour, dash, width), values in zip(styles, by_percent, strict=True):
        axis.plot(
            times, _parted(values, gaps), color=colour, linestyle=dash, linewidth=width, label=f"p{percent:g}",
            marker="o" if alone else None, markersize=3,
        )  # fmt: skip
    _threshold(axis, limit_ms, f"allowed on average: {limit_ms:g} ms")
    axis.set_yscale("log")
    axis.yaxis.grid(visible=True, color=GRID)
    low, high = axis.get_ylim()
    axis.set_ylim(low, high * 4)
    _log_labels(axis.yaxis, axis.get_ylim())
    axis.set_ylabel("milliseconds", fontsize=9, color=FAINT)
    axis.set_xlabel("seconds since the session began", fontsize=9, color=FAINT)
    axis.legend(fontsize=8, frameon=False, ncols=2, loc="upper left", labelcolor=INK)


def _parted(values: Sequence[float], gaps: Sequence[int]) -> list[float]:
    """The values with a NaN inserted at each gap, which is before the values of these numbers."""
    parts = [values[begin:end] for begin, end in pairwise([0, *gaps, len(values)])]
    return [value for part in parts for value in (*part, nan)][:-1]


def _throughput(axis: Any, points: list[tuple[float, TimeWindow]], step: float) -> None:
    plain_axes(axis, "Events each second")
    if not points:
        _nothing(axis, _NOTHING)
        return
    rates = [window.events / step for _, window in points]
    axis.bar([at for at, _ in points], rates, width=step, align="edge", color=SKY, edgecolor=BLUE, linewidth=0.3)
    axis.set_xlabel("seconds since the session began", fontsize=9, color=FAINT)
    axis.yaxis.grid(visible=True, color=GRID)


def _users(axis: Any, points: list[tuple[float, TimeWindow]]) -> None:
    plain_axes(axis, "Users")
    if not points:
        _nothing(axis, _NOTHING)
        return
    times = [at for at, _ in points]
    axis.step(times, [w.open_most for _, w in points], where="post", color=BLUE, linewidth=1.8, label="connections")
    axis.step(
        times, [w.busy_most for _, w in points], where="post", color=ORANGE, linewidth=1.6, linestyle=(0, (3, 1)),
        label="concurrent runs",
    )  # fmt: skip
    axis.set_ylim(0, axis.get_ylim()[1] * 1.25 or 1.0)
    axis.set_xlabel("seconds since the session began", fontsize=9, color=FAINT)
    axis.set_ylabel("highest number at a time", fontsize=9, color=FAINT)
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.yaxis.grid(visible=True, color=GRID)
    axis.legend(fontsize=8, frameon=False, loc="upper left", ncols=2, labelcolor=INK)


def _memory(axis: Any, measurements: Measurements | None, watched: tuple[MemorySamples, ...]) -> None:
    plain_axes(axis, "Memory of the backend")
    soak = next((each for each in watched if each.kind == "soak"), None)
    points = [(s.at - soak.samples[0].at, s.rss_bytes / MB) for s in soak.samples if s.rss_bytes] if soak else []
    points = points[:: len(points) // _MOST_POINTS + 1]
    grown = theil_sen(points)
    if grown is not None:
        _soak(axis, points, grown)
        return
    begin = measurements.target_rss_mb_start if measurements is not None else None
    end = measurements.target_rss_mb_end if measurements is not None else None
    if measurements is None or begin is None or end is None:
        _nothing(axis, "memory cannot be read:\nthe suite did not start the backend\non this machine")
        return
    minutes = measurements.seconds / 60
    # In less than a minute, the warm-up would dominate a rate.
    slope = f"{(end - begin) / minutes:+.1f} MB a minute" if minutes >= 1 else f"in {measurements.seconds:.0f} s"
    axis.plot([0, measurements.seconds], [begin, end], color=BLUE, linewidth=2, marker="o", label=slope)
    axis.annotate(
        f"{end - begin:+.1f} MB", (measurements.seconds, end), xytext=(-6, 8), textcoords="offset points", ha="right",
        fontsize=10, color=INK,
    )  # fmt: skip
    axis.set_ylim(0, max(begin, end) * 1.35)
    axis.set_xlim(0, max(measurements.seconds, 1e-3))
    axis.set_xlabel("seconds since the session began", fontsize=9, color=FAINT)
    axis.set_ylabel("MB, resident", fontsize=9, color=FAINT)
    axis.yaxis.grid(visible=True, color=GRID)
    axis.legend(fontsize=8, frameon=False, loc="lower right", labelcolor=INK)


def _soak(axis: Any, points: list[tuple[float, float]], slope: Slope) -> None:
    """The samples of a probe during conversations, and their slope (Theil 1950, Sen 1968)."""
    at, held = [point[0] for point in points], [point[1] for point in points]
    axis.plot(at, held, color=BLUE, linewidth=0, marker="o", markersize=3, label="during conversations")
    middle = median(value - slope.value * seconds for seconds, value in points)
    line = [middle + slope.value * at[0], middle + slope.value * at[-1]]
    said = f"{slope.value * 60:+.1f} MB a minute"
    axis.plot([at[0], at[-1]], line, color=VERMILION, linewidth=1.6, linestyle=(0, (5, 2)), label=said)
    axis.set_ylim(0, max(held) * 1.35)
    axis.set_xlim(0, max(at[-1], 1e-3))
    axis.set_xlabel("seconds since the measurement began", fontsize=9, color=FAINT)
    axis.set_ylabel("MB, resident", fontsize=9, color=FAINT)
    axis.yaxis.grid(visible=True, color=GRID)
    axis.legend(fontsize=8, frameon=False, loc="lower right", labelcolor=INK)


def _success(axis: Any, observed: Observed, loads: tuple[LoadOfScenario, ...], least: float) -> None:
    plain_axes(axis, "Success")
    traced, loaded = success(observed), success(*(load.summary for load in loads))
    rows: list[tuple[str, float, int]] = []
    if traced is not None:
        rows += [
            ("in scenarios", *traced),
            ("connections", _percent(observed.connections_made, observed.connections_tried),
             observed.connections_tried),
            ("events", _percent(observed.arrived_events, observed.expected_events), observed.expected_events),
        ]  # fmt: skip
    if loaded is not None:
        rows.append(("under load", *loaded))
    if not rows:
        _nothing(axis, _NOTHING)
        return
    axis.barh(range(len(rows)), [percent for _, percent, _ in rows], color=SKY, edgecolor=BLUE, height=0.5)
    for row, (name, percent, of) in enumerate(rows):
        axis.text(2, row, f"{name}: {percent:.2f} % of {of:,}", va="center", fontsize=9, color=INK)
    axis.set_yticks([])
    required = least if traced is not None else LEAST_SUCCESS
    more = f", under load {LEAST_SUCCESS:g} %" if traced is not None and loaded is not None else ""
    _threshold(axis, required, f"required: {required:g} %{more}", upright=True)
    axis.set_xlim(0, 104)
    axis.set_ylim(-0.6 if rows[1:] else -1.5, len(rows) if rows[1:] else 2.0)
    axis.set_xlabel("% of what was expected", fontsize=9, color=FAINT)
    axis.legend(fontsize=8, loc="upper left", labelcolor=INK, facecolor=PAPER, frameon=False)


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 0.0
