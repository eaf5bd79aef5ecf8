"""Ports of services."""

from greenlight_gate.services.supervisor import free_port, usable_port


def test_a_free_port_is_none_that_a_client_is_given() -> None:
    first = free_port()
    second = free_port(besides=[first])

    assert 10_000 <= min(first, second) < max(first, second) < 32_768
    assert usable_port(first) == first
