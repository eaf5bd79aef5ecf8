"""Runs, threads and users that are not the asker's."""

from support.tests.rules.broken.base import broken
from support.tests.rules.talk import Talk, asked


@broken(
    ("IDENTITY-2", "thread t1", "thread t9 in agent_started", (4,)),
)
def thread_of_nobody() -> Talk:
    return Talk().open().ask(thread="t1").answer(thread="t9")


@broken(
    ("IDENTITY-2", "user user-ada", "user user-carol in agent_completed", (8,)),
)
def user_changes_midway() -> Talk:
    return asked().started().thinking().executing().tool_done().completed(user="user-carol")


@broken(
    ("ISOLATION-2", "user user-ada", "user user-bashir in the greeting", (4,)),
)
def greeted_as_somebody_else() -> Talk:
    talk = Talk().open("Bashir", "c2").open(ready=False)
    return talk.frame({"type": "connection_established", "user_id": "user-bashir"})


@broken(
    ("IDENTITY-2", "user user-ada", "user guest in the greeting", (2,)),
)
def greeted_as_nobody_known() -> Talk:
    return Talk().open(ready=False).frame({"type": "connection_established", "user_id": "guest"})


@broken(
    ("ISOLATION-2", "only what belongs to Ada", "agent_thinking that belongs to user user-bashir of Bashir", (7,)),
)
def user_of_somebody_else() -> Talk:
    talk = Talk().open("Bashir", "c2").open().ask().started()
    return talk.thinking(user_id="user-bashir").executing().tool_done().completed()
