"""A connection of a scenario: what only its users do, and what they try that the backend has to refuse or withstand."""

import asyncio
import contextlib
import math
import ssl
import time
from collections.abc import Mapping
from typing import Any

from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.request import PastRequest, UserRequest, resuming
from greenlight_gate.client.session import Session
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.redactor import proves_identity
from greenlight_gate.trace import ASKS, SUCCESS, Closed, Expect, Sent
from greenlight_gate.transport.connection_setup import NOTHING_NAMED, ConnectionSetup, Kept, Naming, new_request
from greenlight_gate.transport.cookies import CookieJar
from greenlight_gate.transport.interface import ConnectionEnded
from greenlight_gate.wire.http_call import call_in
from greenlight_gate.wire.templates import fill

_PINGS_AT_ONCE = 8
_LATE_HEARTBEAT_S = 0.5
_IDS = frozenset({"request", "run", "thread"})
_SAME_ID = {"request_number": "request"}


class ScenarioSession(Session):
    """One connection of a user, who may reach for what is another user's, outlast a token, or flood the backend."""

    @property
    def was_refused_by_close(self) -> bool:
        """Whether the server has closed the connection after an attempt to reach what is another user's.

        The rules judge whether that was a refusal.
        """
        ours = (entry.record for entry in reversed(self.recorder.entries) if entry.record.connection == self.connection)
        ended = next(ours, None)
        sent = next((record for record in ours if isinstance(record, Sent)), None)
        by_close = isinstance(ended, Closed) and ended.by == "server" and ended.code is not None
        return by_close and sent is not None and bool(sent.foreign)

    def names_sent(self, what: str, theirs: Mapping[str, Any]) -> set[str]:
        """Which of a user's ids and captured values a message has a place for, from any user."""
        sent = self.profile.spec.places_in(what) if self.profile.can_send(what) else set()
        names = {_SAME_ID.get(name, name) for name in sent}
        return {name for name in names if name in theirs or name in _IDS}

    def places_for(self, what: str, theirs: Mapping[str, Any]) -> set[str]:
        """Which of another user's ids and captured values a message from here has a place for."""
        used, own = self.names_sent(what, theirs), self.values
        captured = {name for name in theirs.keys() - _IDS if theirs[name] != own.get(name)}
        # The id of a request that begins is the sender's to choose.
        ids = _IDS | {"input", "call"} if what == "respond" else _IDS
        return used & (captured | (ids - {"request"} if what == "start" else ids))

    def foreign_naming(
        self, owner: str, theirs: Mapping[str, Any], own: Mapping[str, Any], *, last_seq: int | None = None
    ) -> Naming | None:  # fmt: skip
        """What a connection would name of another user (`owner`) when it is opened; None where that has no place.

        `own`: the values of the user who opens it. `last_seq`: from where the owner's conversation is to be resumed.
        """
        spec, resumes = self.profile.spec, last_seq is not None
        used = spec.named_at_opening(resumes=resumes)
        names = used & (spec.kept_names | ({"thread", "run"} if resumes else frozenset()))
        named = {
            name: theirs[name] for name in names
            if theirs.get(name) not in (None, own.get(name)) and not proves_identity(name)
        }  # fmt: skip
        if not named:
            return None
        if resumes:
            # From its beginning, or from that number, and not from where its owner is.
            usual = {"thread": theirs["thread"], "run": theirs["run"], "last_event_id": None}
            named = {**usual, **named, "last_seq": last_seq}
        return Naming(named, theirs["thread"], last_seq, resumes=resumes, foreign=owner)

    async def open_foreign(
        self, token: Token, tls: ssl.SSLContext | None, naming: Naming, start: Mapping[str, Any] | None, *,
        behind: UserRequest | None = None,
    ) -> None:  # fmt: skip
        """Opens a connection that names what is another user's, and waits for the refusal.

        `start`: the values of a request that is sent on it if it is accepted; None: nothing is sent. `behind`: a
        request of the owner's whose answer the backend may end first.
        """
        naming = naming._replace(behind=behind.request) if behind is not None else naming
        records = len(self.recorder.entries)
        try:
            await self.connect(token, tls, naming=naming)
            if start is not None:
                await self.send_foreign("start", naming.foreign, start, behind=behind)
            else:
                await self._wait_refused(lambda: self._answered(0, "error") or self.inbox.was_shown_an_event(records))
        except NotConnected:
            return  # as expected; the rules judge how the refusal was done

    async def send_foreign(
        self, what: str, owner: str, values: Mapping[str, Any], *, behind: UserRequest | None = None
    ) -> None:  # fmt: skip
        """Sends a message with ids and captured values of another user (`owner`), and waits for the refusal.

        `behind`: a request of the owner's whose answer the backend may end first.
        """
        inbox = self.inbox
        controls, records = len(inbox.controls), len(self.recorder.entries)
        template = self.template(what)
        own, named = self.values, self.profile.spec.places_in(what)
        named_request = bool(named & {"request", "request_number"})
        request = new_request(self.profile.spec) if what == "start" else values["request"] if named_request else None
        kept = {
            "thread": values["thread"] if what != "stop" or "thread" in named else None,
            "run": values["run"] if what in ("stop", "respond") or "run" in named else None,
            "last_seq": values.get("last_seq"), "input": values.get("input"),
            "approves": what == "respond", "behind": behind.request if behind is not None else "",
        }  # fmt: skip
        filled = {**own, **values, "request": request}
        sent_at = time.monotonic()
        status = await self.send(template, filled, to=what, what=what, request=request, foreign=owner, **kept)
        if status is not None and (status not in SUCCESS or what not in ASKS):
            return  # the response has decided it
        await self._wait_refused(
            lambda: len(inbox.controls) > controls or inbox.was_shown_an_event(records), request, behind
        )  # fmt: skip
        if what == "start" and request is not None:
            over_at = time.monotonic() if await self._has_ended(request) else math.inf
            left_at = math.inf
            self.recorder.attempts.append(PastRequest(str(values["prompt"]), self.persona, sent_at, over_at, left_at))

    async def _has_ended(self, request: str) -> bool:
        """Waits until the run of a request that should have been refused has ended, or sends nothing more.

        Beside it, it might not be known which of two messages an event answers. Returns whether nothing is in progress.
        """
        ask = self.recorder.checker.connections[self.connection].requests.by_request.get(request)
        records = -1
        while ask is not None and ask.run is not None and len(self.recorder.entries) > records:
            records = len(self.recorder.entries)
            if await self._until(lambda: ask.over, self.budgets.silence_s):
                return True
        return ask is None or ask.run is None

    def shows_token(self, what: str) -> bool:
        """Whether a message that is an HTTP request of its own carries anything that says whose it is."""
        assert self.setup is not None, "the user is connected"
        token, names = self.setup.token, self.profile.spec.places_in(what)
        in_query = self.by_http and bool(token.query)
        return in_query or bool(token.headers or self.jar.header() or [*filter(proves_identity, names)])

    async def ask_unwelcome(self, question: UserRequest, token: Token, unwelcome: str, text: str) -> None:
        """Sends a request as `send_unwelcome`, in the conversation of another one, and waits for what comes of it."""
        request, records = new_request(self.profile.spec), len(self.recorder.entries)
        ids = {"run": None, "request": request, "thread": question.thread}
        values = {**ids, "prompt": text}
        if await self.send_unwelcome("start", question, token, unwelcome, values, **ids) in SUCCESS:
            # It may take effect a little later.
            await self._until(lambda: self.inbox.was_shown_an_event(records), self.budgets.refusal_s)
        await self._has_ended(request)

    async def send_unwelcome(
        self, what: str, question: UserRequest, token: Token, unwelcome: str, values: Mapping[str, Any], **kept: Any
    ) -> int:
        """Sends a message about a run, an HTTP request of its own, with another token and without the user's cookies.

        `unwelcome`: what is wrong with the token. `values`: what names the run; captured credentials do not. Returns
        the status of the response, 0 without one. Raises NotConnected if the message needs a value that is not there.
        """
        spec, own = self.profile.spec, self.values
        setup = ConnectionSetup(self.target, self.profile, self.played_by, token, Kept(), jar=CookieJar())
        given = {name: own[name] for name in spec.endpoints if name in own}
        known = setup.values.over({**self.names_of(question), **given, **values})
        template = self.template(what)
        request = call_in(template)
        try:
            for name in spec.places_in(what):
                _ = known[name]
            if request is not None:
                text, asking = setup.shown(request, known), setup.act(request, known)
            else:
                body, messages = self.profile.wire(template, known)
                post = setup.post(what, known, "")
                text, asking = f"{post.method} {post.path} {body}", setup.send_alone(post, messages[0])
        except KeyError as error:
            raise NotConnected(
                f"{self.user}'s request needs {error}, which is a credential or not known", ""
            ) from error
        sent = self.recorder.add(
            Sent, self.connection, what=what, text=self.recorder.clean(text), unwelcome=unwelcome,
            **{"run": question.run, "request": question.request, "thread": question.thread, **kept},
        )  # fmt: skip
        try:
            return await self.answered(sent, asking)
        except NotConnected:
            return 0  # no response is no access either

    async def outlast_token(self, text: str, *, run_until: float = 0.0) -> None:
        """Waits until the token has expired and the connection has ended; if it has not, sends a request on it.

        `run_until`: until when, on the monotonic clock, an answer was in progress that may finish. Where events do not
        say which run they are of, none is sent during an answer: what still comes of that shows the access as well.
        """
        expiry = self.recorder.checker.connections[self.connection].expiry
        assert expiry is not None, "the token of this connection has no known expiry"
        ends_at = max(self.recorder.began + expiry.expires_at, run_until)
        left_s = ends_at + self.budgets.leeway_s - time.monotonic()
        if await self._until(lambda: expiry.over, left_s):
            return
        records = len(self.recorder.entries)
        if self.profile.spec.tells_runs_apart or all(question.over for question in self.inbox.questions):
            await self.ask(text, Expect())

        def reacted() -> bool:
            # By HTTP, only a request can be refused; a channel is open, and has to be ended.
            is_refused = self.profile.spec.connection.has_stream_for_each and expiry.over
            return self.inbox.was_shown_an_event(records) or is_refused

        if not await self._until(reacted, self.budgets.refusal_s):
            self._timed_out("expiry", self.budgets.leeway_s)

    async def flood(self, count: int) -> None:
        """Sends `count` pings of the WebSocket protocol as fast as possible; their answers are not waited for."""
        if self._transport is None or not self.open:
            raise self.not_open()
        self.recorder.add(Sent, self.connection, what="pings", text=f"{count} pings")
        with contextlib.suppress(ConnectionEnded):  # a backend may close the connection because of it
            for number in range(count):
                self._transport.ping()
                await self._transport.drained()
                if number % _PINGS_AT_ONCE == 0:
                    await asyncio.sleep(0)  # so that other connections are read, and stamped, in time

    # What other clients do not ----------------------------------------------------------------------------------

    async def stop_early(self, question: UserRequest) -> None:
        """Tells the backend to stop a run by its request, whatever has been received of it.

        Streams of HTTP/2 are served in any order: a stop that overtakes its request would be one of nothing.
        """
        if self._transport is not None and self._transport.multiplexes:
            await self._until(lambda: question.request in self._begun, self.budgets.handshake_s)
        values = {"request": question.request, "thread": question.thread}
        await self.send(self.template("early_stop"), values, to="early_stop", what="stop", request=question.request)

    def resent(self, question: UserRequest) -> None:
        """Records that a proxy sends a request once more."""
        self.recorder.add(
            Sent, self.connection, what="again", text="by a proxy", request=question.request, thread=question.thread
        )  # fmt: skip

    def missed_heartbeat(self, after_s: float) -> None:
        """Records that the backend has sent nothing for so long, no heartbeat either."""
        self._timed_out("heartbeat", after_s)

    async def respond(self, question: UserRequest, *, approves: bool) -> None:
        """Answers what is asked of the user in the run of a request. Raises NotConnected if nothing is asked."""
        values = self.answer_to(question, approves=approves)
        kept = {"run": question.run, "request": question.request, "thread": question.thread, "input": values["input"]}
        of_run = self._reader.values_of(question.run)
        filled = {**of_run, **values}
        question.answered(time.monotonic())
        await self.send(self.template("respond"), filled, to="respond", what="respond", approves=approves, **kept)

    def answer_to(self, question: UserRequest, *, approves: bool) -> dict[str, Any]:
        """What a response to the latest input_requested of a run is filled with."""
        asked, choices = question.asked_input, self.profile.spec.choices
        if asked is None or choices is None:
            raise NotConnected(f"nothing was asked of {self.user}, so that nothing can be answered", "")
        named = {"input": asked.input, "call": asked.call, "run": question.run}
        named |= {"request": question.request, "thread": question.thread, "prompt": question.text}
        choice = fill(choices.approve if approves else choices.deny, self.values.over(named))
        return {**named, "choice": choice}

    async def wait_input_over(self, question: UserRequest, input_s: float) -> bool:
        """Whether something shows what becomes of a request for input that nobody answers for so many seconds."""
        began, events = time.monotonic(), len(question.events)
        came = await self.inbox.until(
            lambda: len(question.events) > events or question.over, input_s + self.budgets.start_s
        )
        if not came:
            self._timed_out("input", time.monotonic() - began, request=question.request, run=question.run)
            question.give_up()
        return came

    async def websocket_ping(self) -> bool:
        """Whether a ping of the WebSocket protocol was answered within the budget (RFC 6455 section 5.5.2)."""
        transport, budget = self._transport, self.budgets.ping_s
        if transport is None or not self.open:
            raise self.not_open()
        self.recorder.add(Sent, self.connection, what="websocket ping", text="")
        try:
            transport.ping()
        except ConnectionEnded as error:
            raise self.not_open() from error
        answered = await self.inbox.until(lambda: not (transport.unanswered and self.open), budget)
        if not answered:
            self._timed_out("websocket pong", budget)
        return answered and not transport.unanswered

    @property
    def heartbeats(self) -> int:
        """How many heartbeats the backend has sent so far: pings, and those that the profile knows."""
        pings = self._transport.pings if self._transport is not None else 0
        return pings + sum(control.name == "heartbeat" for control in self.inbox.controls)

    async def wait_heartbeat(self, question: UserRequest, announced_s: float) -> tuple[bool, float]:
        """Waits for a heartbeat until an answer has ended. Whether one came, and after how many seconds either did.

        One that did not come within the announced time is recorded as missing, half a second later at the soonest.
        """
        before, began = self.heartbeats, time.monotonic()
        await self.inbox.until(lambda: self.heartbeats > before or question.over or not self.open, self.budgets.run_s)
        came, took_s = self.heartbeats > before, time.monotonic() - began - self.recorder.lost_s(began)
        if not came and took_s > announced_s + _LATE_HEARTBEAT_S:
            self._timed_out("heartbeat", took_s)
        return came, took_s

    @property
    def first_event_id(self) -> str:
        """The first id that an event of this connection had; "" without."""
        return self._transport.first_event_id if self._transport is not None else ""

    def going_on(self) -> Naming:
        """What a channel names that takes the place of this one, which has ended in order: its last event id, if any.

        Nothing is missing that would have to come on the new one.
        """
        latest = next((each for each in reversed(self.inbox.questions) if each.thread is not None), None)
        last_id = self.last_event_id if self.profile.spec.resumes_by_event_id else ""
        if latest is None or not last_id:
            return NOTHING_NAMED
        shown = self.recorder.checker.connections[self.connection].requests.orders
        also = {thread: None for thread in shown if thread not in (None, latest.thread)}
        return resuming(latest, latest.last_seq, last_event_id=last_id, also=also)._replace(last_seq=None)

    async def wait_event(self) -> bool:
        """Whether any event has come on this connection, or comes within the time for a run to begin."""
        await self._until(lambda: self.inbox.was_shown_an_event(0), self.budgets.start_s)
        return self.inbox.was_shown_an_event(0)
