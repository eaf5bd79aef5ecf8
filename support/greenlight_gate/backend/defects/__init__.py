"""Defects that can be switched on: the registry, the hook points, and one or more modules for each family."""

from greenlight_gate.backend.defects import (
    functional,
    functional_channel,
    functional_content,
    functional_streams,
    functional_text,
    functional_turns,
    integration,
    integration_inputs,
    integration_stops,
    integration_threads,
    performance,
    resilience,
    resilience_cut_streams,
    resilience_restores,
    security,
    security_access,
    security_channel,
    security_requests,
    security_threads,
    stack,
    stress,
)
from greenlight_gate.backend.defects.registry import REGISTRY, ConflictError, Defect, UnknownDefectError, activate
from greenlight_gate.backend.hooks import Chain

FAMILIES = (
    functional,
    functional_channel,
    functional_content,
    functional_streams,
    functional_text,
    functional_turns,
    integration,
    integration_inputs,
    integration_stops,
    integration_threads,
    performance,
    resilience,
    resilience_cut_streams,
    resilience_restores,
    security,
    security_access,
    security_channel,
    security_requests,
    security_threads,
    stack,
    stress,
)

__all__ = ["FAMILIES", "REGISTRY", "Chain", "ConflictError", "Defect", "UnknownDefectError", "activate"]
