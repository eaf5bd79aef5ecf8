"""Renderers of a judged session: the report files, the pictures and the page."""

import logging

# matplotlib warns of fonts of environments that no longer exist; the pictures need only the font that it brings.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
