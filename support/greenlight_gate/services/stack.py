"""The stack of the `local` environment as processes: PostgreSQL, Redis, auth, two replicas and their entry."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from greenlight_gate.extras import missing
from greenlight_gate.services.health import http_answers, postgres_answers, redis_answers
from greenlight_gate.services.programs import major_version, postgres_folder, redis_program, unprivileged
from greenlight_gate.services.runtime import StackOptions
from greenlight_gate.services.stack_folder import FOLDER_VARIABLE, Folder
from greenlight_gate.services.supervisor import Program, Supervisor, free_port, usable_port
from greenlight_gate.targets.errors import Misconfigured

REPLICAS = ("replica-a", "replica-b")
SERVICES = ("postgres", "redis", "auth", *REPLICAS, "entry")
_ROOT = Path(__file__).resolve().parents[2]
_SIGINT = 2
_REASON = re.compile(r"^.*(?:FATAL|PANIC|error):")


class Stack:
    """The program of each service, and its health check. `record` is that of the folder."""

    def __init__(self, folder: Folder, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._environ = environ
        self._supervisor = Supervisor(folder)

    def begin(self, wish: StackOptions) -> None:
        """Makes keys, passwords, ports and the folder of the database, and finds programs. Raises Misconfigured."""
        record = new_record("processes", wish)
        bin_folder, _ = postgres_folder(), redis_program()
        there = (self._data / "PG_VERSION").exists()
        if there:
            password = self.folder.read().get("secrets", {}).get("postgres", "")
            self._refuse_strange_data(bin_folder, password)
            record["secrets"]["postgres"] = password
        self.folder.write(record)
        if not there:
            self._make_database(bin_folder, record["secrets"]["postgres"])

    def start(self, name: str) -> None:
        """Starts a service, with the result of `begin`."""
        record = self.folder.read()
        self._supervisor.start(self._program(name, record))

    def health(self, name: str) -> str:
        """The health of a service: "healthy", or what was received instead."""
        record = self.folder.read()
        port = record["ports"][name]
        ask: dict[str, Callable[[], str]] = {
            "postgres": lambda: postgres_answers(port),
            "redis": lambda: redis_answers(port, record["secrets"]["redis"]),
        }
        return ask.get(name, lambda: http_answers(port))()

    def urls(self) -> tuple[str, str]:
        """The URLs of the database (for SQLAlchemy) and of Redis, with passwords."""
        record = self.folder.read()
        kept, ports = record["secrets"], record["ports"]
        return (
            f"postgresql+asyncpg://chat:{kept['postgres']}@127.0.0.1:{ports['postgres']}/postgres",
            f"redis://:{kept['redis']}@127.0.0.1:{ports['redis']}/0",
        )

    @property
    def _data(self) -> Path:
        return self.folder.path / "postgres"

    def _program(self, name: str, record: dict[str, Any]) -> Program:
        port, user = record["ports"][name], unprivileged()
        if name == "postgres":
            options = {
                "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off",
                "full_page_writes": "off", "shared_buffers": "32MB", "max_connections": 100,
            }  # fmt: skip
            argv = [str(postgres_folder() / "postgres"), "-D", str(self._data)]
            argv += [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
            # SIGINT is PostgreSQL's "fast" shutdown: it does not wait for clients.
            return Program(name, argv, port, self._plain_environ(), user, end_signal=_SIGINT)
        if name == "redis":
            # Its configuration is passed by stdin, since it contains the password.
            lines = ["bind 127.0.0.1", f"port {port}", 'save ""', "appendonly no", "maxmemory 256mb"]
            lines += ["maxmemory-policy allkeys-lru", f"requirepass {record['secrets']['redis']}"]
            argv = [str(redis_program()), "-"]
            return Program(name, argv, port, self._plain_environ(), user, stdin="\n".join(lines) + "\n")
        module, arguments = self._own(name, record)
        argv = [sys.executable, "-m", module, "--port", str(port), *arguments]
        return Program(name, argv, port, {**self._plain_environ(), **self._variables(name, record)})

    def _own(self, name: str, record: dict[str, Any]) -> tuple[str, list[str]]:
        if name == "auth":
            return "greenlight_gate.backend.stack.auth", []
        if name == "entry":
            return "greenlight_gate.backend.stack.entry", [
                f"127.0.0.1:{record['ports'][replica]}" for replica in REPLICAS
            ]
        return "greenlight_gate.backend", [part for defect in record["defects"] for part in ("--defect", defect)]

    def _variables(self, name: str, record: dict[str, Any]) -> dict[str, str]:
        if name == "entry":
            return {}
        kept, ports = record["secrets"], record["ports"]
        shared = dict(zip(("CHAT_DATABASE_URL", "CHAT_REDIS_URL"), self.urls(), strict=True))
        if name == "auth":
            users = ",".join(f"{user}:{kept['users']}" for user in record["users"])
            return {**shared, "CHAT_AUTH_KEY": kept["auth"], "CHAT_USERS": users}
        return {**shared, "CHAT_AUTH_URL": f"http://127.0.0.1:{ports['auth']}", "CHAT_REPLICA": name}

    def _plain_environ(self) -> dict[str, str]:
        # The user's settings for another PostgreSQL must not affect this one.
        strange = ("PG", "CHAT_", "WEBSOCKET_")
        kept = {name: value for name, value in self._environ.items() if not name.startswith(strange)}
        path = os.pathsep.join(filter(None, (str(_ROOT), kept.get("PYTHONPATH"))))
        return {**kept, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8"}

    def _make_database(self, bin_folder: Path, password: str) -> None:
        user = unprivileged()
        # The rest of a killed start is no valid database.
        fresh = self.folder.path / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(mode=0o700)
            if user is not None:
                shutil.chown(fresh, user)
        except OSError as error:
            raise Misconfigured(f"services: {fresh} cannot be made: {error.strerror}") from error
        command = [str(bin_folder / "initdb"), "-D", str(fresh), "-U", "chat", "-E", "UTF8", "--locale=C.UTF-8"]
        options: dict[str, Any] = {"user": user, "extra_groups": []} if user is not None else {}
        with tempfile.NamedTemporaryFile("w", prefix="greenlight-") as word:
            # Another user cannot open our end of a pipe, and arguments are visible to all users.
            word.write(password)
            word.flush()
            if user is not None:
                shutil.chown(word.name, user)
            command += ["--no-sync", "--auth=scram-sha-256", f"--pwfile={word.name}"]
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=60, cwd="/", stdin=subprocess.DEVNULL,
                env=self._plain_environ(), **options,
            )  # fmt: skip
        if done.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            said = [line for line in (done.stdout + done.stderr).splitlines() if _REASON.search(line)] or [""]
            reason = _REASON.sub("", said[0]).strip() or "no reason was given"
            step = "free some space" if "No space left" in reason else f"or name another folder in {FOLDER_VARIABLE}"
            if "Permission denied" in reason and user is not None:
                step = f"user {user} must be able to enter the folders above it, {step}"
            raise Misconfigured(f"services: initdb could not make {self._data}: {reason}; {step}")
        fresh.rename(self._data)

    def _refuse_strange_data(self, bin_folder: Path, password: str) -> None:
        try:
            kept = (self._data / "PG_VERSION").read_text(encoding="ascii").strip()
        except OSError as error:
            raise Misconfigured(f"services: {self._data} cannot be read: {error.strerror}") from error
        here = major_version(bin_folder / "postgres")
        if kept != here or not password:
            why = (
                f"was made by PostgreSQL {kept}, but PostgreSQL {here} is installed"
                if password
                else "has no known password"
            )
            raise Misconfigured(f"services: {self._data} {why}: `greenlight services clean` removes it")


def new_record(runtime: str, wish: StackOptions) -> dict[str, Any]:
    """Makes keys, passwords and ports for a stack. Raises Misconfigured for a port in use."""
    require_packages()
    # Imported here: only the stack needs it.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: PLC0415

    ports: dict[str, int] = {"entry": usable_port(wish.port)} if wish.port else {}
    for name in SERVICES:
        ports.setdefault(name, free_port(besides=ports.values()))
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    kept = {name: secrets.token_urlsafe(24) for name in ("postgres", "redis", "users")}
    return {
        "runtime": runtime, "users": list(wish.users), "defects": list(wish.defects), "ports": ports, "programs": {},
        "secrets": {**kept, "auth": pem.decode()},
    }  # fmt: skip


def require_packages() -> None:
    """Raises Misconfigured if the packages of the extra are not installed."""
    if why := missing("stack"):
        raise Misconfigured(f"services: the stack {why}")
