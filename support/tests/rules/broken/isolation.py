"""What one user is shown of another: their canary in every disguise, and what names them."""

import base64

from greenlight_gate.rules.engine.canary import canary_word

from support.tests.rules.broken.base import broken
from support.tests.rules.talk import ANSWER, Talk, asked

BASHIRS = canary_word("Bashir", "abcdefgh")
NOBODY_ELSE = "no canary of another user"


@broken(("ISOLATION-1", NOBODY_ELSE, "canary of Bashir, plain, in agent_completed", (8,)))
def canary_in_metadata() -> Talk:
    talk = asked().started().thinking().executing().tool_done()
    body = talk.body("agent_completed", {"result": ANSWER, "execution_time_ms": 12})
    body["payload"]["metadata"] = {"context": [{"content": f"my word is {BASHIRS}"}]}
    return talk.frame(body)


@broken(("ISOLATION-1", NOBODY_ELSE, "canary of Bashir, base64, in tool_completed", (7,)))
def canary_base64() -> Talk:
    packed = base64.b64encode(f"Bashir said {BASHIRS}".encode()).decode()
    return asked().started().thinking().executing().tool_done(result=packed).completed()


@broken(("ISOLATION-1", NOBODY_ELSE, "canary of Bashir, plain, split over 2 frames", (5, 7)))
def canary_split_over_two_frames() -> Talk:
    talk = asked().started()
    for reasoning in (f"let me see {BASHIRS[:5]}", f"{BASHIRS[5:]} is it"):
        talk.event("agent_thinking", {"reasoning": reasoning})
        if reasoning.startswith("let"):
            talk.executing()
    return talk.tool_done().completed()


@broken(("ISOLATION-1", NOBODY_ELSE, "canary of Bashir, plain, split over 5 texts", (5, 6, 7, 8, 9)))
def canary_split_over_tokens() -> Talk:
    talk = asked().started()
    pieces = [BASHIRS[at : at + 4] for at in range(0, len(BASHIRS), 4)]
    for piece in (f"so {pieces[0]}", *pieces[1:-1], f"{pieces[-1]} it is"):
        talk.event("agent_thinking", {"reasoning": piece})
    return talk.executing().tool_done().completed()


@broken(("ISOLATION-1", NOBODY_ELSE, "canary of Bashir, plain, split over 3 frames", (4, 6, 7)))
def canary_in_pieces_outside_of_runs() -> Talk:
    talk = asked()
    text = f"hi {BASHIRS}"
    for at in range(0, len(text), 8):
        talk.frame({"type": "typing", "detail": [{"text": text[at : at + 8]}]})
        if not at:
            talk.started()
    return talk.thinking().executing().tool_done().completed()


@broken(("ISOLATION-1", NOBODY_ELSE, "canary of Bashir, integers, in tool_completed", (7,)))
def canary_as_integers() -> Talk:
    talk = asked().started().thinking().executing()
    return talk.tool_done(result={"type": "Buffer", "data": list(f"it is {BASHIRS}".encode())}).completed()


@broken(("ISOLATION-1", NOBODY_ELSE, "canary of Bashir, base64 in base64, in tool_completed", (7,)))
def canary_packed_twice() -> Talk:
    packed = base64.b64encode(base64.b64encode(f"it is {BASHIRS}".encode())).decode()
    return asked().started().thinking().executing().tool_done(result=packed).completed()


@broken(
    ("ISOLATION-1", NOBODY_ELSE, "canary of Bashir, plain, in a frame of error", (3,)),
    ("ISOLATION-1", NOBODY_ELSE, "canary of Chiara, plain, in the reason of the close", (4,)),
)
def canaries_beside_the_answers() -> Talk:
    talk = Talk().open().frame({"type": "error_message", "error_code": "X", "error_message": f"no {BASHIRS}"})
    return talk.close("client", 1000, reason=f"bye {canary_word('Chiara', 'abcdefgh')}")


@broken(("ISOLATION-1", NOBODY_ELSE, "canary of Bas..., plain, in a frame of error", (3,)))
def canary_cut_off() -> Talk:
    cut = BASHIRS[:15]
    return Talk().open().frame({"type": "error_message", "error_code": "X", "error_message": f"no {cut}"})


@broken(
    ("ISOLATION-2", "only what belongs to Bashir", "agent_started that belongs to request q1 of Ada", (7,)),
)
def request_of_somebody_else() -> Talk:
    talk = Talk().open().open("Bashir", "c2").ask("q1")
    talk.started()
    talk.started("r9", connection="c2", user="user-bashir", thread="t2")
    return talk.thinking().executing().tool_done().completed()


@broken(
    ("ISOLATION-2", "only what belongs to Ada", "agent_completed that belongs to user user-bashir of Bashir", (8,)),
)
def answer_of_somebody_else_under_the_own_run() -> Talk:
    talk = Talk().open().open("Bashir", "c2").ask("q1").ask("q2", connection="c2", expect=None).started()
    talk.completed("r1", request="q2", user="user-bashir", thread="t2", seq=0)
    talk.thinking().executing().tool_done().completed()
    return talk.answer("r2", request="q2", user="user-bashir", thread="t2", connection="c2")


@broken(("ISOLATION-2", "only what belongs to Bashir", "ready that belongs to connection k1 of Ada", (4,)))
def connection_of_somebody_else() -> Talk:
    talk = Talk().open(ready=False).frame({"type": "connection_established", "connection_id": "k1"})
    talk.open("Bashir", "c2", ready=False)
    return talk.frame({"type": "connection_established", "connection_id": "k1"}, "c2")


ADAS_THREAD, ADAS_RUN = "thread-of-ada-1", "run-of-ada-0001"


@broken(("ISOLATION-2", "only what belongs to Bashir", f"a frame that belongs to thread {ADAS_THREAD} of Ada", (10,)))
def thread_of_somebody_else_in_a_list() -> Talk:
    talk = asked().answer(thread=ADAS_THREAD).open("Bashir", "c2", ready=False)
    return talk.frame({"type": "connection_established", "user_id": "user-bashir", "recent": [ADAS_THREAD]}, "c2")


@broken(("ISOLATION-2", "only what belongs to Bashir", f"a frame that belongs to run {ADAS_RUN} of Ada", (6,)))
def run_of_somebody_else_in_a_text() -> Talk:
    talk = asked().started(ADAS_RUN).open("Bashir", "c2", ready=False)
    talk.frame({"type": "connection_established", "user_id": "user-bashir", "motd": f"busy with {ADAS_RUN}"}, "c2")
    return talk.thinking(ADAS_RUN).executing(ADAS_RUN).tool_done(ADAS_RUN).completed(ADAS_RUN)


@broken(("ISOLATION-2", "only what belongs to Bashir", "error that belongs to request q1 of Ada", (6,)))
def error_of_somebody_else() -> Talk:
    talk = Talk().open().open("Bashir", "c2").ask("q1")
    frame = {"type": "error_message", "error_code": "X", "error_message": "too long", "request_id": "q1"}
    return talk.frame(frame, "c2").answer()


@broken(("ISOLATION-2", "only what belongs to Ada", "a frame that belongs to user user-bashir of Bashir", (10,)))
def user_id_in_metadata() -> Talk:
    talk = Talk().open("Bashir", "c2").open().ask().started().thinking().executing().tool_done()
    body = talk.body("agent_completed", {"result": ANSWER, "execution_time_ms": 12})
    body["payload"]["metadata"] = {"online": ["user-ada", "user-bashir"]}
    return talk.frame(body)


@broken(
    ("ISOLATION-2", "only what belongs to Ada", "a frame that belongs to name Bashir of Bashir", (6,)),
    ("ISOLATION-2", "only what belongs to Ada", "a frame that belongs to name Chiara M. of Chiara", (7,)),
)
def names_of_others() -> Talk:
    talk = Talk().open("Bashir", "c2", names=("Bashir",), ready=False)
    talk.open("Chiara", "c3", names=("Chiara M.",), user_id="u3", ready=False).open(names=("Ada",)).ask()
    talk.frame({"type": "presence", "name": "Bashir"}).frame({"type": "presence", "names": ["Ada", "Chiara M."]})
    return talk.answer()
