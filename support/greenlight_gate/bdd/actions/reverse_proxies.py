"""What reverse proxies do with the connections of one scenario: they buffer, end what is idle, and send POSTs again."""

import asyncio

from greenlight_gate.bdd.actions.approvals import Approvals
from greenlight_gate.bdd.actions.liveness import Liveness
from greenlight_gate.bdd.actions.network import Network
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.proxied_user import ConnectionLoss, ends_within
from greenlight_gate.bdd.world.world import World
from greenlight_gate.faults.buffering import Buffering
from greenlight_gate.faults.drop_idle import DropIdle
from greenlight_gate.faults.resend import Resend

# A proxy waits for so many announced intervals of heartbeats, and its user for half as long again.
_INTERVALS = 2.5
_LONGER = 1.5
_SENT_AGAIN_S = 10.0


class ReverseProxies:
    """The reverse proxies between users and the backend in one scenario."""

    def __init__(self, world: World, network: Network) -> None:
        self.world = world
        self.network = network
        self.dropped: set[str] = set()

    def buffer(self, user: str) -> None:
        """The user connects through a proxy that buffers all answers that do not say otherwise.

        Raises NotExercised where the profile does not promise that answers say so.
        """
        self.world.need("http", "unbuffered")
        self._see_through()
        self.world.call(self._buffer(user))

    async def _buffer(self, user: str) -> None:
        connection = self.network.new_connection(user)
        self.world.sessions.setdefault(user, []).append(connection.session)
        await connection.proxy.start()
        connection.proxy.add(fault := Buffering())
        await fault.switch_on()
        await connection.open()

    def continue_and_send_again(self, user: str, prompt: str) -> None:
        """The user continues the conversation, by a POST that a proxy sends again; does not wait for the answer.

        Raises NotExercised where the profile does not promise that this starts a single run.
        """
        self.world.need("http", "one_run_per_request", prompt)
        self._see_through()
        world, proxy = self.world, self.network.connection(user).proxy
        fault = Resend(proxy.target)
        proxy.add(fault)
        world.call(fault.switch_on())
        world.ask(user, prompt, follow=world.last(user), resent=True)
        if not world.call(ends_within(fault.sent_again.wait(), _SENT_AGAIN_S)):
            raise NotExercised(f"no answer to {user}'s request began within {_SENT_AGAIN_S:g} s: none was lost")

    def approve_late(self, user: str) -> None:
        """The user approves what the assistant asks, later than a proxy ends idle connections; unless it ended this.

        Raises NotExercised if the backend does not announce its heartbeats, or waits less long for the user.
        """
        world = self.world
        world.need("heartbeat")
        approvals = Approvals(world)
        question = approvals.asked(user)
        idle_s = _INTERVALS * Liveness(world, self.network).announced_s(user)
        world.call(self._stay_idle(user, idle_s))
        if question.over and user not in self.dropped:
            shown_s = idle_s * _LONGER
            raise NotExercised(
                f"{user} is asked for less than {shown_s:g} s: a proxy that ends what is idle takes longer"
            )
        if user not in self.dropped:
            approvals.answer(user, approves=True)

    async def _stay_idle(self, user: str, idle_s: float) -> None:
        connection = self.network.connection(user)
        session, ended = connection.session, asyncio.Event()

        def on_drop() -> None:
            self.dropped.add(user)
            session.missed_heartbeat(idle_s)
            session.cut(ConnectionLoss.FIN, f"by a proxy, after {idle_s:g} s without a byte")
            ended.set()

        await connection.link.add(fault := DropIdle(idle_s, on_drop))
        await ends_within(ended.wait(), idle_s * _LONGER)
        await fault.switch_off()

    def _see_through(self) -> None:
        target = self.world.suite.target
        how = "TLS" if target.is_secure else "HTTP/2" if target.http_version == "2" else ""
        if how:
            raise NotExercised(f"{target.name} is reached by {how}, which the suite's proxy cannot read")
