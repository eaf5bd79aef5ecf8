"""Whether a service answers: one quick request in its own protocol."""

import socket

import httpx2

_WITHIN_S = 1.0
# PostgreSQL's SSLRequest (protocol documentation, 55.7): the server answers with one letter, without a sign-in.
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


def http_answers(port: int) -> str:
    """Returns "healthy", or what was received instead."""
    try:
        answer = httpx2.get(f"http://127.0.0.1:{port}/health", timeout=_WITHIN_S, trust_env=False)
    except httpx2.HTTPError as error:
        return f"no answer ({type(error).__name__})"
    return "healthy" if answer.status_code == 200 else f"HTTP {answer.status_code}"


def postgres_answers(port: int) -> str:
    """Returns "healthy", or what was received instead."""
    came = _ask(port, _SSL_REQUEST)
    return "healthy" if came[:1] in (b"S", b"N") else f"no answer ({came.decode('latin-1') or 'silence'})"


def redis_answers(port: int, password: str) -> str:
    """Returns "healthy", or what was received instead."""
    came = _ask(port, f"AUTH {password}\r\nPING\r\n".encode(), until=b"+PONG")
    return "healthy" if b"+PONG" in came else f"no answer ({came.decode('latin-1').strip() or 'silence'})"


def _ask(port: int, question: bytes, until: bytes = b"") -> bytes:
    came = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_WITHIN_S) as connection:
            connection.sendall(question)
            while data := connection.recv(100):
                came += data
                if until in came:
                    break
    except OSError as error:
        return came or type(error).__name__.encode()
    return came
