"""The command line of the backend."""

import argparse
import contextlib
import errno
import fcntl
import io
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, NoReturn

_EVERYWHERE = "0.0.0.0"  # noqa: S104 -- the name of it, not where this backend listens by default
EXIT_OK = 0
EXIT_MISCONFIGURED = 3


class _Parser(argparse.ArgumentParser):
    """A parser that reports errors in one line, with the exit code for a mistake of the user."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_MISCONFIGURED, f"{self.prog}: {message}\n")


def main(
    argv: Sequence[str],
    prog: str = "greenlight_gate.backend",
    more: Mapping[str, str] = MappingProxyType({}),
    notice: str = "",
) -> int:
    """Run the backend until it is stopped, and return the exit code.

    `prog`: the command that errors name; `more`: variables beside those of the environment; `notice`: what standard
    error says before the backend is ready.

    Standard output gets exactly one line, the JSON with the addresses, once the backend is ready. A port in use, an
    unknown defect or an unusable variable give one line on standard error and exit code 3.
    """
    arguments = _parser(prog).parse_args(argv)
    # Imported here: a mistyped option is reported without loading the server.
    from greenlight_gate.backend.defects import UnknownDefectError, activate  # noqa: PLC0415
    from greenlight_gate.backend.settings import SettingsError, settings_from  # noqa: PLC0415

    if arguments.list_defects:
        _list_defects()
        return EXIT_OK
    try:
        chain = activate(arguments.defect)
        settings = settings_from({**os.environ, **more, **_given(arguments)})
        admin_token = _admin_token(arguments.admin_token_env)
    except (UnknownDefectError, SettingsError) as error:
        return _misconfigured(prog, str(error))
    from greenlight_gate.backend.server import listen, serve  # noqa: PLC0415

    try:
        claim = _claim(arguments.data)
    except OSError as error:
        return _misconfigured(prog, f"cannot keep data in {arguments.data}: {error.strerror or error}")
    try:
        listener = listen(arguments.host, arguments.port)
    except OSError as error:
        claim.close()
        return _misconfigured(prog, f"cannot serve on {arguments.host}:{arguments.port}: {error.strerror or error}")
    sys.stderr.write(notice)
    port = listener.getsockname()[1]
    with claim, listener:
        serve(
            listener,
            settings,
            chain,
            data=arguments.data,
            on_ready=lambda: _announce(arguments.host, port, arguments.defect),
            die_with_parent=arguments.die_with_parent,
            admin_token=admin_token,
        )
    return EXIT_OK


def _given(arguments: argparse.Namespace) -> dict[str, str]:
    """What options say in place of variables."""
    given = {"CHAT_VARY": arguments.vary, "CHAT_MODEL_URL": arguments.model}
    return {name: text for name, text in given.items() if text}


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = _Parser(prog=prog, description="Serve the reference chat backend.", allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="store the data in this folder (default: not stored)")
    parser.add_argument(
        "--defect", action="append", default=[], metavar="NAME[=VALUE]", help="activate this defect; may be repeated"
    )
    parser.add_argument(
        "--admin-token-env",
        default="",
        metavar="NAME",
        help="enable the admin call for requests with the token in this variable (default: disabled)",
    )
    parser.add_argument(
        "--vary", default="", metavar="SEED", help="vary the healthy behaviour at random from this integer seed"
    )
    parser.add_argument(
        "--model", default="", metavar="URL", help="ask the model at this URL (Chat Completions; default: no model)"
    )
    parser.add_argument("--die-with-parent", action="store_true", help="stop when standard input ends")
    parser.add_argument("--list-defects", action="store_true", help="print all defects and exit")
    return parser


def _admin_token(variable: str) -> str:
    from greenlight_gate.backend.admin import LEAST_TOKEN_CHARACTERS  # noqa: PLC0415
    from greenlight_gate.backend.settings import SettingsError  # noqa: PLC0415

    token = os.environ.get(variable, "").strip() if variable else ""
    if variable and len(token) < LEAST_TOKEN_CHARACTERS:
        wanted = f"a token of {LEAST_TOKEN_CHARACTERS} characters or more"
        raise SettingsError(
            f"--admin-token-env {variable}: expected {wanted} in this variable, but it has {len(token)}"
        )
    return token


def _port(text: str) -> int:
    # Checked here, because the resolver would silently subtract 65536 from a larger number.
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 65535")
    return int(text)


def _claim(data: Path | None) -> IO[str]:
    if data is None:
        return io.StringIO()
    data.mkdir(parents=True, exist_ok=True)
    lock = (data / "lock").open("w", encoding="ascii")
    try:
        # Two backends on one file would assign the same numbers to different events.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise OSError(errno.EBUSY, "another backend uses it") from None
    return lock


def _list_defects() -> None:
    from greenlight_gate.backend.defects import REGISTRY  # noqa: PLC0415

    width = shutil.get_terminal_size().columns
    with contextlib.suppress(BrokenPipeError):  # the reader has closed the pipe
        for found in REGISTRY.values():
            value = "" if found.default is None else f" Default: {_with_unit(found.default, found.unit)}."
            value += f" The profile has to promise {found.promise}." if found.promise else ""
            head = f"{found.name}  {found.family}, {found.severity}: {', '.join(found.rules)}"
            for text, indent in ((head, ""), (f"{found.notice}{value}", "    ")):
                print(textwrap.fill(text, width, initial_indent=indent, subsequent_indent="    "), flush=True)


def _with_unit(value: float | str, unit: str) -> str:
    return value if isinstance(value, str) else f"{value:g} {unit}".strip()


def _announce(host: str, port: int, defects: Sequence[str]) -> None:
    """Says at which address this machine can connect, and on which it is listened, which may be all of them."""
    near = _reachable(host)
    addresses = {"url": f"ws://{near}:{port}/ws", "http": f"http://{near}:{port}", "listens_on": host or _EVERYWHERE}
    sys.stdout.write(json.dumps({"ready": True, **addresses, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    if sys.stderr.isatty():
        broken = f" with {', '.join(defects)}" if defects else ""
        all_of_them = " and at all other addresses of this machine" if host in (_EVERYWHERE, "::", "") else ""
        sys.stderr.write(f"Serving on {addresses['url']}{all_of_them}{broken}, Ctrl-C stops\n")


def _reachable(host: str) -> str:
    # "All addresses" is no address to connect to; the loopback address is one of them.
    near = {_EVERYWHERE: "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"[{near}]" if ":" in near else near


def _misconfigured(prog: str, message: str) -> int:
    sys.stderr.write(f"{prog}: {message}\n")
    return EXIT_MISCONFIGURED
