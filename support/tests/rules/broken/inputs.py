"""What is asked of the user is not asked, not waited for, not kept to, or asked in vain."""

from greenlight_gate.trace import Expect

from support.tests.rules.broken.base import broken
from support.tests.rules.talk import Body, Talk, asked

APPROVAL = Expect(prompt="Ask me before", thinking=True, tools=1, contains=(("rain",),), approval=True)
DENIED = "The weather was not looked up."


def begun() -> Talk:
    return asked(APPROVAL).started().thinking()


def asks(talk: Talk, input_id: str = "i1", city: str = "Oslo", **values: str) -> Talk:
    payload: Body = {"input_id": input_id, "question": "May I?", "choices": ["approve", "deny"]}
    call: Body = {"tool_name": "weather", "tool_call_id": "k1", "parameters": {"city": city}}
    return talk.event("input_requested", {**payload, **call}, **values)


def answers(
    talk: Talk, *, approves: bool = True, connection: str = "c1", foreign: str = "", unwelcome: str = ""
) -> Talk:
    ids = {"run": "r1", "request": "q1", "input": "i1", "foreign": foreign, "unwelcome": unwelcome}
    return talk.send("respond", connection, approves=approves, **ids)


def received(talk: Talk, choice: str = "approve", **values: str) -> Talk:
    return talk.event("input_received", {"input_id": "i1", "choice": choice}, **values)


def approved(talk: Talk) -> Talk:
    return received(answers(talk))


def denied(talk: Talk) -> Talk:
    return received(answers(talk, approves=False), "deny")


def rest(talk: Talk) -> Talk:
    return talk.executing().tool_done().completed()


def reloaded(*, shows: bool) -> Talk:
    """The connection ends while something is asked, and all of the thread is asked for on another one."""
    talk = asks(begun())
    texts = [text for text in talk.texts() if "run_id" in text]
    talk.cut("FIN").close().open("Ada", "c2").restore("c2", 0, answered=False)
    for text in texts if shows else texts[:-1]:
        talk.frame(text, "c2")
    talk.restored("c2")
    received(answers(talk, connection="c2"), connection="c2")
    return talk.executing(connection="c2").tool_done(connection="c2").completed(connection="c2")


@broken(("INPUT-1", "input_requested before the tool runs", "none", (3, 8)))
def tool_runs_without_approval() -> Talk:
    return rest(begun())


@broken(("INPUT-2", "nothing before the user has answered", "'weather' runs", (6, 7)))
def tool_runs_before_the_approval() -> Talk:
    return received(answers(asks(begun()).executing())).tool_done().completed()


@broken(("INPUT-3", "'weather' not to run", "tool_executing, though the user has denied it", (6, 9)))
def denied_tool_runs() -> Talk:
    return rest(denied(asks(begun())))


@broken(("INPUT-4", "'weather' with \"{'city': 'Bergen'}\", as approved", "\"{'city': 'Oslo'}\"", (6, 9)))
def other_arguments_than_approved() -> Talk:
    return rest(approved(asks(begun(), city="Bergen")))


@broken(
    (
        "INPUT-5",
        "the open input_requested, once more",
        "the thread restored without it; cut by the suite: FIN",
        (6, 14),
    ),
    ("CONTINUITY-1", "seq 3 after the restore", "seq 4; cut by the suite: FIN", (6, 16)),
)
def pending_approval_lost_on_reload() -> Talk:
    return reloaded(shows=False)


@broken(
    ("INPUT-6", "one run of the tool, whatever is answered again", "'weather' runs 2 times, after 2 answers", (6, 12))
)
def second_approval_runs_the_tool_again() -> Talk:
    return received(answers(answers(asks(begun())))).executing().tool_done().executing().tool_done().completed()


@broken(("INPUT-7", "an event when the time for an answer is over", "nothing for 6.0 s", (6, 7)))
def unanswered_approval_waits_for_ever() -> Talk:
    return asks(begun()).timeout("input", 6.0, request="q1", run="r1")
