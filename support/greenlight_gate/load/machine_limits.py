"""What the machine of the generator has room for: descriptors, ports, and what to do when they do not suffice."""

import resource
from pathlib import Path
from urllib.parse import urlsplit

# Descriptors that are no connections: the loop's own, files, pipes.
_BESIDE = 64
_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_PORTS = (32_768, 60_999)


class Short(Exception):  # noqa: N818 -- reads as what the machine is
    """The machine cannot carry so many people; one line says what is missing, and how to get it."""


def make_room(people: int) -> None:
    """Raises the limit of descriptors as far as it goes. Raises Short where even that is not enough for `people`."""
    needed = people + _BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < needed:
        most = hard if hard != unlimited else max(needed, soft)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        except (ValueError, OSError):
            most = soft
        if most < needed:
            raise Short(
                f"{people} people need {needed} file descriptors, and this process may have {most}: {needed - most} "
                f"are missing; raise the hard limit (`ulimit -Hn {needed}` as root, or nofile in limits.conf), or "
                f"share the people among more processes (--processes)"
            )


def ports() -> int:
    """How many connections one source address can have to one address of the target."""
    try:
        first, last = map(int, _PORTS.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        first, last = _USUAL_PORTS
    return last - first + 1


def sources_for(people: int, url: str, given: tuple[str, ...]) -> tuple[str, ...]:
    """The source addresses to connect from, () for whichever the system takes.

    On the loopback more are to be had for nothing. Raises Short where one address has too few ports and no other is
    given.
    """
    each = ports()
    needed = -(-people // each)
    if given:
        if len(given) < needed:
            raise Short(
                f"{people} people need {needed} source addresses of {each} ports each, and {len(given)} were given "
                f"(--source)"
            )
        return given
    if needed <= 1:
        return ()
    host = urlsplit(url).hostname or ""
    if host.startswith("127.") or host == "localhost":
        return tuple(f"127.0.0.{number}" for number in range(2, needed + 2))
    raise Short(
        f"{people} people need more than the {each} ports of one source address: widen {_PORTS}, or give {needed} "
        f"addresses of this machine (--source ADDRESS, repeated)"
    )
