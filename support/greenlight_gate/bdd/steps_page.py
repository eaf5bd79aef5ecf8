"""steps.html: all steps on one page that can be searched. It loads nothing from the network."""

from collections.abc import Sequence
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined

from greenlight_gate import __version__
from greenlight_gate.bdd.parameters import TYPES
from greenlight_gate.bdd.step_catalogue import CatalogueStep


def render_steps(steps: Sequence[CatalogueStep]) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=PackageLoader("greenlight_gate.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    topics = [(topic, list(each)) for (_, topic), each in groupby(steps, key=lambda step: (step.is_own, step.topic))]
    return environment.get_template("steps.html.j2").render(
        topics=topics, total=len(steps), types=TYPES, version=__version__
    )
