"""Where the request of a message goes, below the target's url."""

import pytest
from greenlight_gate.transport.interface import NotOpened
from greenlight_gate.transport.posting import post_to
from greenlight_gate.wire.connecting import HttpAddress

from support.tests.wire.recorded import shipped


@pytest.mark.parametrize(
    ("url", "path", "target"),
    [
        ("http://h", "/chat", "/chat"),
        ("http://h/", "/chat", "/chat"),
        ("http://h/api/?v=2", "/chat", "/api/chat?v=2"),
        ("http://h", "", "/"),
        ("http://h/agent", "", "/agent"),
        ("http://h/agent/?v=2", "", "/agent/?v=2"),
        ("http://h/agent?v=2", "/runs/{run}?wait=1", "/agent/runs/a%2Fb?wait=1&v=2"),
    ],
)
def test_the_address_of_a_message(url: str, path: str, target: str) -> None:
    post = post_to(HttpAddress(path), shipped("ag-ui-sse").spec, url, headers={}, values={"run": "a/b"})
    assert post.path == target


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("/messages?session=1", "/messages?session=1"),
        ("http://h/messages/?session=a%2Fb", "/messages/?session=a%2Fb"),
        ("messages", "/api/messages"),
        ("?session=1", "/api/sse?session=1"),
        ("\\messages\\?path=C:\\", "/messages/?path=C:%5C"),
        (" /of Åda?for=Åda ", "/of%20%C3%85da?for=%C3%85da"),
        ("HTTP://H:80", "/"),
    ],
)
def test_an_address_that_the_server_has_given_is_taken_as_it_is(given: str, target: str) -> None:
    values = {"endpoint": given}
    post = post_to(HttpAddress("{endpoint}"), shipped("ag-ui-sse").spec, "http://h/api/sse", headers={}, values=values)
    assert post.path == target


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("http://münchen.example/", "http://xn--mnchen-3ya.example:80/messages"),
        ("https://XN--MNCHEN-3YA.example:443/", "https://MÜNCHEN.example/messages"),
        ("http://h/", "http://h\\messages"),
    ],
)
def test_one_host_may_be_written_in_several_ways(url: str, given: str) -> None:
    post = post_to(HttpAddress("{endpoint}"), shipped("ag-ui-sse").spec, url, headers={}, values={"endpoint": given})
    assert post.path == "/messages"


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("http://münchen.example/", "http://munchen.example/messages"),
        ("http://h/", "///elsewhere/messages"),
        ("http://h/", "http:\\\\\\elsewhere/messages"),
        ("http://h/", "http://h@elsewhere/messages"),
    ],
)
def test_another_host_gets_no_credentials(url: str, given: str) -> None:
    with pytest.raises(NotOpened, match="is of another origin than "):
        post_to(HttpAddress("{endpoint}"), shipped("ag-ui-sse").spec, url, headers={}, values={"endpoint": given})
