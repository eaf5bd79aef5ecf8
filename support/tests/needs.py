"""What a test needs and not every machine has: an extra or a program. Without it the test is skipped, and says why.

`.ci/run` reads the reasons: where all extras are installed, a test may be skipped for a missing program only.
"""

from typing import Literal, NoReturn

import pytest
from greenlight_gate.extras import install_command, missing
from greenlight_gate.services.programs import postgres_folder, redis_program
from greenlight_gate.targets.settings import Misconfigured

Program = Literal[
    "PostgreSQL", "Redis", "Docker", "Chromium", "Node.js", "netem", "IPv6", "Prometheus", "fish", "zsh", "live server",
]  # fmt: skip


def needs_extra(extra: str) -> pytest.MarkDecorator:
    """Marks a test, or a parameter of one, that runs only where an extra is installed."""
    return pytest.mark.skipif(bool(missing(extra)), reason=_no_extra(extra))


def skip_without_extra(extra: str) -> None:
    """The same for a fixture, or for a whole file before it imports what needs the extra."""
    if missing(extra):
        pytest.skip(_no_extra(extra), allow_module_level=True)


def skip_without_services() -> None:
    """Skips where PostgreSQL or Redis is not installed, or what the stack needs to use them."""
    skip_without_extra("stack")
    try:
        postgres_folder()
    except Misconfigured as error:
        skip_without_program("PostgreSQL", str(error))
    try:
        redis_program()
    except Misconfigured as error:
        skip_without_program("Redis", str(error))


def skip_without_program(program: Program, why: str) -> NoReturn:
    """Skips, for a program or a facility of the system that is not here."""
    pytest.skip(no_program(program, why))


def no_program(program: Program, why: str) -> str:
    """The reason why a test is skipped without a program."""
    return f"missing program: {program}: {why}"


def _no_extra(extra: str) -> str:
    return f"missing extra: {extra}: {install_command(extra)}"
