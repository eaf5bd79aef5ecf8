"""Limits of the generator's machine: file descriptors and ports, and what to do where they do not suffice."""

import resource
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

# Descriptors that are not connections: the event loop's own, files, pipes.
_OTHER_DESCRIPTORS = 64
_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_DEFAULT_PORTS = (32_768, 60_999)


class MachineLimit(Exception):
    """The machine cannot run so many users; one line says what is missing, and how to get it."""


def raise_descriptor_limit(users: int) -> None:
    """Raises the soft limit of file descriptors to the hard one if needed. Raises MachineLimit if that is too low."""
    needed = users + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < needed:
        most = hard if hard != unlimited else max(needed, soft)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        except (ValueError, OSError):
            most = soft
        if most < needed:
            raise MachineLimit(
                f"{users} users need {needed} file descriptors, and this process may have {most}: {needed - most} "
                f"are missing; raise the hard limit (`ulimit -Hn {needed}` as root, or nofile in limits.conf), or "
                f"share the users among more processes (--processes)"
            )


def ports() -> int:
    """How many connections one source address can have to one address of the target."""
    try:
        first, last = map(int, _PORTS.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        first, last = _DEFAULT_PORTS
    return last - first + 1


def sources_for(users: int, url: str, configured: tuple[str, ...]) -> tuple[str, ...]:
    """The source addresses to connect from; () leaves the choice to the system.

    To a target on loopback, further loopback addresses are used, each for half of its ports. Raises MachineLimit where
    the ports of one address do not suffice and no others are given, and for what is no address: the target would be
    blamed for it.
    """
    for source in configured:
        try:
            ip_address(source)
        except ValueError:
            raise MachineLimit(f"--source {source}: expected an IP address of this machine, such as 10.0.0.5") from None
    each = ports()
    needed = -(-users // each)
    if configured:
        if len(configured) < needed:
            raise MachineLimit(
                f"{users} users need {needed} source addresses of {each} ports each, and {len(configured)} were given "
                f"(--source)"
            )
        return configured
    host = urlsplit(url).hostname or ""
    if host.startswith("127.") or host == "localhost":
        # Linux takes every second port first: once these are used up, it looks at all of them for each connection.
        needed = -(-users // (each // 2))
        return tuple(f"127.0.0.{number}" for number in range(2, needed + 2)) if needed > 1 else ()
    if needed <= 1:
        return ()
    raise MachineLimit(
        f"{users} users need more than the {each} ports of one source address: widen {_PORTS}, or give {needed} "
        f"addresses of this machine (--source ADDRESS, repeated)"
    )
