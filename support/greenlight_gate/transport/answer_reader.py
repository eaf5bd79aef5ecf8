"""Reads the HTTP/1.1 answers of one connection, one after the other, with httptools: bytes in, one answer's parts out.

RFC 9112 section 6.3 says where a body ends. What servers in use send though it forbids them is read as browsers do: a
bare LF as the end of a line, a length beside chunks, spaces behind the size of a chunk.
"""

import httptools

from greenlight_gate.findings import printable

UNPARSED = (httptools.HttpParserUpgrade, httptools.HttpParserError)
_MOST_HEAD_BYTES = 65_536
_INFORMATIONAL = range(100, 200)
_SHOWN = 100
_BEGINS = b"HTTP/"
_SHOWN_FIRST = 40
# An answer of HTTP/0.9 is a body and nothing else.
_CHECK = "check the host, the port and the scheme of the url"


class BrokenAnswer(Exception):
    """What came is no answer of HTTP/1.1, or ended in the middle of one."""


class AnswerReader:
    """The answer that is being read.

    `parse` is `feed` behind the head, for those who count microseconds: it raises one of `UNPARSED`, and `problem` says
    what that means.
    `status` and `fields` (its headers) are there once `has_head`; `parts` are those of its body since `take_body`.
    `is_complete`: its end was read. `keeps_open`: the connection may carry another one. `began_another`: bytes followed
    that belong to no request.
    """

    __slots__ = (
        "_ends_with_connection", "_head_bytes", "_parser", "began_another", "fields", "has_head", "is_complete",
        "keeps_open", "named", "on_body", "parse", "parts", "status",
    )  # fmt: skip

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        # What the parser calls for each part of a body.
        self.on_body = self.parts.append
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_chunked_length=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self.parse = self._parser.feed_data
        self.began_another = False
        self.expect()

    @property
    def version(self) -> str:
        """The version of HTTP, which servers may send as 1.0."""
        return "1.1"

    def expect(self) -> None:
        """Begins with the next answer."""
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.named: dict[bytes, bytes] = {}
        self.parts.clear()
        self.has_head = self.is_complete = self.keeps_open = self._ends_with_connection = False
        self._head_bytes = 0

    def feed(self, data: bytes) -> None:
        """Reads on. Raises BrokenAnswer; what came before it can be taken."""
        try:
            self.parse(data)
        except UNPARSED as error:
            raise BrokenAnswer(self.problem(error, data)) from error
        if not self.has_head:
            self._head_bytes += len(data)
            if self._head_bytes > _MOST_HEAD_BYTES:
                raise BrokenAnswer(f"a head of more than {_MOST_HEAD_BYTES} bytes")

    def problem(self, error: Exception, data: bytes) -> str:
        """What is wrong with these bytes, which the parser has refused with an error."""
        if isinstance(error, httptools.HttpParserUpgrade):
            return f"HTTP {self.status} that changes the protocol"
        is_first = not (self._head_bytes or self.has_head or self.is_complete)
        if is_first and not data.startswith(_BEGINS):
            came = printable(data[:_SHOWN_FIRST].decode(errors="replace"))
            return f"no HTTP/1.1, which begins with HTTP/: {came!r}; {_CHECK}"
        return str(error)[:_SHOWN]

    def finish(self) -> None:
        """Nothing more comes: the body of some answers ends so. Raises BrokenAnswer in the middle of others."""
        if not self._ends_with_connection:
            where = "in the middle of the body" if self.has_head else "in place of an answer"
            raise BrokenAnswer(f"the connection was closed {where}")
        self.is_complete = True

    def take_body(self) -> bytes:
        """What came of the body since the last call."""
        parts = self.parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        return data

    def header(self, name: bytes) -> str:
        """The first header of this name, in lower case; "" without one."""
        return self.named.get(name, b"").decode("latin-1")

    # What the parser calls ------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first bytes of an answer came."""
        self.began_another = self.began_another or self.is_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer behind the last chunk, which is not read."""
        if not self.has_head:
            self.fields.append((name, value))
            self.named.setdefault(name.lower(), value)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        if self.is_complete:
            return
        self.status = self._parser.get_status_code()
        if self.status in _INFORMATIONAL:
            return
        self.has_head = True
        self.keeps_open = self._parser.should_keep_alive()
        if not self.keeps_open:
            is_chunked = self.header(b"transfer-encoding").lower().endswith("chunked")
            self._ends_with_connection = not is_chunked and b"content-length" not in self.named

    def on_message_complete(self) -> None:
        """The end of the answer; that of an informational one is not the end."""
        if self.has_head:
            self.is_complete = True
        else:
            self.fields, self.named = [], {}
