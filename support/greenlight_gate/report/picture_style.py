"""Colours and the saving of pictures. Okabe and Ito's palette, which colour-blind eyes can tell apart.

Colour is not enough in grey: each kind also has its own shape or dash pattern.
"""

import io
import re

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, PAPER, FAINT, GRID = "#1b1b1b", "#ffffff", "#6b6b6b", "#e2e2e2"
BLUE, SKY, GREEN, ORANGE, VERMILION, PINK = "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#cc79a7"
DPI = 100
WIDTH_IN = 12.0
_ID = re.compile(r'(\bid="|url\(#|xlink:href="#)')


def blank(height_in: float) -> Figure:
    """An empty sheet, 1,200 pixels wide."""
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def title(figure: Figure, text: str, subtitle: str) -> None:
    """Draws the title, and below it the result in words."""
    height = figure.get_figheight()
    figure.text(0.02, 1 - 0.32 / height, text, fontsize=16, fontweight="bold", color=INK, va="center")
    figure.text(0.02, 1 - 0.64 / height, subtitle, fontsize=10, color=FAINT, va="center")


def plain_axes(axis: Axes, name: str = "") -> None:
    """Axes without a frame, with small grey labels."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(FAINT)
    axis.tick_params(colors=INK, labelsize=9)
    axis.set_axisbelow(True)
    if name:
        axis.set_title(name, fontsize=11, fontweight="bold", color=INK, loc="left", pad=8)


def saved(figure: Figure, kind: str = "png") -> bytes:
    """The picture as `png` or `svg`; the same figure gives the same bytes."""
    out = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "greenlight", "font.family": "DejaVu Sans"}):
        if kind == "svg":
            figure.savefig(out, format=kind, metadata={"Date": None})
        else:
            # Time counts more than a tenth of the size.
            figure.savefig(out, format=kind, pil_kwargs={"compress_level": 2})
    return out.getvalue()


def inline(svg: bytes, prefix: str) -> str:
    """An SVG as part of an HTML page, with ids that are unique on the page."""
    text = svg.decode("utf-8")
    return _ID.sub(rf"\g<1>{prefix}-", text[text.index("<svg") :])
