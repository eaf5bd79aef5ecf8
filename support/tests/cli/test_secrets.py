"""Nothing that a whole session leaves behind or shows holds a credential, in whatever form a backend repeats it."""

import base64
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from support.tests.cli.process import SECRET, Ran, ended, started, target
from support.tests.hostile import conduct as does
from support.tests.hostile.server import PING, Act, HostileServer, Wire
from support.tests.report.packed import unpacked

# How every token of HS256 begins.
_JWT = base64.urlsafe_b64encode(b'{"alg":"HS256"').decode()[:12]
# Finding the children of a process means looking at all processes.
_LOOK_EVERY_S = 0.1


def forms(secret: str) -> set[bytes]:
    """The secret, and what stands of it in base64 of something larger, in percent-escapes and in hex."""
    raw = secret.encode()
    inner = [base64.b64encode(b"\0" * before + raw)[-(-before * 4 // 3) : -4] for before in range(3)]
    url_safe = [packed.translate(bytes.maketrans(b"+/", b"-_")) for packed in inner]
    return {raw, *inner, *url_safe, quote(secret, safe="").encode(), raw.hex().encode(), raw.hex().upper().encode()}


def left_behind(ran: Ran, processes: set[str]) -> Iterator[tuple[str, bytes]]:
    """Everything that can be read afterwards, by name; and what could be read of the processes while they ran."""
    for path in ran.folder.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(ran.folder)), path.read_bytes()
    for n, data in enumerate(unpacked((ran.session / "verdict.html").read_text("utf-8"))):
        yield f"conversations {n} of verdict.html", data
    yield "the processes", "\n".join(processes).encode()


def watched(folder: Path, *arguments: str, fresh: bool = False) -> tuple[Ran, set[str]]:
    """A run, and the command lines and titles of all its processes."""
    seen: set[str] = set()
    looked_at = 0.0

    def look(process: psutil.Process) -> None:
        nonlocal looked_at
        if time.monotonic() < looked_at + _LOOK_EVERY_S:
            return
        looked_at = time.monotonic()
        for each in [process, *process.children(recursive=True)]:
            seen.add(" ".join([each.name(), *each.cmdline()]))

    with started(
        folder, "run", "--output-dir", "reports", "--verbose", "--format", "json-lines", *arguments, fresh=fresh
    ) as process:
        return ended(process, folder, watch=look), seen


@pytest.mark.slow
@pytest.mark.parametrize(("defects", "code"), [((), 0), (("token_echoed_in_frame",), 1)])
def test_a_whole_session_keeps_no_credential(tmp_path: Path, defects: tuple[str, ...], code: int) -> None:
    options = [part for defect in defects for part in ("--defect", defect)]
    run = ("--categories", "functional", "--tags", "@functional", *options)
    # Of a fork, the command line would be that of what it was forked of.
    ran, processes = watched(tmp_path, *run, fresh=True)
    unwanted = {*forms(SECRET), *(form[:12] for form in forms(_JWT * 2))}
    found = {name: form for name, data in left_behind(ran, processes) for form in unwanted if form in data}

    assert ran.code == code, ran.out + ran.err
    assert found == {}
    assert any("greenlight_gate.backend" in line for line in processes)
    assert ({"CONTENT-5"} if defects else set()) <= ran.rules
    marked = [name for name, data in left_behind(ran, processes) if re.search(rb"\[token of \w+\]", data)]
    assert ("conversations 0 of verdict.html" in marked) == bool(defects)
    assert bool(marked) == bool(defects)
    assert ("out.txt" in marked) == bool(defects)
    assert [json.loads(line)["kind"] for line in ran.out.splitlines()][-1] == "verdict"


async def echo(wire: Wire) -> None:
    """A door that repeats the token wherever anything can be written, in each of its forms."""
    token = wire.token
    packed = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    signature = token.rpartition(".")[2]
    await wire.upgrade(f"Sec-WebSocket-Protocol: jwt.{packed}\r\nX-Token: {token}\r\nX-Packed: {packed}\r\n")
    await wire.frame(PING, signature.encode())
    whole = [f"{before}{token}".encode() for before in ("", "B", "Be", "Bearer ")]
    written = [token, quote(token, safe=""), token.encode().hex(), token.encode().hex().upper()]
    written += [encode(text).decode() for text in whole for encode in (base64.b64encode, base64.urlsafe_b64encode)]
    greeting = {"type": "connection_established", "connection_id": token, "config": {"all": written}}
    await wire.say({**greeting, "inner": json.dumps({"deep": json.dumps(written)})})
    received = await wire.hear()
    talk = does.Talk(wire, received, 1)
    talk.run = f"run of {token}"
    await talk.begin()
    for text in written:
        await wire.say(talk.event("agent_thinking", reasoning=f"so {text} it is"))
    await wire.say({"type": f"unknown {packed}", "a": token})
    await wire.say(f"no JSON {token}")
    await talk.finish(f"It is {token}.")
    await wire.close(2000, f"bye {signature}")
    raise EOFError


async def turn_away(wire: Wire) -> None:
    token = wire.token
    packed = base64.urlsafe_b64encode(token.encode()).decode()
    await wire.respond("403 No", f"not you, {token} or {packed}".encode(), extra=f"X-Token: {token}\r\n")


@pytest.mark.parametrize("door", [echo, turn_away], ids=["echo", "turned_away"])
def test_no_form_of_a_token_is_kept_whoever_repeats_it(tmp_path: Path, door: Act) -> None:
    with HostileServer(door, does.health()) as server:
        path = target(tmp_path, server.url)
        path.write_text(path.read_text("utf-8").replace('"bearer"', '"subprotocol"'), encoding="utf-8")
        ran, processes = watched(
            tmp_path, "--environment", "hostile.toml", "--categories", "functional", "--fail-fast", "--jobs", "1"
        )  # fmt: skip
        tokens = set(server.tokens)
    secrets = {SECRET, *tokens, *(token.rpartition(".")[2] for token in tokens)}
    unwanted = {form for secret in secrets for form in forms(secret)}
    found = {name: form for name, data in left_behind(ran, processes) for form in unwanted if form in data}

    assert tokens
    assert found == {}
    assert (ran.code, ran.verdict) == (1, "BLOCKED")
    (trace,) = (ran.session / "evidence/traces").iterdir()
    assert trace.read_bytes().count(b"[token of Ada]") >= (20 if door is echo else 3)
