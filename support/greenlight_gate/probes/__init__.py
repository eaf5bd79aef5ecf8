"""Probes that measure a backend from outside: its memory, descriptors, connections and CPU."""

from greenlight_gate.probes.choose import Probes, probes_for

__all__ = ["Probes", "probes_for"]
