"""REFUSAL: what has to be refused is refused, and in a way that the profile lists or that says what was wrong.

The ways of a profile are a status, a close code, an error, or a new and empty thread.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from greenlight_gate.events import Control, Event, EventKind, Ignored, Reading
from greenlight_gate.rules.content import shown
from greenlight_gate.rules.engine.asked_input import Intruder
from greenlight_gate.rules.engine.disturbed_answers import TIMES, DisturbedAnswers
from greenlight_gate.rules.engine.finding_sink import Report
from greenlight_gate.rules.engine.run_state import Request, RunState
from greenlight_gate.trace import SUCCESS
from greenlight_gate.wire.refusals import RefusalKinds
from greenlight_gate.wire.values import read_stamp

# Tokens end at whole seconds, and a backend may round down.
_ROUNDING_S = 1.0
_MOST_ATTEMPTS = 64
_BEFORE_ENTRY = ("handshake", "keepalive")
_MOST_INVALID = 64
_REFUSED = range(400, 500)
_UNAVAILABLE = 503
_FAILED = range(500, 600)
_INTERNAL_ERROR = "-32603"  # of JSON-RPC
_REFUSING = frozenset({1002, 1003, 1007, 1008, 1009})
_TRY_AGAIN_LATER = 1013


def _says_no(code: int | None) -> bool:
    """Whether a close code says that the server refuses: one of RFC 6455, or of the server's own."""
    return code is not None and (code in _REFUSING or code >= 4000)


class SignInAttempt:
    """REFUSAL-1: one connection that has to be refused. Nothing else is judged on it.

    `unwelcome`: what is wrong with its token. `reported` is set with the one finding that it can give.
    """

    def __init__(self, unwelcome: str, n: int, ways: RefusalKinds, report: Report) -> None:
        self.unwelcome = unwelcome
        self.n = n
        self.ways = ways
        self.report = report
        self.refused = False
        self.reported = False

    def received(self, reading: Reading, n: int) -> None:
        """Something came: an error that the profile lists is a refusal.

        A step of the handshake, or what the profile ignores, is neither a refusal nor access.
        """
        if isinstance(reading, Ignored) or (isinstance(reading, Control) and reading.name in _BEFORE_ENTRY):
            return
        if isinstance(reading, Control) and reading.name == "error" and self.ways.has_answer(reading.values):
            self.refused = True
        elif not self.refused:
            said = "something unreadable"
            if isinstance(reading, Control):
                code = reading.values.get("code")
                said = f"error {code}" if reading.name == "error" else reading.name
            elif isinstance(reading, Event):
                said = reading.kind
            self._not_refused(f"accepted with {self.unwelcome}, and sent {said}", n)

    def answered(self, status: int | None, reason: str, n: int, *, unanswered: bool = False) -> None:
        """The upgrade was not accepted; `unanswered`: it was waited for in vain."""
        if not self.ways.has_status(status):
            self._not_refused(f"{reason or f'HTTP {status}'} for {self.unwelcome}", n, late=unanswered)

    def closed(self, code: int | None, came: str, n: int) -> None:
        """The connection was accepted, and the backend has ended it."""
        if not self.refused and not self.ways.has_close(code):
            self._not_refused(f"{came} for {self.unwelcome}", n)

    def waited(self, after_s: float, n: int) -> None:
        """The connection was not refused in time."""
        self._not_refused(f"accepted with {self.unwelcome}, and not refused within {after_s:.1f} s", n)

    def _not_refused(self, came: str, n: int, *, late: bool = False) -> None:
        if not self.reported:
            self.reported = True
            self.report("REFUSAL-1", str(self.ways), came, self.n, n, late=late)


class ForeignAttempt(NamedTuple):
    """One request for what belongs to another user. `what` names it in reports; `thread` is its thread, if known.

    `claims`: the user id of another user that the request names as the sender. `by_opening`: the connection itself
    names what is another user's, so that one which shows nothing of it is a fresh one. `by_event_id`: by the id of an
    event, which says nothing of a conversation, so that any error of the client's and the lack of a stream will do.
    `behind`: the request of its owner that is answered there, so that any error or close that says no will do: a server
    may say that it is busy before it looks whose the conversation is.
    """

    n: int
    owner: str
    what: str
    thread: str | None
    request: str | None
    claims: str | None = None
    by_opening: bool = False
    by_event_id: bool = False
    behind: str = ""

    def may_get(self, status: int) -> bool:
        """Whether the server may say with this HTTP status that it is busy."""
        return bool(self.behind) and (status in _REFUSED or status == _UNAVAILABLE)

    def may_say(self, error: Mapping[str, Any]) -> bool:
        """Whether the server may say with this error that it is busy, and not that it has failed."""
        code = str(error.get("code"))
        failed = code == _INTERNAL_ERROR or (code.isdecimal() and int(code) in _FAILED and int(code) != _UNAVAILABLE)
        return not failed and self.may_get(error.get("status", _REFUSED[0]))

    def may_end(self, code: int | None) -> bool:
        """Whether the server may say with this close code that it is busy."""
        return bool(self.behind) and (_says_no(code) or code == _TRY_AGAIN_LATER)


class ForeignAttempts:
    """REFUSAL-2: the requests on one connection for what belongs to other users."""

    def __init__(self, user: str, ways: RefusalKinds, report: Report) -> None:
        self.user = user
        self.ways = ways
        self.report = report
        self._open: list[ForeignAttempt] = []
        self._threads: dict[str, ForeignAttempt] = {}
        # Not a set of its own: an empty one takes 216 bytes, for each of ten thousand users.
        self._reported: tuple[int, ...] = ()

    def tried(self, attempt: ForeignAttempt) -> None:
        """A frame was sent that has to be refused, or a connection was opened that has to be."""
        self._open = [open_one for open_one in self._open if not open_one.by_opening]
        self._open.append(attempt)
        del self._open[:-_MOST_ATTEMPTS]
        if attempt.thread is not None and len(self._threads) < _MOST_ATTEMPTS:
            self._threads[attempt.thread] = attempt

    def took(self, error: Control, n: int) -> bool:
        """Whether an error is the answer to an attempt: by its request, else to the oldest."""
        request = error.values.get("request")
        attempt = next((a for a in self._open if request is not None and a.request == str(request)), None)
        if attempt is None and request is None and self._open:
            attempt = self._open[0]
        if attempt is None:
            return False
        self._open.remove(attempt)
        if not (attempt.by_event_id or attempt.may_say(error.values) or self.ways.has_answer(error.values)):
            self._object(attempt, f"error {error.values.get('code')}", n)
        return True

    def refused(self, status: int, reason: str, n: int) -> bool:
        """Whether the response to the upgrade, or to a request before it, is the answer to an attempt.

        Where the profile lists no status, each that refuses the client will do.
        """
        if not self._open:
            return False
        attempt = self._open.pop(0)
        listed = self.ways.has_status(status) if self.ways.status else status in _REFUSED
        brings_nothing = attempt.by_event_id and (status in _REFUSED or status in SUCCESS)
        if not (listed or brings_nothing or attempt.may_get(status)):
            self._object(attempt, reason or f"HTTP {status}", n)
        return True

    def responded(self, to: int, status: int, n: int, *, decides: bool) -> bool:
        """Whether an HTTP response is to the attempt in record `to`; `decides`: no event has to follow a success."""
        attempt = next((attempt for attempt in self._open if attempt.n == to), None)
        if attempt is None:
            return False
        listed = self.ways.has_status(status) if self.ways.status else status in _REFUSED
        if listed or self.ways.has_error(str(status)) or attempt.may_get(status):
            self._open.remove(attempt)
        elif decides or status not in SUCCESS:
            self._open.remove(attempt)
            if not (self.ways.ignored and status in SUCCESS):
                self._object(attempt, f"HTTP {status}", n)
        return True

    def served(self, ask: Request, event: Event, n: int) -> None:
        """A run of an attempt has begun: it may only be the user's own, and in a thread of theirs."""
        attempt = next((attempt for attempt in self._open if attempt.n == ask.n), None)
        if attempt is None:
            return
        self._open.remove(attempt)
        if attempt.claims is not None:
            if event.user == attempt.claims:
                self._object(attempt, f"{event.kind} as user {event.user}", n)
        elif attempt.thread is not None and event.thread == attempt.thread:
            self._object(attempt, f"{event.kind} in it", n)
        elif not self.ways.fresh:
            self._object(attempt, f"{event.kind} in a new thread", n)

    def shown(self, event: Event, n: int) -> None:
        """An event came that is not this user's: it may be of a thread that they have asked for."""
        attempt = self._threads.get(event.thread or "")
        if attempt is not None:
            self._object(attempt, f"{event.kind} of it", n)

    def restored(self, control: Control, n: int) -> None:
        """The backend reports that a thread was restored: an empty one may take the place of another user's."""
        thread = control.values.get("thread")
        attempt = next((a for a in self._open if a.request is None and thread in (None, a.thread)), None)
        if attempt is not None:
            self._open.remove(attempt)
            if not self.ways.fresh or control.values.get("replayed") not in (None, 0):
                self._object(attempt, "restored", n)

    def waited(self, after_s: float, instead: str, n: int) -> bool:
        """Whether the wait was for the refusal of an attempt; no reaction is none, unless the profile says so.

        `instead`: the last frame of another user that came meanwhile, in words; "" if none did.
        """
        if not self._open:
            return False
        attempt = self._open.pop(0)
        if instead:
            self._object(attempt, f"no refusal within {after_s:.1f} s, but {instead}", n)
        elif not (self.ways.ignored or attempt.by_opening):
            self._object(attempt, f"nothing within {after_s:.1f} s", n, late=True)
        return True

    def closed(self, code: int | None, came: str, n: int, *, by: str = "server") -> None:
        """The backend ended the connection: in place of the refusals that were still to come."""
        for attempt in self._open:
            on_opening = attempt.by_opening and not self.ways.close and _says_no(code)
            in_order = attempt.by_event_id and by == "server" and code is None
            if not (self.ways.has_close(code) or on_opening or in_order or attempt.may_end(code)):
                self._object(attempt, came, n)
        self._open.clear()

    def _object(self, attempt: ForeignAttempt, came: str, n: int, *, late: bool = False) -> None:
        if attempt.n not in self._reported:
            self._reported += (attempt.n,)
            expected = f"{self.user} to be refused {attempt.what} of {attempt.owner} ({self.ways})"
            if attempt.claims is not None:
                expected = f"{self.user} not to be served as {attempt.owner}, whose user id the request names"
            self.report("REFUSAL-2", expected, came, attempt.n, n, about=attempt.owner, late=late)


def on_foreign_stop(run: RunState, n: int, report: Report) -> None:
    """REFUSAL-2: a run did not complete, and another user had asked for it to be stopped.

    REFUSAL-1: it was stopped, and that was asked for without a valid token.
    """
    intruder = run.intruder
    if intruder is None:
        return
    expected, late = f"only {run.user} to be able to stop this run", run.ended_by is None
    if not intruder.unwelcome:
        came = f"{run.ended_by or 'silence'} after a stop request of {intruder.user}"
        report("REFUSAL-2", expected, came, intruder.n, n, run=run, about=intruder.user, late=late)
    elif run.ended_by is EventKind.STOPPED:
        came = f"agent_stopped after a stop request with {intruder.unwelcome}"
        report("REFUSAL-1", expected, came, intruder.n, n, run=run)


def on_unwelcome_request(run: RunState, ask: Request, event: Event, n: int, report: Report) -> None:
    """REFUSAL-1: a request is answered that was sent without a valid token."""
    report("REFUSAL-1", "no run", f"{event.kind} after a request with {ask.unwelcome}", ask.n, n, run=run)


def on_foreign_answer(run: RunState, intruder: Intruder, came: str, n: int, report: Report) -> None:
    """REFUSAL-2: a run goes on because another user has answered what was asked of its own.

    REFUSAL-1: because it was answered without a valid token.
    """
    expected = f"only {run.user} to be able to answer what this run asks"
    if intruder.unwelcome:
        report("REFUSAL-1", expected, f"{came} after an answer with {intruder.unwelcome}", intruder.n, n, run=run)
        return
    came = f"{came} after an answer of {intruder.user}"
    report("REFUSAL-2", expected, came, intruder.n, n, run=run, about=intruder.user)


def on_disturbed_answer(run: RunState, answer: str, n: int, disturbed: DisturbedAnswers, report: Report) -> None:
    """REFUSAL-2: an answer is another one whenever another user reaches for its conversation, and never else."""
    ask, expect = run.ask, run.expect
    if ask is None or expect is None:
        return
    changed = disturbed.answered(run.user, expect.prompt, ask.request, answer)
    if changed is not None:
        intruder = changed.intruder
        expected = f"{shown(changed.usual)}, as {run.user} receives {TIMES} times in a row when nobody else asks there"
        came = f"{shown(answer)}, and another answer than that {TIMES} times in a row when {intruder.user} does"
        report("REFUSAL-2", expected, came, intruder.n, n, run=run, about=intruder.user)


class TokenExpiry:
    """REFUSAL-3: a connection whose token expires at a known time.

    `leeway_s`: for how long it is accepted after that. It expires by the backend's clock: where the backend reports its
    time when it is ready, the two are compared. `may_finish`: whether an event is of a run that is promised to finish.
    """

    def __init__(
        self, user: str, expires_at: float, n: int, *, leeway_s: float, epoch_s: float, ways: RefusalKinds,
        report: Report, may_finish: Callable[[Event], bool] = lambda event: False,
    ) -> None:  # fmt: skip
        self.user = user
        self.expires_at = expires_at
        self.expires_late_at = expires_at
        self.leeway_s = leeway_s
        self.epoch_s = epoch_s
        self.n = n
        self.ways = ways
        self.report = report
        self.may_finish = may_finish
        self.over = False

    def received(self, reading: Reading, at: float, n: int) -> None:
        """Something came: after the expiry it may only be the error that says so."""
        if isinstance(reading, Control) and reading.name == "error" and self._is_time(at):
            self.over = self.over or self.ways.has_answer(reading.values)
        elif isinstance(reading, Control) and reading.name == "ready":
            self._set_clock(reading.values.get("server_time"), at)
        elif (
            isinstance(reading, Event)
            and at > max(self.expires_at, self.expires_late_at) + self.leeway_s
            and not self.may_finish(reading)
        ):
            self._object(f"{reading.kind} {at - self.expires_at:.1f} s after it", n)

    def closed(self, code: int | None, came: str, at: float, n: int, *, in_order: bool = False) -> bool:
        """Whether the connection ended because its token has expired: then nothing more is owed to the user.

        A channel that ends (`in_order`) has no code: where a status refuses, that is for the next request.
        """
        if not self._is_time(at):
            return False
        by_status = in_order and bool(self.ways.status)
        if not self.over and not by_status and not self.ways.has_close(code):
            self._object(came, n)
        return True

    def stalled(self, at: float, for_s: float) -> None:
        """The suite stood still for so long until `at`: what was sent before the expiry may come only now."""
        if at - for_s < self.expires_at + self.leeway_s:
            self.expires_late_at = max(self.expires_at, at)

    def waited(self, after_s: float, n: int) -> None:
        """The token has expired, and nothing happened."""
        self._object(f"still connected {after_s:.1f} s after it", n)

    def _set_clock(self, stamp: object, at: float) -> None:
        server_s, _ = read_stamp(stamp)
        if server_s is not None:
            self.expires_at += self.epoch_s + at - server_s

    def _is_time(self, at: float) -> bool:
        return at >= self.expires_at - _ROUNDING_S

    def _object(self, came: str, n: int) -> None:
        self.report("REFUSAL-3", f"{self.user} disconnected when the token expires ({self.ways})", came, self.n, n)


class InvalidInputs:
    """REFUSAL-4: malformed or unknown input that was sent on one connection, and is to be answered with an error.

    It observes the events of the connection once something was sent.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        # A list: an empty deque takes 700 bytes, for each of ten thousand users.
        self._sent: list[int] = []
        self._instead: str | None = None
        self.any_sent = False
        # The failure of a run that began in spite of it, as an error.
        self.failure: Control | None = None

    def sent(self, n: int) -> None:
        """Something was sent that must be refused."""
        self.any_sent, self.failure = True, None
        self._sent.append(n)
        del self._sent[:-_MOST_INVALID]
        self._instead = None

    def unreadable(self, reason: str) -> None:
        """A frame came that cannot be read."""
        self._instead = reason

    def ran(self, event: Event) -> None:
        """A run of it has begun."""
        self._instead = self._instead or event.kind

    def on_event(self, run: RunState, event: Event, at: float) -> None:
        """An event came: of a run of it, a failure says what was wrong as an error does."""
        if event.kind is EventKind.FAILED and run.ask is not None and run.ask.invalid:
            self.failure = Control("error", {"text": event.text})
            self.took(self.failure, run.ask.n)

    def on_more(self, run: RunState, at: float) -> None:
        """It counts for nothing."""

    def on_settled(self, outcome: object) -> None:
        """The error has said what there is to say."""

    def took(self, error: Control, n: int) -> bool:
        """Whether an error is the answer to what had to be refused; a finding if it does not say what was wrong."""
        if not self._sent:
            return False
        sent, self._instead = self._sent.pop(0), None
        said = (error.values.get("text"), error.values.get("code"))
        if not any(str(value).strip() for value in said if value is not None):
            self.report("REFUSAL-4", "an error that says what is wrong", "an error without text or code", sent, n)
        return True

    def waited(self, after_s: float, n: int) -> None:
        """The user waited in vain for the refusal."""
        came = f"{self._instead} instead" if self._instead else f"nothing within {after_s:.1f} s"
        self.report("REFUSAL-4", "a clear error", came, *self._sent, n, late=self._instead is None)
        self._sent.clear()

    def closed(self, code: int | None, came: str, n: int) -> None:
        """The backend ended the connection: a refusal only with a code that says so."""
        if self._sent and not _says_no(code):
            self.report("REFUSAL-4", "a clear error", came, *self._sent, n)
        self._sent.clear()
