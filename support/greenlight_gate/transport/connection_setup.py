"""Setting up a connection: the values of its profile, the HTTP requests before it, and its address."""

import functools
import json
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from greenlight_gate.targets.access import TargetFault, Token
from greenlight_gate.targets.credential_hook import made_by
from greenlight_gate.targets.errors import Misconfigured
from greenlight_gate.targets.http import Reply, Silent, exchange
from greenlight_gate.targets.http_calls import Values, call, filled
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.redactor import proves_identity
from greenlight_gate.targets.sections import Persona
from greenlight_gate.transport.cookies import CookieJar
from greenlight_gate.transport.exchange import BODILESS
from greenlight_gate.transport.interface import NotOpened, Post
from greenlight_gate.transport.posting import given_path, post_to
from greenlight_gate.transport.two_sockets import EventsSocket
from greenlight_gate.wire.connecting import ConnectionSpec, EventsSpec, HttpRequest
from greenlight_gate.wire.http_call import HttpCall
from greenlight_gate.wire.json_text import preview
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import Spec
from greenlight_gate.wire.templates import fill, quoted
from greenlight_gate.wire.values import MISSING


class StepRefused(Exception):
    """An HTTP request before the connection failed. `status`: that of its response, if there was one.

    `unanswered`: it was waited for in vain.
    """

    def __init__(self, reason: str, status: int | None, *, unanswered: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.unanswered = unanswered


def failure_of(error: Exception) -> tuple[int | None, bool]:
    """Why a connection was not opened: the HTTP status of the answer, if one came, and whether none came in time."""
    if isinstance(error, StepRefused):
        return error.status, error.unanswered
    return error.status if isinstance(error, NotOpened) else None, isinstance(error, TimeoutError)


def new_request(spec: Spec) -> str:
    """An id for a request: the digits of a positive integer of 31 bits where the wire has integers."""
    made = uuid.uuid4()
    return str(made.int % (2**31 - 1) + 1) if spec.numbers_requests else made.hex


def user_shown(persona: Persona, target: Target, spec: Spec) -> str | None:
    """The user id that a user sends, in a token or in a message; None: the backend assigns one."""
    shows = target.auth.obtain != "none" or "{user}" in target.url or spec.tells_user
    return persona.user or None if shows else None


def names_told(persona: Persona, target: Target, spec: Spec) -> tuple[str, ...]:
    """The names, beside the user id, that a user's client sends, in a token or in a message."""
    sent = (
        spec.send,
        spec.addresses,
        spec.values,
        spec.before,
        spec.connection,
        spec.resume,
        spec.handshake,
        target.url,
        target.auth.claims,
    )
    return (persona.name,) if "{user_name}" in str(sent) else ()


class Kept:
    """What was captured or made for the tab of a connection, and for all connections of its user, by name."""

    def __init__(self, user: dict[str, Any] | None = None) -> None:
        self.tab: dict[str, Any] = {}
        self.user: dict[str, Any] = {} if user is None else user

    def of(self, each: str) -> dict[str, Any]:
        """Where values for each "tab" or "user" are kept; nowhere for long, for each "connection"."""
        return {"tab": self.tab, "user": self.user}.get(each, {})


class Naming(NamedTuple):
    """What a connection names beside its user: a conversation that it resumes, or what belongs to another user.

    `values` take the place of those that would be captured or made. `thread` is what is resumed, from the number after
    `last_seq`; `also` are the other threads that the last event id of a channel resumes, each with its own number, if
    that is known; `foreign` is the owner, where that is another user, and `behind` that user's request that is answered
    there meanwhile.
    """

    values: Mapping[str, Any]
    thread: str | None = None
    last_seq: int | None = None
    resumes: bool = False
    foreign: str = ""
    behind: str = ""
    also: Mapping[str, int | None] = {}

    def asks_for(self, thread: str, last_seq: int) -> bool:
        """Whether the connection was opened to go on with this thread, from this number or an earlier one."""
        since = self.last_seq if self.resumes and thread == self.thread else self.also.get(thread)
        return since is not None and since <= last_seq


NOTHING_NAMED = Naming({})


class ConnectionSetup:
    """Sets up one user's connection.

    `kept` holds what was captured for the tab of this connection or for its user, and `jar` the cookies of the user:
    both outlive the connection. `naming`: what the connection resumes, or tries to reach. `traceparent`: the trace
    context to send in the upgrade, "" for none.
    """

    def __init__(
        self, target: Target, profile: Profile, persona: Persona, token: Token, kept: Kept, *, jar: CookieJar,
        naming: Naming = NOTHING_NAMED,
    ) -> None:  # fmt: skip
        self.target = target
        self.profile = profile
        self.spec: Spec = profile.spec
        self.token = token
        self._persona = persona
        self.kept = kept
        self.naming = naming
        resume = self.spec.resume if naming.resumes else None
        self.connection = self.spec.connection if resume is None else resume.connection
        self.before = self.spec.before if resume is None or resume.before is None else resume.before
        self.values = Values(user=persona.user, user_name=persona.name, token=token.token)
        self.values.made.update(
            (name, functools.partial(self._hooked, made.hook)) for name, made in self.spec.values.items() if made.hook
        )
        for name, made in self.spec.values.items():
            if made.hook:
                continue
            known = kept.of(made.each)
            value = known[name] if name in known else fill(made.value, self.values)
            known.setdefault(name, value)
            self.values[name] = value
        self.values.update(token.values)
        self.values.update(kept.user)
        self.values.update(kept.tab)
        self.values.update(naming.values)
        self.jar = jar
        self.traceparent = ""

    def _hooked(self, hook: str, values: Values) -> Any:
        """What a hook makes of the values that are known now; its texts are credentials, such as a signature."""
        value = made_by(self.target, self._persona, hook, values)
        if isinstance(value, str):
            self.token.learn(value)
        return value

    async def prepare(self) -> None:
        """Makes the requests that the profile has before the connection. Raises StepRefused."""
        for request in self.before:
            known = self.kept.of(request.each)
            if any(
                request.capture and given.keys() >= request.capture.keys()
                for given in (self.token.values, known, self.naming.values)
            ):
                continue
            reply = await self._ask(request)
            captured = _captured(request, reply)
            self.values.update(captured)
            if not self.naming.foreign:
                known.update(captured)

    async def leave(self, *, tab: bool) -> list[str]:
        """Makes the requests after the connection (`tab`: also those after the tab). Returns what failed."""
        complaints = []
        for request in self.spec.after:
            if request.each == "tab" and not tab:
                continue
            if not _has_all(request, self.values) or self._is_supplied(request):
                continue
            try:
                await self._ask(request)
            except StepRefused as error:
                complaints.append(str(error))
        return complaints

    def _is_supplied(self, request: HttpRequest) -> bool:
        """Whether the request is about something that the target file names: that is not to be removed."""
        made = {name for before in self.spec.before for name in before.capture}
        return any(f"{{{name}}}" in request.path for name in made if name in self.token.values)

    async def _ask(self, request: HttpRequest) -> Reply:
        # A cookie that is the credential is sent with all that the user asks, as browsers do.
        cookies = self.jar.header(self.token.headers.get("Cookie", ""))
        try:
            reply = await call(self.target, request, self.values, cookies)
        except (TargetFault, Misconfigured) as error:
            raise StepRefused(str(error), None, unanswered=isinstance(error, Silent)) from error
        self.jar.update(reply.cookies)
        if reply.status not in request.status:
            said = preview(reply.body[:200].decode(errors="replace").strip(), 160)
            # The path as the profile has it: a token in it would look like one that the server has shown.
            refused = f"{request.method} {request.path}: HTTP {reply.status}"
            raise StepRefused(f"{refused}: {said}" if said else refused, reply.status)
        return reply

    def shown(self, request: HttpCall, values: Values) -> str:
        """An HTTP request as it stands in the trace. Raises KeyError for a value that is not known."""
        body = request.form if request.json is None else request.json
        said = "" if body is None else f" {json.dumps(fill(body, values), ensure_ascii=False)}"
        return f"{request.method} {fill(request.path, quoted(values))}{said}"

    async def act(self, request: HttpCall, values: Values) -> Reply:
        """Sends an HTTP request of the user beside the connection, with their credentials, and keeps what it captures.

        Raises TargetFault or Misconfigured where there is no response.
        """
        own = {name.lower() for name in request.headers}
        headers = {name: value for name, value in self.token.headers.items() if name.lower() not in own}
        headers |= self.jar.header(headers.get("Cookie", ""))
        reply = await call(self.target, request, values, headers)
        self.jar.update(reply.cookies)
        for name, value in request.captured(reply.json(), reply.cookies).items():
            if value is not MISSING and value is not None:
                self.values[name] = value
        return reply

    def post(self, what: str, values: Mapping[str, Any], label: str) -> Post:
        """The HTTP request that carries a message of the profile. Raises KeyError for a value that is not known."""
        return post_to(self.spec.addresses[what], self.spec, self.url, headers=self.headers, values=values, label=label)

    async def send_alone(self, post: Post, body: str | bytes) -> Reply:
        """Sends the HTTP request that carries a message on a connection of its own. Raises as `exchange` does."""
        content = None if post.method in BODILESS else body.encode() if isinstance(body, str) else body
        headers = {name.lower(): value for name, value in post.headers}
        url = self.target.resolve(post.path)
        return await exchange(self.target, post.method, url, headers=headers, content=content)

    def check_endpoints(self, values: Mapping[str, Any]) -> None:
        """Raises NotOpened if the server has given no address for messages to which they can be sent."""
        for name in self.spec.endpoints:
            given_path(name, self.url, values)

    @property
    def events(self) -> EventsSocket | None:
        """The socket on which events come, where that is another one. Raises StepRefused for an unknown value."""
        events = self.connection.events
        if events is None:
            return None
        try:
            sent = [() if not what else self.profile.wire(what, self.values)[1] for what in
                    (events.subscribe, events.unsubscribe)]  # fmt: skip
            return EventsSocket(self._url(events), self._headers(events), *sent)
        except KeyError as error:
            raise StepRefused(f"the socket of events needs {error}, which is not known yet", None) from error

    @property
    def url(self) -> str:
        """The URL of the connection, with the query of the token."""
        return self._url(self.connection)

    def _url(self, connection: ConnectionSpec | EventsSpec) -> str:
        base, _, supplied = self.target.url.partition("?")
        url = f"{base.rstrip('/')}{fill(connection.path, quoted(self.values))}" if connection.path else base
        query = [part for part in (supplied, urlencode(filled(connection.query, self.values))) if part]
        if query:
            url += f"{'&' if '?' in url else '?'}{'&'.join(query)}"
        return self.token.url(url)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the upgrade."""
        return self._headers(self.connection)

    def _headers(self, connection: ConnectionSpec | EventsSpec) -> dict[str, str]:
        traced = {"traceparent": self.traceparent} if self.traceparent else {}
        headers = {**traced, **filled(connection.headers, self.values), **self.token.headers}
        return {**headers, **self.jar.header(headers.get("Cookie", ""))}

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols that are offered."""
        return [*self.spec.connection.subprotocols, *self.token.subprotocols]

    @property
    def max_frame_bytes(self) -> int:
        """The largest message that is accepted, in bytes."""
        return self.spec.connection.max_frame_bytes or self.target.limits.max_frame_bytes

    @property
    def looked_up(self) -> dict[str, Any]:
        """What a replay needs: the values that the rules refer to, and those that name what is the user's."""
        spec = self.spec
        wanted = spec.looked_up | {name for name in spec.names_of_own if not proves_identity(name)}
        named = self.naming.values if self.naming.foreign else {}
        return {
            name: value for name, value in self.values.items()
            if name in wanted and name != "token" and name not in named
        }  # fmt: skip


def _captured(request: HttpRequest, reply: Reply) -> dict[str, Any]:
    if not request.capture:
        return {}
    found = request.captured(reply.json_value(), reply.cookies)
    for name, value in found.items():
        if value is MISSING or value is None:
            where = f"{request.method} {request.path}"
            raise StepRefused(f"{where}: expected {request.capture[name]} in the answer, but {reply.described()}", None)
    return found


def _has_all(request: HttpRequest, values: Values) -> bool:
    try:
        fill([request.path, request.json, request.form, request.headers], values)
    except KeyError:
        return False
    return True
