"""Looking at a backend from outside: its memory, descriptors, connections and CPU."""

from support.probes.find import Probes, probes_for

__all__ = ["Probes", "probes_for"]
