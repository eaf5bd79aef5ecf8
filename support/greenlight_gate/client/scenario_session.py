"""A connection of a scenario, whose user may try what the backend has to refuse, or to withstand."""

import asyncio
import contextlib
import math
import ssl
import time
from collections.abc import Mapping
from typing import Any

from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.request import PastRequest, UserRequest
from greenlight_gate.client.session import Session
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.redactor import proves_identity
from greenlight_gate.trace import ASKS, SUCCESS, Closed, Expect, Sent
from greenlight_gate.transport.connection_setup import ConnectionSetup, Kept, Naming, new_request
from greenlight_gate.transport.cookies import CookieJar
from greenlight_gate.transport.interface import ConnectionEnded
from greenlight_gate.wire.http_call import call_in, parts_of

_PINGS_AT_ONCE = 8
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

    def sends_beside(self, what: str) -> bool:
        """Whether a message is an HTTP request of its own that opens no stream, and can be sent from anywhere."""
        spec = self.profile.spec
        address = spec.addresses.get(what)
        if address is None:
            return what in spec.calls and len(parts_of(spec.send[what])) == 1
        return spec.connection.by_channel or not address.streams

    def shows_token(self, what: str) -> bool:
        """Whether a message that is an HTTP request of its own carries anything that says whose it is."""
        assert self.setup is not None, "the user is connected"
        token, names = self.setup.token, self.profile.spec.places_in(what)
        in_query = self.by_http and bool(token.query)
        return in_query or bool(token.headers or self.jar.header() or [*filter(proves_identity, names)])

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
            Sent, self.connection, what=what, text=self.recorder.clean(text), unwelcome=unwelcome, run=question.run,
            request=question.request, thread=question.thread, **kept,
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
