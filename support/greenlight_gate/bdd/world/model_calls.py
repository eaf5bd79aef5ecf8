"""The calls to the scripted model that a scenario's requests led to: which call is for which request."""

import asyncio
import json
import math
import time

from greenlight_gate.bdd.world.requests import ScenarioRequests
from greenlight_gate.client.request import PastRequest, UserRequest
from greenlight_gate.model.calls import ServedCall
from greenlight_gate.rules.engine import canary_search
from greenlight_gate.rules.engine.deadlines import MARGIN_S
from greenlight_gate.session.scripted_model import HeardCall, ScriptedModel
from greenlight_gate.trace import Closed, ModelCall, Stalled

_MOST_SAID = 20_000
_LOOK_AGAIN_S = 0.05
# How long after a request was recorded as sent, or its end as received, a call of it may begin.
_SAME_MOMENT_S = 0.05


class ScenarioModelCalls:
    """The calls for the requests of one scenario."""

    def __init__(self, requests: ScenarioRequests) -> None:
        self.requests = requests
        self.suite = requests.suite
        self._before = self.suite.model.count if self.suite.model is not None else 0

    @property
    def model(self) -> ScriptedModel:
        """The scripted model that the backend asks. Raises NotExercised where the target has none."""
        self.requests.need("model")
        model = self.suite.model
        assert model is not None
        return model

    def of(self, question: UserRequest) -> list[ServedCall]:
        """The calls whose prompt holds this request, in order."""
        heard = self.requests.call(self.model.calls(self.requests.recorder.began))
        return [each.call for each in heard if _asks(each.call, question.text) or _holds(each.call, question.text)]

    async def record(self) -> None:
        """Records the calls to the model for the requests of this scenario, once those for stopped runs have ended.

        Raises ModelGone if the model does not answer.
        """
        model = self.suite.model
        if model is None or model.is_idle_since(self._before):
            return
        recorder = self.requests.recorder
        while True:
            calls = [(heard, self._asker_of(heard)) for heard in await model.calls(recorder.began)]
            stops = [
                stop for heard, asker in calls if heard.ended_at is None and (stop := self._stop_of(asker)) is not None
            ]
            if not stops or time.monotonic() - recorder.began > self._calls_end_by(max(stops)):
                break
            await asyncio.sleep(_LOOK_AGAIN_S)
        for (call, began_at, ended_at, _), asker in calls:
            if asker is None:
                continue
            recorder.add(
                ModelCall, asker.connection, request=asker.request, number=call.number,
                began_at=round(began_at - recorder.began, 6),
                ended_at=None if ended_at is None else round(ended_at - recorder.began, 6),
                state=call.state, fault=call.fault, said=recorder.clean(call.said[:_MOST_SAID]), finish=call.finish,
                owners=tuple(sorted(owners_in(call.body))), role=call.role, stream=call.stream, tools=len(call.tools),
                alone=_plain(call.asked) == _plain(asker.text),
            )  # fmt: skip

    def _calls_end_by(self, stop: float) -> float:
        """Until when calls have to end after a stop, on the trace's clock; the suite's own stalls are not judged."""
        stalls = (entry.record for entry in self.requests.recorder.entries if isinstance(entry.record, Stalled))
        return stop + self.requests.budgets.stop_s + MARGIN_S + sum(stall.for_s for stall in stalls if stall.at > stop)

    def _stop_of(self, question: UserRequest | None) -> float | None:
        """When the user stopped a run, or left it where that has to end it, on the trace's clock; None if neither."""
        if question is None:
            return None
        run = question.outcome.run if question.outcome is not None else None
        if run is not None and run.stop_at is not None:
            return run.stop_at
        if question.has_end or not self.suite.profile.promises.runs_end_with_connection:
            return None
        ends = (entry.record for entry in self.requests.recorder.entries if isinstance(entry.record, Closed))
        return next((end.at for end in ends if end.connection == question.connection), None)

    def _asker_of(self, heard: HeardCall) -> UserRequest | None:
        """The request of this scenario that a call is for: the only one with this text that was open when it began.

        The text is that of the user's last message, or, where a backend asks on in other words, it stands before. A
        call with the canary of a user whose run had no end when an earlier scenario was over may still be for that.
        """
        latest, call = heard.began_at + _SAME_MOMENT_S, heard.call
        owners = owners_in(call.body)
        earliest = heard.began_at - heard.error_s - _SAME_MOMENT_S
        beside = self._worlds()
        open_then: list[tuple[ScenarioRequests | None, UserRequest | PastRequest]] = [
            (world, question) for world in beside for question in list(world.questions)
        ]
        open_then += [(None, attempt) for world in beside for attempt in list(world.recorder.attempts)]
        open_then += [
            (None, past) for past in self.suite.past_requests
            if past.left_at >= self.requests.recorder.began or past.persona in owners
        ]  # fmt: skip
        for is_in in (_asks, _holds):
            found = [
                (world, question) for world, question in open_then
                if question.asked_at <= latest and question.over_at >= earliest and is_in(call, question.text)
            ]  # fmt: skip
            if found:
                world, question = found[0]
                is_ours = len(found) == 1 and world is self.requests
                return question if is_ours and isinstance(question, UserRequest) else None
        return None

    def leave_requests(self) -> None:
        """Leaves the text and the time of each request to the scenarios beside this one: their calls may be for it.

        Those that follow get the ones without an end, as long as their runs may go on.
        """
        suite, requests, now = self.suite, self.requests, time.monotonic()
        began = min((world.recorder.began for world in self._worlds()), default=math.inf)
        left = [
            PastRequest(each.text, requests.persona(each.user).name, each.asked_at, each.over_at, now)
            for each in requests.questions
        ]
        left += [attempt._replace(left_at=now) for attempt in requests.recorder.attempts]
        suite.past_requests = [
            past for past in (*suite.past_requests, *left)
            if past.left_at >= began or (past.over_at == math.inf and now - past.left_at < requests.budgets.run_s)
        ]  # fmt: skip

    def _worlds(self) -> list[ScenarioRequests]:
        """The scenarios in progress."""
        return [world for world in list(self.suite.worlds) if isinstance(world, ScenarioRequests)]


def _asks(call: ServedCall, request: str) -> bool:
    """Whether the user's last message holds a request; white space and case may have changed."""
    return _plain(request) in _plain(call.asked)


def _holds(call: ServedCall, request: str) -> bool:
    """Whether anything that was sent holds a request; as JSON, all but ASCII may be written in two ways."""
    body = _plain(call.body)
    return any(_plain(json.dumps(request, ensure_ascii=only_ascii)[1:-1]) in body for only_ascii in (False, True))


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def owners_in(prompt: str) -> set[str]:
    """Whose canaries stand in a prompt to the model."""
    data = prompt.encode()
    if not canary_search.suspicious(data):
        return set()
    return {sighting.owner for sighting in canary_search.search(data).sightings if sighting.whole}
