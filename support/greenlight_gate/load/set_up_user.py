"""A virtual user whose connections are set up as in a scenario: requests before them, a handshake, frames to answer."""

import asyncio
import logging
import re
import ssl
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from greenlight_gate.events import Control
from greenlight_gate.load.plan import PlannedUser
from greenlight_gate.load.shard_context import ShardContext
from greenlight_gate.load.virtual_user import VirtualUser
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.targets.errors import Misconfigured, TargetFault
from greenlight_gate.targets.http_calls import Values
from greenlight_gate.trace import KEPT_OF_RESPONSE, LEAST_ERROR, Opened, Responded
from greenlight_gate.transport.connection_setup import ConnectionSetup, Kept, new_request
from greenlight_gate.transport.cookies import CookieJar
from greenlight_gate.transport.interface import Accepted, HttpAnswer, NotOpened, Post
from greenlight_gate.transport.posting import transport_to
from greenlight_gate.wire.codecs import UndecodableError
from greenlight_gate.wire.http_call import HttpCall, call_in, parts_of

monotonic = time.monotonic
_CLOSE_S = 2.0
log = logging.getLogger("greenlight")


# What tokens are made of: the end of a body that was cut may be the beginning of one.
_CUT_TOKEN = re.compile(r"[\w.~+/=%:-]*\Z")


def beginning_of(body: bytes) -> str:
    """The beginning of a body, without a word that was cut: secrets are looked for later, and as a whole."""
    kept = body[:KEPT_OF_RESPONSE].decode(errors="replace")
    return kept if len(body) <= KEPT_OF_RESPONSE else _CUT_TOKEN.sub("", kept, count=1)


class SetUpUser(VirtualUser):
    """A user of a profile that asks for more than a url and one frame for each request.

    Where a connection answers one request only, or a request on it was given up while it answers one at a time, the
    shard gives the user the next one: `end_connection`, `prepare`, `connect`.
    """

    __slots__ = ("_asked_here", "_came", "_counted", "_gave_up", "_jar", "_kept_values", "_nth", "_saw_own", "_setup",
                 "_speaking", "_step", "_steps", "renews")  # fmt: skip

    def __init__(
        self, planned: PlannedUser, context: ShardContext, number: int, on_free: Callable[["VirtualUser", float], None]
    ) -> None:
        super().__init__(planned, context, number, on_free)
        self._kept_values = Kept()
        self._jar = CookieJar()
        self._setup: ConnectionSetup | None = None
        self._counted: Counter[str] = Counter()
        self._saw_own = False
        self._nth = 1
        self.renews = False
        self._speaking: asyncio.Task[None] | None = None
        self._begin_connection()

    def _begin_connection(self) -> None:
        self.checker = self._new_checker(self._hear)
        self._steps = list(self._context.profile.spec.steps_to_take(resumes=False))
        self._step = 0
        self._came: Counter[int] = Counter()
        self._asked_here = 0
        self._gave_up = False

    # Connecting -----------------------------------------------------------------------------------------------

    @property
    def opens_within_s(self) -> float:
        """The budget of the opening, and that of each message that the handshake waits for."""
        handshake_s, steps = self._context.budgets.handshake_s, self._context.profile.spec.steps
        waits = [steps[index] for index in self._steps if steps[index].send is None]
        return handshake_s + sum(step.timeout_s or handshake_s for step in waits)

    async def prepare(self) -> None:
        """Makes the requests that the profile has before a connection. Raises StepRefused."""
        context, planned = self._context, self.planned
        target = context.plan.target
        assert target is not None, "the plan has the target for users who are set up"
        assert planned.persona is not None, "so has the user a persona"
        assert planned.token is not None, "and a token"
        self._setup = ConnectionSetup(
            target, context.profile, planned.persona, planned.token, self._kept_values, jar=self._jar
        )  # fmt: skip
        await self._setup.prepare()

    async def connect(self, tls: ssl.SSLContext | None, source: str) -> None:
        """Opens the connection. Raises NotOpened, OSError."""
        self.began_at = monotonic()
        setup = self._setup
        assert setup is not None, "it was prepared"
        self._transport = transport_to(
            setup.spec, setup.url, setup.headers, self, subprotocols=setup.subprotocols,
            compress=self._context.plan.compress, max_message_bytes=setup.max_frame_bytes, values=setup.values,
            events=setup.events, opening=setup.connection.opening, http_version=self._context.plan.http_version,
        )  # fmt: skip
        await self._transport.open(tls=tls, source=source)
        self._maybe_ready(monotonic())

    def on_open(self, accepted: Accepted, at: float) -> None:
        """The connection is open: the handshake begins."""
        self._jar.take(accepted.headers)
        super().on_open(accepted, at)
        self._take_steps()

    def _take_steps(self) -> None:
        """Sends what is to be sent now, up to the next message that is waited for."""
        steps = self._context.profile.spec.steps
        while self._step < len(self._steps):
            index = self._steps[self._step]
            template, nth = steps[index].send, steps[index].nth
            if template is None and self._came[index] < nth:
                return
            if template is not None and not self._send_template(template, {}):
                return
            self._step += 1

    def _is_ready(self) -> bool:
        return self._step == len(self._steps) and super()._is_ready() and self._has_endpoints()

    def _has_endpoints(self) -> bool:
        """Whether messages can be sent to where the server wants them; if not, it has refused the user."""
        try:
            if self._setup is not None:
                self._setup.check_endpoints(self._values)
        except NotOpened as error:
            self._refuse(error)
            return False
        return True

    def _refuse(self, error: NotOpened) -> None:
        self.refused(error)
        asyncio.get_running_loop().call_soon(self.hang_up)

    def _hear(self, control: Control, at: float) -> None:
        if control.name == "handshake":
            self._came[control.values["step"]] += 1
            self._take_steps()
        elif control.name == "keepalive":
            self._send_template(self._context.profile.spec.answers[control.values["answer"]].send, {})
        elif control.name == "error" and self.ready is not None and self._step < len(self._steps):
            self._refuse(NotOpened("an error in the handshake"))
        self._context.hear_control(control, at)

    def _opened(self) -> Opened:
        values = {} if self._setup is None else self._setup.looked_up
        opened, planned = super()._opened(), self.planned
        return Opened(
            n=opened.n, at=opened.at, connection=opened.connection, user=opened.user, user_id=planned.user_id,
            handshake_ms=opened.handshake_ms, subprotocol=opened.subprotocol, values=values,
            offered=0 if self._setup is None else len(self._setup.subprotocols),
        )  # fmt: skip

    def on_answer(self, answer: HttpAnswer, at: float) -> None:
        """A request by HTTP was answered."""
        self._jar.take(answer.headers)
        super().on_answer(answer, at)

    # Asking ---------------------------------------------------------------------------------------------------

    @property
    def is_free(self) -> bool:
        """Whether it can ask on this connection."""
        return super().is_free and not self.is_used_up

    @property
    def takes_part(self) -> bool:
        """Whether it is connected, or soon will be again."""
        return self.open or self.renews

    @property
    def is_used_up(self) -> bool:
        """Whether the connection has answered its only request, or one that was given up is in its way."""
        runs = self._context.profile.spec.connection.runs
        if self.ask is not None:
            return False
        return self._asked_here > 0 if runs == "one" else runs == "one_at_a_time" and self._gave_up

    @property
    def _values(self) -> Values:
        known = (Values() if self._setup is None else self._setup.values).over({})
        known.update(self.checker.reader.values)
        return known

    def _new_request(self) -> str:
        # As in scenarios: a backend may take nothing but a UUID.
        return new_request(self._context.profile.spec)

    def _say(self, prompt: str, request: str) -> None:
        self._asked_here += 1
        self.checker.search.typed(prompt)
        values = {"request": request, "prompt": prompt, "thread": self.thread}
        template = self._context.profile.spec.send["start"]
        parts = parts_of(template)
        if any(call_in(part) is not None for part in parts):
            self._speaking = asyncio.ensure_future(self._say_in_turn(parts, values))
            return
        self._send_template(template, values, request)

    def on_settled(self, outcome: Outcome) -> None:
        """A request is settled; where the profile has a message for it, its stream is not wanted any more."""
        super().on_settled(outcome)
        template = self._context.profile.spec.send.get("unsubscribe")
        if template is not None and outcome.ended_by is not None and outcome.run is not None:
            asked, run = outcome.request.request, outcome.run
            self._send_template(template, {"request": asked, "run": run.id, "thread": run.thread}, to="unsubscribe")

    def ping(self, nonce: str) -> None:
        """Sends an application ping."""
        self._n += 1
        self.checker.pinged(nonce, self._n)
        self._send_template(self._context.profile.spec.send["ping"], {"nonce": nonce}, to="ping")

    def _send_template(
        self, template: Any, values: Mapping[str, Any], request: str = "", *, to: str = "start"
    ) -> bool:  # fmt: skip
        """Sends a template of the profile; whether all that it needs is known, and it could be encoded.

        `to`: the message by whose address it goes, where the transport is HTTP.
        """
        profile, known = self._context.profile, self._values.over(values)
        post: Post | None = None
        try:
            _, messages = profile.wire(template, known)
            if self._by_http and self._setup is not None:
                post = self._setup.post(to, known, request)
        except KeyError as error:
            self._context.unable.append(f"{self.planned.user}'s next message needs {error}, which is not known yet")
            return False
        except UndecodableError as error:
            self._context.unable.append(f"{self.planned.user}'s next message cannot be encoded: {error}")
            return False
        except NotOpened as error:
            self._context.unable.append(f"{self.planned.user}'s next message cannot be sent: {error}")
            return False
        for message in messages:
            self._send(message.encode() if isinstance(message, str) else message, post, text=isinstance(message, str))
        return True

    async def _say_in_turn(self, parts: list[Any], values: Mapping[str, Any]) -> None:
        """Sends HTTP requests and frames in turn, until one is refused."""
        for part in parts:
            call = call_in(part)
            if call is None:
                self._send_template(part, values)
            elif not await self._call(call, values):
                break
        self.on_read(monotonic())

    async def _call(self, call: HttpCall, values: Mapping[str, Any]) -> bool:
        """Sends an HTTP request beside the connection; whether it was accepted."""
        setup, request = self._setup, self.request
        assert setup is not None, "the user is connected"
        try:
            reply = await setup.act(call, self._values.over(values))
        except KeyError as error:
            self._context.unable.append(f"{self.planned.user}'s next request needs {error}, which is not known yet")
            return False
        except (TargetFault, Misconfigured):
            at = monotonic()
            self._n += 1
            self.checker.timed_out("start", at - self._sent_at, request, at, self._n)
            return False
        self._n += 1
        at = monotonic()
        responded = Responded(
            n=self._n, at=at, connection=self.connection, to=self._sent_n, what="start", status=reply.status,
            after_ms=round((at - self._sent_at) * 1e3, 3), request=request,
            body=beginning_of(reply.body),
        )  # fmt: skip
        self._answers = (*self._answers, responded)
        self.checker.responded(responded)
        return reply.status < LEAST_ERROR

    def on_read(self, at: float) -> None:
        """All messages of one read are judged."""
        if self.is_used_up and self.open:
            self._renew()
        else:
            super().on_read(at)

    def check_deadline(self, at: float) -> None:
        """Gives up the open request if its answer is overdue."""
        ask = self.ask
        super().check_deadline(at)
        if ask is not None and self.ask is None:
            self._gave_up = True
            if self.is_used_up:
                self._renew()

    # The next connection --------------------------------------------------------------------------------------

    def _renew(self) -> None:
        if not self.renews and not self.is_slow and not self._context.leaves:
            self.renews = True
            self._context.on_used_up(self)

    async def end_connection(self) -> None:
        """Ends the connection that is used up, judges it, and begins anew without one."""
        transport = self._transport
        if transport is not None:
            if self.open:
                self.left = True
                transport.close()
            await transport.wait_gone(_CLOSE_S)
        self.finish()
        self._counted.update(self.checker.counts)
        self._saw_own = self.has_seen_own
        if self._setup is not None:
            for complaint in await self._setup.leave(tab=False):
                log.warning("%s", complaint)
        self._nth += 1
        self.connection = f"{self.key}.{self._nth}"
        self.left = self.gone = self._given_up = False
        self.ready = asyncio.Event()
        self.answered_at = self._opened_at = 0.0
        self._n, self._kept, self._prompt, self._closed = 0, [], None, None
        self._answers, self._stalled = (), ()
        self._begin_connection()

    def _is_gone(self) -> None:
        if self.ready is None and self.is_used_up and not self._context.leaves:
            # The next connection takes its place.
            self.open = False
            self._renew()
            return
        super()._is_gone()

    # Leaving --------------------------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """Cuts the connection without a close frame."""
        if self._speaking is not None:
            self._speaking.cancel()
        super().hang_up()

    async def clean_up(self) -> None:
        """Makes the requests that the profile has for after a user's connection and tab."""
        setup, self._setup = self._setup, None
        for complaint in await setup.leave(tab=True) if setup is not None else ():
            log.warning("%s", complaint)

    @property
    def counts(self) -> dict[str, int]:
        """How often each rule was broken, on all connections."""
        return dict(self._counted + Counter(self.checker.counts))

    @property
    def has_seen_own(self) -> bool:
        """Whether its own canary came in an answer."""
        return self._saw_own or self.checker.search.seen_own
