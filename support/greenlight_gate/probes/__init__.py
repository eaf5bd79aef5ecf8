"""Probes of a backend: its memory, descriptors, connections and CPU."""

from greenlight_gate.probes.factory import Probes, probes_for

__all__ = ["Probes", "probes_for"]
