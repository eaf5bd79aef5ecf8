"""Where the request of a message goes, below the target's url."""

import pytest
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
        ("", "/api/sse"),
        (" /of Åda?for=Åda ", "/of%20%C3%85da?for=%C3%85da"),
        ("HTTP://H:80", "/"),
    ],
)
def test_an_address_that_the_server_has_given_is_taken_as_it_is(given: str, target: str) -> None:
    values = {"endpoint": given}
    post = post_to(HttpAddress("{endpoint}"), shipped("ag-ui-sse").spec, "http://h/api/sse", headers={}, values=values)
    assert post.path == target
