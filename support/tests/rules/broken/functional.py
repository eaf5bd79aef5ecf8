"""One user's conversation: events that lack, repeat, or belong to nothing."""

from greenlight_gate.events import EventKind
from greenlight_gate.trace import Expect

from support.tests.rules.broken.base import TWO_TOOLS, broken, changed, without
from support.tests.rules.talk import Talk, asked


@broken(
    ("LIFECYCLE-1", "agent_started first, and once", "agent_thinking first", (3, 4)),
    ("LIFECYCLE-5", "all five kinds of event", "no agent_started", (3, 7)),
)
def started_missing() -> Talk:
    return asked().thinking().executing().tool_done().completed()


@broken(
    ("LIFECYCLE-1", "agent_started first, and once", "agent_started again", (4, 5)),
)
def started_twice() -> Talk:
    return asked().started().started().thinking().executing().tool_done().completed()


@broken(
    ("TIMELINESS-2", "at most 5 s of silence", "6.60 s", (7, 8)),
    ("LIFECYCLE-2", "one end", "nothing for 6.6 s after 4 events", (3, 7, 8)),
)
def completed_missing() -> Talk:
    return asked().started().thinking().executing().tool_done().timeout("end", 6.5, request="q1")


@broken(
    ("LIFECYCLE-2", "one end", "agent_completed after agent_completed", (8, 9)),
)
def completed_twice() -> Talk:
    return asked().answer().completed()


@broken(
    ("LIFECYCLE-2", "one end", "agent_failed after agent_failed", (6, 7)),
)
def failed_twice() -> Talk:
    return asked(Expect(end=EventKind.FAILED)).started().thinking().failed().failed()


@broken(
    ("LIFECYCLE-4", "agent_thinking before the end", "none", (3, 5)),
)
def thinking_missing() -> Talk:
    return asked(Expect(thinking=True)).started().completed()


@broken(
    ("LIFECYCLE-4", "agent_thinking before the end", "none", (3, 5)),
)
def thinking_missing_in_a_failed_run() -> Talk:
    return asked(Expect(thinking=True, end=EventKind.FAILED)).started().failed()


@broken(
    ("LIFECYCLE-5", "all five kinds of event", "no tool_executing and no tool_completed", (3, 6)),
)
def tools_missing() -> Talk:
    return asked().started().thinking().completed()


@broken(
    ("LIFECYCLE-5", "2 tools called", "1", (3, 8)),
)
def one_tool_instead_of_two() -> Talk:
    return asked(TWO_TOOLS).answer()


@broken(
    ("LIFECYCLE-5", "two tools open at once", "one after the other", (3, 10)),
)
def two_tools_one_after_the_other() -> Talk:
    talk = asked(TWO_TOOLS).started().thinking().executing(call="a").tool_done(call="a")
    return talk.executing(call="b").tool_done(call="b").completed()


@broken(
    (
        "PAIRING-1",
        "tool_completed of an open tool",
        "one of 'weather' (call k1), with none open",
        (6,),
    ),
    ("LIFECYCLE-5", "all five kinds of event", "no tool_executing", (3, 7)),
)
def tool_executing_missing() -> Talk:
    return asked().started().thinking().tool_done().completed()


@broken(
    ("LIFECYCLE-5", "all five kinds of event", "no tool_completed", (3, 7)),
    ("PAIRING-2", "tool_completed of 'weather' before the run completes", "none", (6, 7)),
)
def tool_completed_missing() -> Talk:
    return asked().started().thinking().executing().completed()


@broken(
    ("PAIRING-2", "tool_completed of 'weather' before the run completes", "none", (7, 9)),
)
def second_tool_never_completed() -> Talk:
    talk = asked(TWO_TOOLS).started().thinking().executing(call="a", tool="news").executing(call="b")
    return talk.tool_done(call="a", tool="news").completed()


@broken(
    ("PAIRING-3", "a tool with a name", "None", (6,)),
)
def tool_name_missing() -> Talk:
    return asked().started().thinking().executing(tool=None).tool_done(tool=None).completed()


@broken(
    ("PAIRING-3", "a tool with a name", "None", (7,)),
)
def tool_name_missing_once_it_is_done() -> Talk:
    return asked().started().thinking().executing().tool_done(tool=None).completed()


@broken(
    ("PAIRING-3", "the tool's name 'weather' in both events", "'weather_v2'", (6, 7)),
)
def tool_name_differs() -> Talk:
    return asked().started().thinking().executing().tool_done(tool="weather_v2").completed()


@broken(
    ("PAIRING-3", "the tool's name 'weather' in both events", "'weather_v2'", (6, 7)),
)
def tool_name_differs_without_call_ids() -> Talk:
    return asked().started().thinking().executing(call=None).tool_done(tool="weather_v2", call=None).completed()


@broken(
    ("IDENTITY-1", "a run id", "None in agent_started", (4,)),
)
def run_id_missing() -> Talk:
    return changed(lambda body: without(body, "run_id"))


@broken(
    ("IDENTITY-1", "a run id", "None in agent_started", (4,)),
)
def run_id_null() -> Talk:
    return changed(lambda body: {**body, "run_id": None})


@broken(
    ("IDENTITY-1", "a run id", "'registry' in agent_started", (4,)),
)
def run_id_placeholder() -> Talk:
    return changed(lambda body: {**body, "run_id": "registry"})


@broken(
    ("IDENTITY-1", "a new run id for each request", "run r1, which has ended before", (10,)),
)
def run_id_the_same_for_all() -> Talk:
    return asked().answer().ask("q2").answer(request="q2")


@broken(
    ("IDENTITY-1", "a new run id for each request", "run r1, which has ended before", (10,)),
)
def run_id_the_same_for_all_without_request_ids() -> Talk:
    return asked().answer(request=None).ask(None).answer(request=None)


@broken(
    ("IDENTITY-1", "run id r1 throughout", "r1-b in agent_thinking", (5,)),
)
def run_id_changes_midway() -> Talk:
    return asked().started().thinking("r1-b").executing("r1-b").tool_done("r1-b").completed("r1-b")


@broken(
    ("IDENTITY-1", "run id r1 throughout", "r1-b in agent_thinking", (5,)),
)
def run_id_changes_midway_without_request_ids() -> Talk:
    talk = asked().started(request=None)
    for step in (talk.thinking, talk.executing, talk.tool_done, talk.completed):
        step("r1-b", request=None)
    return talk
