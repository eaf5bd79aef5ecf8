"""Finds external programs: in PATH first, then where distributions install them."""

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

from greenlight_gate.targets.errors import Misconfigured

_POSTGRES_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
_REDIS = ("redis-server", "valkey-server", "keydb-server")
_STEP = "install it from the distribution's packages (Debian: apt-get install {}), or use --runtime docker"


def postgres_folder() -> Path:
    """The folder that holds initdb and postgres, of the newest version. Raises Misconfigured."""
    found = [Path(place) for place in (shutil.which("initdb"),) if place]
    folders = [path.resolve().parent for path in found]
    for pattern in _POSTGRES_PLACES:
        root, _, _ = pattern.partition("*")
        base = Path(root).parent if not root.endswith("/") else Path(root)
        glob = pattern.removeprefix(f"{base}/")
        folders += sorted(base.glob(glob), key=_number, reverse=True) if base.is_dir() else []
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise Misconfigured(f"services: PostgreSQL was not found (initdb, postgres): {_STEP.format('postgresql')}")


def redis_program() -> Path:
    """The path of redis-server or valkey-server. Raises Misconfigured."""
    for name in _REDIS:
        if (found := shutil.which(name)) or (found := shutil.which(name, path="/usr/sbin:/usr/local/bin")):
            return Path(found)
    raise Misconfigured(f"services: neither Redis nor Valkey was found: {_STEP.format('redis-server')}")


def major_version(program: Path) -> str:
    """The major version that a program reports, such as "15"."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=10).stdout
    found = re.search(r"(\d+)(\.\d+)?", said)
    return found[1] if found else ""


def unprivileged() -> str | None:
    """The user as whom PostgreSQL runs if the suite runs as root; else None. Raises Misconfigured."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise Misconfigured("services: PostgreSQL refuses to run as root, and there is no user postgres or nobody")


def docker_engine() -> str | None:
    """Why Docker cannot be used; None if it can."""
    program = shutil.which("docker")
    if program is None:
        return "docker was not found: install Docker Engine 20.10 or newer"
    if subprocess.run([program, "compose", "version"], capture_output=True, check=False, timeout=20).returncode:
        return "docker has no `compose`: install the compose plugin"
    engine = subprocess.run(
        [program, "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True, check=False, timeout=20
    )
    if engine.returncode:
        return (
            "docker is installed, but its engine does not answer: start it (systemctl start docker), or set DOCKER_HOST"
        )
    numbers = [int(part) for part in re.findall(r"\d+", engine.stdout)[:2]]
    if numbers and numbers < [20, 10]:
        return f"the Docker engine is {engine.stdout.strip()}: 20.10 or newer is needed"
    return None


def _number(path: Path) -> int:
    found = re.search(r"\d+", path.parent.name)
    return int(found[0]) if found else 0
