"""A message that waited for its stamp, since the suite stood still, says so in the trace."""

from greenlight_gate.client.recorder import Recorder
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.trace import Received, Stalled

from support.tests.rules.talk import PROFILE


def test_a_stall_is_noted_once_before_the_first_message_that_waited() -> None:
    recorder = Recorder("a scenario", None, PROFILE, TimeBudgets(), bytes)
    ticked_at = recorder.began + 1.0
    recorder.ticked_at = lambda: ticked_at
    for after_s in (0.05, 0.5, 0.5001):
        recorder.received(b'{"type":"pong"}', False, ticked_at + after_s, "c1")

    records = [entry.record for entry in recorder.entries]
    assert [type(record) for record in records] == [Received, Stalled, Received, Received]
    assert isinstance(records[1], Stalled)
    assert (records[1].at, records[1].for_s) == (1.5, 0.5)
    assert recorder.stood_still(recorder.began)
    assert not recorder.stood_still(ticked_at + 1)
