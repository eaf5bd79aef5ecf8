"""The reader of HTTP/1.1 answers: where a body ends, what is read as browsers read it, and what is no answer."""

import pytest
from greenlight_gate.transport.answer_reader import AnswerReader, BrokenAnswer

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDED = b"2\r\nhi\r\n0\r\n\r\n"


def fed(*pieces: bytes) -> AnswerReader:
    reader = AnswerReader()
    for piece in pieces:
        reader.feed(piece)
    return reader


@pytest.mark.parametrize(
    ("answer", "keeps_open"),
    [
        (CHUNKED + ENDED, True),
        (CHUNKED + b"2  \r\nhi\r\n0\r\n\r\n", True),  # spaces behind a size
        (CHUNKED + b"2;name=value\r\nhi\r\n0\r\nTrailer: x\r\n\r\n", True),
        (CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 99\r\n\r\n") + ENDED, True),  # a length beside chunks
        (CHUNKED.replace(b"\r\n", b"\n") + ENDED, True),  # a bare LF
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + CHUNKED + ENDED, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", False),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_where_an_answer_ends_wherever_it_is_split(answer: bytes, size: int, *, keeps_open: bool) -> None:
    reader = fed(*[answer[start : start + size] for start in range(0, len(answer), size)])
    assert (reader.status, reader.take_body(), reader.is_complete) == (200, b"hi", True)
    assert (reader.keeps_open, reader.began_another) == (keeps_open, False)
    assert not reader.header(b"trailer")
    assert not reader.header(b"link")


def test_one_answer_follows_the_other_when_it_is_expected() -> None:
    reader = fed(CHUNKED + ENDED)
    reader.expect()
    assert (reader.status, reader.has_head, reader.take_body()) == (0, False, b"")
    reader.feed(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n")
    assert (reader.status, reader.header(b"content-type"), reader.is_complete) == (404, "text/html", True)


def test_what_follows_an_answer_unasked_is_noticed() -> None:
    assert fed(CHUNKED + ENDED + CHUNKED).began_another


def test_a_body_ends_with_its_connection_only_where_nothing_else_ends_it() -> None:
    reader = fed(b"HTTP/1.1 200 OK\r\n\r\nhi")
    assert not reader.is_complete
    reader.finish()
    assert (reader.take_body(), reader.is_complete) == (b"hi", True)
    for begun in (CHUNKED + b"2\r\nhi\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nhi"):
        with pytest.raises(BrokenAnswer, match="closed in the middle of the body"):
            fed(begun).finish()
    with pytest.raises(BrokenAnswer, match="closed in place of an answer"):
        fed(b"HTTP/1.1 200").finish()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (CHUNKED + b"zz\r\n", "chunk size"),
        (b"data: 1\n\n", "no HTTP/1.1, which begins with HTTP/: 'data: 1"),
        (b"<html>hello</html>", "'<html>hello</html>'; check the host, the port and the scheme of the url"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "HTTP 101"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "a head of more than 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nX y: z\r\n\r\n", "Invalid header token"),
    ],
)
def test_what_is_no_answer(answer: bytes, said: str) -> None:
    with pytest.raises(BrokenAnswer, match=said):
        fed(answer)
