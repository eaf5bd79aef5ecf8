"""Hostile backends, and what the real commands have to say of each."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from greenlight_gate.evidence.judge import judge
from greenlight_gate.report.run_report import write_report
from h2.settings import SettingCodes

from support.tests.cli.process import HASTY_S, PATIENT_S, REASONS, Ran, behave, judged, suite_in, target
from support.tests.hostile import by_http, excess, http2
from support.tests.hostile import conduct as does
from support.tests.hostile.certificate import Authority
from support.tests.hostile.server import Act, HostileServer

_HEALTHY = does.health()
# msgspec crashes the process where two threads are the first to read one type, and the cases are met in threads.
_JUDGING = threading.Lock()
_RIGHT = does.conversation(does.rightly)

_SLOW = {
    "health_500", "health_hangs", "door_403", "door_404", "tls_only_ours", "tls_only_theirs", "closes_1011_at_once",
    "endless_fragments", "bad_opcode", "not_utf8", "nan", "deep_lists", "deep_objects", "closes_4400", "closes_1005",
    "closes_2000", "closes_without_code", "flood", "bomb_in_fragments", "small_bombs", "no_deflate",
    "frame_of_exabytes", "many_pings",
    "unknown_frames", "endless_header", "endless_status", "endless_body", "dripping_answer", "stamp_1e400",
    "stamp_of_5000_digits", "run_of_5000_digits",
}  # fmt: skip
# What the session shows is what matters, whichever command has made it: that is bare `behave`, which draws nothing.
_BARE = {
    "health_html", "health_1x", "door_401", "door_redirect", "door_never", "never_ready", "huge_frame", "binary",
    "half_json", "bomb", "frame_without_end", "empty_fragments", "endless_headers", "endless_chunks", "seq_1e400",
    "seq_of_5000_digits", "prototype_keys", "silent", "drops_the_line", "never_answers_pings",
}  # fmt: skip
# What is wrong shows by what does not come.
_HASTY = {
    "health_hangs", "door_never", "tls_only_ours", "never_ready", "frame_without_end", "dripping_answer", "silent",
    "never_answers_pings", "http_never_ending", "http_silent", "http2_window_never_opened",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A backend, the exit code that it earns, and what has to be said of it.

    `rules` maps rules to a piece of "expected / actual" of one of their findings; `says` is a piece of the verdict's
    reason or, for exit code 3, of the one line on stderr. `tls`: which side speaks it ("both", "server", "client").
    """

    name: str
    code: int
    door: Act = _RIGHT
    health: Act = _HEALTHY
    rules: dict[str, str] = field(default_factory=dict)
    says: str = ""
    tls: str = ""
    category: str = "functional"
    fail_fast: bool = True
    more: str = ""
    peak_mb: float = 400.0
    profile: str = ""
    http_version: str = ""

    @property
    def is_slow(self) -> bool:
        """Whether a quicker test or another case shows nearly the same, so that a developer need not wait for it."""
        return self.name in _SLOW or self.is_by_http

    @property
    def is_by_http(self) -> bool:
        """Whether its chat is by HTTP."""
        return bool(self.profile)

    @property
    def is_bare(self) -> bool:
        """Whether it is met by bare `behave`, whose exit code is 1 for all that is not passed."""
        return self.name in _BARE

    @property
    def is_hasty(self) -> bool:
        """Whether it is waited for what does not come."""
        return self.name in _HASTY

    @property
    def budget_s(self) -> float:
        """The budgets of its target."""
        return HASTY_S if self.is_hasty else PATIENT_S


@dataclass(frozen=True)
class Met:
    """What a run against a case left behind, and which tokens were shown to the server."""

    ran: Ran
    tokens: frozenset[str]
    url: str


def meet(case: Case, folder: Path) -> Met:
    """Runs the case's command against its server, and judges what it left where the command does not.

    On a busy machine, nothing may come within a short budget, not even the answer to the health check, and nothing is
    judged: then the budgets are longer.
    """
    for times in (1, 4, 16):
        (part := folder / f"within-{times}").mkdir()
        met = _meet(case, part, times * case.budget_s)
        if case.code != 1 or not case.is_hasty or met.ran.verdict != "INCONCLUSIVE":
            break
    return met


def _meet(case: Case, folder: Path, budget_s: float) -> Met:
    context = Authority(folder).server_context("127.0.0.1") if case.tls in ("both", "server") else None
    with HostileServer(case.door, case.health, context) as server:
        url = server.url.replace("ws://", "wss://") if case.tls == "client" else server.url
        url = url.replace("wss://", "ws://") if case.tls == "server" else url
        url = url.replace("ws", "http", 1).removesuffix("/ws") if case.is_by_http else url
        target(folder, url, more=case.more, budget_s=budget_s, profile=case.profile, http_version=case.http_version)
        if case.is_bare:
            suite_in(folder)
            stop = ("--stop",) if case.fail_fast else ()
            ran = behave(folder, f"features/{case.category}", *stop, "-D", "environment=hostile.toml")
            with _JUDGING:
                write_report(judge(ran.session), ran.session)
        else:
            alone: tuple[str, ...] = ("--fail-fast", "--jobs", "1") if case.fail_fast else ()
            ran = judged(folder, "--environment", "hostile.toml", "--categories", case.category, *alone)
        return Met(ran, frozenset(server.tokens), server.url)


def answering(act: does.Say) -> Act:
    return does.conversation(act)


_LONG = """
[prompts.two_tools]
ask = "Two, please."
tools = ["calculator", "calculator"]
[prompts.long_running]
ask = "Take long, please."
tools = ["calculator"]
"""
_NO_END = {"LIFECYCLE-2": "2 events and no end"}

AT_THE_HEALTH_CHECK = [
    Case("health_html", 2, health=does.page("200 OK"), says="expected HTTP 200 with a JSON object"),
    Case("health_500", 2, health=does.page("500 Internal Server Error"), says="but HTTP 500 with"),
    Case("health_unhealthy", 2, health=does.health("503 Service Unavailable", status="unhealthy"),
         says="expected status 'healthy', but 'unhealthy' came (HTTP 503)"),
    Case("health_1x", 2, health=does.health(version="1.9.0"), says="expected version 2.x, but '1.9.0' came"),
    Case("health_hangs", 2, health=does.forever, says="expected an answer within 0.5 s, but none came"),
]  # fmt: skip
AT_THE_DOOR = [
    Case("door_401", 1, does.page("401 Unauthorized"), rules={"CONNECTION-1": "a connection / HTTP 401"}),
    Case("door_403", 1, does.page("403 Forbidden"), rules={"CONNECTION-1": "a connection / HTTP 403"}),
    Case("door_404", 1, does.page("404 Not Found"), rules={"CONNECTION-1": "a connection / HTTP 404"}),
    Case("door_html", 1, does.page("200 OK"), rules={"CONNECTION-1": "a connection / HTTP 200: <html>"}),
    Case("door_redirect", 1, does.page("302 Found", "Location: http://127.0.0.1:9/else\r\n"),
         rules={"CONNECTION-1": "HTTP 302, a redirect to http://127.0.0.1:9/else"}),
    Case("door_never", 1, does.forever, rules={"CONNECTION-1": "no answer to the upgrade in time"}),
    Case("tls_unknown_authority", 3, tls="both", says="expected a certificate that can be trusted"),
    Case("tls_only_ours", 3, tls="client", says="expected TLS, but the handshake failed"),
    Case("tls_only_theirs", 2, tls="server", says="expected an HTTP answer, but the server hung up"),
    Case("never_ready", 1, does.never_ready, rules={"CONNECTION-1": "the backend reports that it is ready / nothing"}),
    Case("closes_1011_at_once", 1, does.closing_at_once(1011, "sorry"),
         rules={"CONNECTION-1": "a close with 1011 before anything was sent"}),
    Case("closes_4401_at_once", 1, does.closing_at_once(4401, "go \x1baway"),
         says="Ada's connection was closed by the backend with 4401 (go \\x1baway)"),
]  # fmt: skip
IN_THE_FRAMES = [
    Case("huge_frame", 1, answering(does.huge_frame), peak_mb=200,
         rules={"CONTENT-2": "a message too large: frame with 104857600 bytes exceeds limit of 1048576", **_NO_END}),
    Case("endless_fragments", 1, answering(does.endless_fragments), peak_mb=200,
         rules={"CONTENT-2": "exceeds limit of 1048576 bytes (ended with 1009)", **_NO_END}),
    Case("bad_opcode", 1, answering(does.bad_opcode), rules={"CONTENT-2": "invalid opcode (ended with 1002)"}),
    Case("binary", 1, answering(does.binary), rules={"CONTENT-2": "a text frame / a binary frame"}),
    Case("half_json", 1, answering(does.inserting('{"type": "agent_thi')),
         rules={"CONTENT-2": "a whole JSON value / Unterminated string"}),
    Case("not_utf8", 1, answering(does.inserting(b'{"type": "agent\xff\xfe"}')),
         rules={"CONTENT-2": "UTF-8 / byte 0xff at 15"}),
    Case("nan", 1, answering(does.inserting('{"type": "pong", "nonce": NaN}')),
         rules={"CONTENT-2": "numbers that JSON knows / NaN"}),
    Case("deep_lists", 1, answering(does.inserting("[" * 100_000 + "]" * 100_000)),
         rules={"CONTENT-2": "JSON of sensible depth"}),
    Case("deep_objects", 1, answering(does.inserting('{"a":' * 50_000 + "1" + "}" * 50_000)),
         rules={"CONTENT-2": "JSON of sensible depth"}),
    Case("escapes", 1, answering(does.escapes),
         rules={"CONTENT-2": "half of a surrogate pair", "CONTENT-4": "\\x1b[31mred"}),
    Case("path_tricks", 1, answering(does.path_tricks), rules={"CONTENT-4": "an answer with '391' / '../../etc"}),
    Case("flood", 1, answering(does.flood), peak_mb=300,
         rules={"CONTENT-2": "more than 20000 events in one answer", "LIFECYCLE-2": "20,001 events and no end"}),
    Case("token_echoed", 1, answering(does.echo_of_the_token), rules={"CONTENT-5": "a token at byte"}),
]  # fmt: skip
_HEAD = b"HTTP/1.1 401 No\r\nContent-Type: text/html\r\n"
_TOO_LARGE = "messages that a client can read / a message too large: "
_NO_HTTP = {"CONNECTION-1": "a connection / no HTTP answer to the upgrade ("}
_FRAMES = "messages that a client can read / more than {} frames on one connection"
_MANY_FRAMES = {"CONTENT-2": _FRAMES.format(50_000)}
_FEW_FRAMES = {"CONTENT-2": _FRAMES.format(5_000)}
_FEW = "[limits]\nmax_connection_frames = 5000\n"
_LONG_NUMBER = {"CONTENT-2": "numbers of sensible length / a number of 5000 digits"}
IN_EXCESS = [
    Case("bomb", 1, excess.bomb, peak_mb=200, rules={"CONTENT-2": f"{_TOO_LARGE}frame exceeds limit of 1048576"}),
    Case("bomb_in_fragments", 1, excess.bomb_in_fragments, peak_mb=200, rules={"CONTENT-2": f"{_TOO_LARGE}frame"}),
    # What came is also drawn into the page of the session, by the same process.
    Case("small_bombs", 1, excess.small_bombs,
         rules={"CONTENT-2": "messages that a client can read / more than 33554432 bytes on one connection"}),
    Case("no_deflate", 1, excess.no_deflate, rules={"CONTENT-2": "decompression failed (ended with 1002)"}),
    Case("frame_without_end", 1, answering(excess.frame_without_end), peak_mb=200,
         rules={"LIFECYCLE-2": "one end / nothing for "}),
    Case("frame_of_exabytes", 1, answering(excess.frame_of_exabytes), peak_mb=200,
         rules={"CONTENT-2": f"{_TOO_LARGE}frame with 4611686018427387904 bytes", **_NO_END}),
    Case("empty_fragments", 1, answering(excess.empty_fragments), peak_mb=200, rules=_FEW_FRAMES, more=_FEW),
    Case("pings", 1, answering(excess.pings), peak_mb=200, rules=_FEW_FRAMES, more=_FEW),
    Case("many_pings", 1, answering(excess.pings), peak_mb=200, rules=_MANY_FRAMES),
    Case("unknown_frames", 1, answering(excess.unknown_frames), peak_mb=200, rules=_MANY_FRAMES),
    Case("long_answer", 1, answering(excess.long_answer), peak_mb=250,
         rules={"CONTENT-2": "more than 16777216 bytes in one answer"}),
    Case("endless_headers", 1, excess.endless_answer(_HEAD, b"X-More: of it\r\n" * 1000), peak_mb=200,
         rules={"CONNECTION-1": "no HTTP answer to the upgrade (expected no more than 128 headers)"}),
    Case("endless_header", 1, excess.endless_answer(_HEAD + b"X-More: ", b"of it" * 1000), peak_mb=200, rules=_NO_HTTP),
    Case("endless_status", 1, excess.endless_answer(b"HTTP/1.1 200 ", b"of it" * 1000), peak_mb=200,
         rules={"CONNECTION-1": "bytes, expected no more than 8192 bytes"}),
    Case("endless_body", 1, excess.endless_answer(_HEAD + b"\r\n", b"of it" * 10_000), peak_mb=200,
         rules={"CONNECTION-1": "a connection / HTTP 401: of itof it"}),
    Case("endless_chunks", 1, excess.endless_answer(
        _HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nof it\r\n" * 1000), peak_mb=200, rules=_NO_HTTP),
    Case("dripping_answer", 1, excess.dripping_answer, rules={"CONNECTION-1": "no answer to the upgrade in time"}),
    Case("seq_1e400", 1, answering(excess.number("seq", "1e400")), rules={"CONTENT-1": "with seq as int / inf"}),
    Case("seq_of_5000_digits", 1, answering(excess.number("seq", "9" * 5000)), rules=_LONG_NUMBER),
    Case("stamp_1e400", 1, answering(excess.number("timestamp", "1e400")),
         rules={"CONTENT-1": "a timestamp (ISO 8601 or epoch) / inf"}),
    Case("stamp_of_5000_digits", 1, answering(excess.number("timestamp", "9" * 5000)), rules=_LONG_NUMBER),
    Case("run_of_5000_digits", 1, answering(excess.number("run_id", "9" * 5000)), rules=_LONG_NUMBER),
]  # fmt: skip
PROTOTYPES = Case("prototype_keys", 0, answering(excess.prototype_keys), more=REASONS)
IN_THE_CONVERSATION = [
    Case("silent", 1, answering(does.saying_nothing), rules={"TIMELINESS-1": " s / none"}),
    Case("drops_the_line", 1, answering(does.hanging_up),
         rules={"CONNECTION-3": "a close frame before the connection ends / none", **_NO_END}),
    Case("closes_4400", 1, answering(does.ending(4400, "enough")), rules=_NO_END),
    Case("closes_1005", 1, answering(does.ending(1005)), rules={"CONNECTION-3": "1005", **_NO_END}),
    Case("closes_2000", 1, answering(does.ending(2000)), rules={"CONNECTION-3": "2000 (not assigned)", **_NO_END}),
    Case("closes_without_code", 1, answering(does.ending(None)), rules={"CONNECTION-3": "1005 (a close without a"}),
    Case("never_answers_pings", 1, does.conversation(does.rightly, pongs=False), more=_LONG,
         category="integration", fail_fast=False, rules={"CONNECTION-2": "an answer to the ping / nothing within"}),
]  # fmt: skip


def _by_http(name: str, act: does.Say, rules: dict[str, str], *, code: int = 1, tls: str = "", more: str = "") -> Case:
    profile = "agent-events-sse"
    return Case(f"http_{name}", code, by_http.chat(act), rules=rules, tls=tls, more=more, profile=profile)


def _by_http2(
    name: str, act: does.Say, rules: dict[str, str], *, code: int = 1, more: str = "", window: int | None = None
) -> Case:  # fmt: skip
    settings = {} if window is None else {SettingCodes.INITIAL_WINDOW_SIZE: window}
    return Case(
        f"http2_{name}", code, http2.chat(act, settings), rules=rules, more=more, profile="agent-events-sse",
        http_version="2",
    )  # fmt: skip


RIGHT_BY_HTTP2 = _by_http2("right", http2.rightly, {}, code=0, more=REASONS)
BY_HTTP2 = [
    _by_http2(
        "continuation_flood", http2.continuation_flood, {"CONNECTION-3": "no HTTP/2: Too many continuation frames"}
    ),
    _by_http2("header_bomb", http2.header_bomb, {"CONNECTION-3": "no HTTP/2: "}),
    _by_http2("reset_before_head", http2.reset_before_head, {"CONNECTION-1": "was reset in place of an answer"}),
    _by_http2(
        "reset_within",
        http2.reset_within,
        {"CONNECTION-3": "its stream was reset (INTERNAL_ERROR)", "LIFECYCLE-2": ""},
    ),
    _by_http2("going_away", http2.going_away, {"CONNECTION-3": "GOAWAY with ENHANCE_YOUR_CALM: calm down"}),
    _by_http2("garbage", http2.garbage, {"CONNECTION-3": "no HTTP/2: "}),
    _by_http2("window_never_opened", http2.silent, {"TIMELINESS-1": " s / none"}, window=0),
    _by_http2("hundred_megabytes", http2.hundred_megabytes, {"CONTENT-2": "a line of more than 1048576 bytes"}),
]

RIGHT_BY_HTTP = _by_http("right", by_http.rightly, {}, code=0, more=REASONS)
BY_HTTP = [
    _by_http("page", by_http.page, {"CONNECTION-1": "HTTP 200 with text/html in place of text/event-stream"}),
    _by_http("login_page", by_http.login_page, {"CONNECTION-1": "HTTP 302, a redirect to http://127.0.0.1:9/login"}),
    _by_http(
        "gzip_without_flush",
        by_http.gzip_without_flush,
        {"CONNECTION-1": "content-encoding gzip, though identity was asked for"},
    ),
    _by_http("broken_chunks", by_http.broken_chunks, {"CONNECTION-3": "Invalid character in chunk size"}),
    _by_http("length_too_short", by_http.length_too_short, {"LIFECYCLE-2": "no event of it"}),
    _by_http("header_bomb", by_http.header_bomb, {"CONNECTION-3": "a head of more than 65536 bytes"}),
    _by_http(
        "line_without_end",
        by_http.line_without_end,
        {"CONTENT-2": "a line of more than 1048576 bytes in the event stream"},
    ),
    _by_http(
        "never_ending", by_http.never_ending, {"CONNECTION-3": "a stream that ends with its run / still open after"}
    ),
    _by_http("not_utf8", by_http.not_utf8, {"CONTENT-2": "UTF-8 / byte 0xff at 10"}),
    _by_http("without_head", by_http.without_head, {"CONNECTION-3": "HTTP"}),
    _by_http("cut_within_tls", by_http.cut, _NO_END, tls="both", more='[tls]\nca_file = "ca.pem"\n'),
    _by_http("silent", by_http.silent, {"TIMELINESS-1": " s / none"}),
]
