"""A tool that always fails, because people must be told when one does."""

from greenlight_gate.backend.tools import Errand, Outcome


async def look_up(errand: Errand) -> Outcome:
    """Fail, wherever the parameter `place` is."""
    del errand
    return Outcome(ok=False, text="the weather service is unavailable")
