"""Stops: at several moments of a run, beside other runs of the same user, and what follows in the same conversation."""

import time

from greenlight_gate.bdd.actions.asking_again import ask_behind
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import ENDS, EventKind
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.wire.spec import Spec

# By these a stop can say which of several runs it is for.
_NAMES_A_RUN = frozenset({"run", "request", "thread"})
LONG = "long_running"
# Runs that complete at once after a stop: so many must, and so many that nobody stops must take much longer.
_STOPS = 3
_WHOLE_RUNS = 2


def says_which_run(spec: Spec) -> bool:
    """Whether a stop of this profile names the run, the request or the thread that it is for, or closes its stream."""
    return spec.stops_by_closing or bool(_NAMES_A_RUN & spec.places_in("stop"))


def completed_at_once(question: UserRequest, stopped_at: float, grace_s: float) -> bool:
    """Whether the run completed before a stop that was sent then (monotonic seconds), or less than `grace_s` after."""
    return question.has(EventKind.COMPLETED) and question.last_at - stopped_at < grace_s


def too_late(question: UserRequest, stopped_at: float) -> NotExercised:
    """Says that a run completed so soon after a stop that this may have come too late."""
    late_s = question.last_at - stopped_at
    return NotExercised(f"the answer to {question.text!r} ended {late_s * 1e3:.0f} ms after the stop was sent")


def goes_on(question: UserRequest, kind: EventKind | None, grace_s: float) -> bool:
    """Whether a run that has completed took at least twice `grace_s` from its first event of the kind (None: any)."""
    times = zip(question.events, question.seen_at, strict=True)
    begun_at = next((at for event, at in times if kind in (None, event.kind)), None)
    return begun_at is not None and question.answer is not None and question.last_at - begun_at >= 2 * grace_s


def shows_end(question: UserRequest) -> bool:
    """Whether the end of a run has come, on whatever connection."""
    return any(question.has(kind) for kind in ENDS)


class Stops:
    """The stops of one scenario. `stopped`: the requests whose runs were stopped, and when (monotonic seconds).

    `complete`: users whose stopped runs complete, and do so at once, while runs that they do not stop go on.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.stopped: dict[UserRequest, float] = {}
        self.complete: set[str] = set()

    def begin_several(self, user: str, prompt: str) -> None:
        """The user sends a request in each of two tabs, and another one in the first, if a connection answers several.

        Raises NotExercised if a stop of this profile cannot say which run it is for.
        """
        world, profile = self.world, self.world.suite.profile
        self._need_stop()
        if not says_which_run(profile.spec):
            raise NotExercised(f"a stop of the profile {profile.name} does not say which run it is for")
        world.ask(user, prompt)
        world.ask(user, prompt, tab=2)
        if profile.spec.connection.runs == "many" and world.suite.target.lacks("parallel_runs") is None:
            world.ask(user, prompt)

    def begin_long(self, user: str, then: str) -> UserRequest:
        """The user sends a long request, whose run is in progress on return.

        Raises NotExercised if it has ended before what is to be tried `then`, in words.
        """
        question = self.world.ask(user, LONG)
        self.world.wait_for_first_event(question)
        if question.over:
            raise NotExercised(f"{user}'s run ended before {then}")
        return question

    def stop_once(self, question: UserRequest, kind: EventKind | None = None, *, times: int = 1) -> None:
        """Sends so many stops once an event of the kind (None: any) was received, and waits for the end.

        A run that completes at once may have ended by itself: then further long ones are stopped, and if all of them
        complete at once, some are not stopped. Raises as `must_have_shown` if no such event was received.
        """
        self._need_stop()
        self._stop(question, kind, times)
        user = question.user
        for _ in range(_STOPS - 1):
            if not self._completed_at_once(question):
                return
            question = self._ask_again(user)
            self._stop(question, kind, times)
        if self._completed_at_once(question) and all(self._goes_on(user, kind) for _ in range(_WHOLE_RUNS)):
            self.complete.add(user)

    def _stop(self, question: UserRequest, kind: EventKind | None, times: int) -> None:
        world = self.world
        if kind is None:
            world.wait_for_first_event(question)
        elif kind is EventKind.THINKING:
            world.wait_for_text(question)
        else:
            world.wait_for(question, kind)
        self.stopped[question] = time.monotonic()
        world.stop(question, times=times)
        world.wait(question)

    def _completed_at_once(self, question: UserRequest) -> bool:
        return completed_at_once(question, self.stopped[question], self.world.budgets.grace_s)

    def _ask_again(self, user: str) -> UserRequest:
        """The long question once more, when nothing else of the user is in progress."""
        self.world.wait(*[question for question in self.world.asked_by(user) if not question.over])
        return self.world.ask(user, LONG)

    def _goes_on(self, user: str, kind: EventKind | None) -> bool:
        """Whether a long run that nobody stops takes much longer; not known if the suite stalled meanwhile."""
        question = self._ask_again(user)
        self.world.wait(question)
        stalled = self.world.recorder.stood_still(question.asked_at)
        return not stalled and goes_on(question, kind, self.world.budgets.grace_s)

    def begin_and_stop(self, user: str, prompt: str) -> None:
        """The user sends a request and stops it before its first event; waits for the end."""
        self._need_stop()
        question = self.world.ask_and_stop(user, prompt)
        self.stopped[question] = time.monotonic()
        self.world.wait(question)

    def stop_after_the_end(self, question: UserRequest) -> None:
        """Sends a stop of a run that has ended, which the backend may refuse, and waits until it was read."""
        self._need_stop()
        self.world.wait(question)
        self.world.need("stop_by_message")
        if not self.world.is_connected(question):
            raise NotExercised(
                f"the connection ended with the answer to {question.text!r}: nothing can be stopped on it"
            )
        self.world.stop(question)
        self.world.flush(question)

    def _need_stop(self) -> None:
        self.world.need("stop")
        profile = self.world.suite.profile
        if not profile.can_send("stop"):
            raise NotExercised(f"the profile {profile.name} has no frame for stop")

    def ended(self, user: str) -> UserRequest:
        """The user's last request that was stopped, with its end where that can be seen.

        Raises NotExercised if it may have completed before the stop arrived.
        """
        question = next((each for each in reversed(self.stopped) if each.user == user), None)
        if question is None:
            raise SuiteFault(f"{user} has stopped no run in this scenario")
        if self.closes_stream and not shows_end(question):
            self._restore_end(question)
        if self._completed_at_once(question) and user not in self.complete:
            raise too_late(question, self.stopped[question])
        return question

    @property
    def shows_ends(self) -> bool:
        """Whether the end of a stopped run can be received: on its stream, or in the restored thread."""
        return not self.closes_stream or self.world.suite.lacks("resume") is None

    @property
    def closes_stream(self) -> bool:
        """Whether a stop closes the stream of the answer: then nothing shows the end of its run there."""
        return self.world.suite.profile.spec.stops_by_closing

    def continue_conversation(self, user: str, prompt: str) -> None:
        """The user sends a request in their last conversation; waits for the answer.

        A run that was stopped by closing its stream shows no end there: until it has to be over, the request may be
        refused, and is sent again.
        """
        world, earlier = self.world, self.world.last(user)
        if self.closes_stream and earlier in self.stopped and not shows_end(earlier):
            ask_behind(world, user, prompt, earlier, self.stopped[earlier] + world.budgets.stop_s)
        else:
            world.wait(world.ask(user, prompt, follow=earlier))

    def _restore_end(self, question: UserRequest) -> None:
        """Asks for what came after the stream was closed, in another tab.

        Without a resume, only the calls to the model show whether the run has ended, and the rules judge these. Raises
        NotExercised where nothing shows it.
        """
        world = self.world
        if not self.shows_ends:
            if world.suite.model is None or not world.model_calls.of(question):
                raise NotExercised(
                    "a stop closes the stream, and without a resume nothing shows what became of the run"
                )
            return
        world.connect(question.user)
        world.call(self._restored(question, len(world.sessions[question.user])))

    async def _restored(self, question: UserRequest, tab: int) -> None:
        if question.thread is None:
            raise NotExercised(f"the answer to {question.text!r} names no conversation that could be restored")
        session = self.world.tab(question.user, tab)
        await session.restore(question.thread, question.last_seq, question.run)
        await session.inbox.until(lambda: shows_end(question) or not session.open, self.world.budgets.stop_s)

    def others(self, user: str) -> list[UserRequest]:
        """The user's requests that were not stopped, once they have ended."""
        others = [question for question in self.world.asked_by(user) if question not in self.stopped]
        self.world.wait(*[question for question in others if not question.over])
        return others
