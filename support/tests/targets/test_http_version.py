"""The version of HTTP that a target file names: it is spoken, or the file is mistaken."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.targets.access import check_health, check_trust
from greenlight_gate.targets.errors import Misconfigured
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import HttpVersion, Invalid, Prompt, Prompts, Tls
from greenlight_gate.targets.tls import offered

from support.tests.hostile import conduct as does
from support.tests.hostile import http2
from support.tests.hostile.certificate import Authority
from support.tests.hostile.server import HostileServer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def target(port: int, ca_file: Path | None = None, **more: Any) -> Target:
    url = f"http{'s' if ca_file else ''}://127.0.0.1:{port}"
    tls = Tls(ca_file=str(ca_file or ""))
    return Target(
        name="mine", url=url, prompts=Prompts(helper=Prompt(ask="?")), tls=tls, profile="ag-ui-sse",
        **{"http_version": "2", **more},
    )  # fmt: skip


def choosing(authority: Authority, *protocols: str) -> ssl.SSLContext:
    context = authority.server_context("127.0.0.1")
    context.set_alpn_protocols(protocols)
    return context


@pytest.mark.parametrize(
    ("url", "version", "protocols"),
    [
        ("https://h", "", ("h2", "http/1.1")), ("https://h", "1.1", ("http/1.1",)), ("https://h", "2", ("h2",)),
        ("wss://h", "", ()), ("http://h", "2", ()),
    ],
)  # fmt: skip
def test_what_is_offered_with_tls(url: str, version: HttpVersion, protocols: tuple[str, ...]) -> None:
    assert offered(url, version) == protocols


@pytest.mark.parametrize("chooses", [("http/1.1",), ()])
def test_a_server_that_does_not_choose_it_with_tls(authority: Authority, chooses: tuple[str, ...]) -> None:
    context = choosing(authority, *chooses)
    with HostileServer(does.forever, does.health(), context) as server:
        asyncio.run(check_trust(target(server.port, authority.ca_file, http_version="")))
        with pytest.raises(
            Misconfigured, match=r"http_version: expected a server that speaks HTTP/2, but it speaks HTTP/1\.1"
        ):
            asyncio.run(check_trust(target(server.port, authority.ca_file)))


def test_a_server_that_does_not_speak_it_without_tls() -> None:
    with (
        HostileServer(does.page("400 Bad Request"), does.health()) as server,
        pytest.raises(Misconfigured, match=r"HTTP/2, but it speaks .*; leave the key out"),
    ):
        asyncio.run(check_trust(target(server.port)))


@pytest.mark.parametrize("secure", [False, True])
def test_health_is_asked_in_it_as_well(authority: Authority, secure: bool) -> None:
    context = choosing(authority, "h2") if secure else None
    with HostileServer(http2.chat(http2.silent), does.forever, context) as server:
        here = target(server.port, authority.ca_file if secure else None)
        assert asyncio.run(check_health(here)).status == "healthy"
        asyncio.run(check_trust(here))


def test_a_websocket_has_no_such_version() -> None:
    with pytest.raises(Invalid, match="http_version: expected none for a WebSocket"):
        Target(name="mine", url="ws://h/ws", prompts=Prompts(helper=Prompt(ask="?")), http_version="2")
