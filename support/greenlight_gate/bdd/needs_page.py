"""NEEDS.md: what each prompt and capability is for, and how many scenarios need it: `python -m ...bdd.needs_page`."""

# mypy: allow-untyped-calls
# behave ships types only of what steps need.

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from behave.parser import parse_file

from greenlight_gate.bdd import parameters
from greenlight_gate.bdd.needs import SEND, STRESS, needs_of
from greenlight_gate.session.validation_session import HTTP, RESUME_IN_RUN
from greenlight_gate.targets.model import CAPABILITIES, PROMPTS
from greenlight_gate.targets.settings import suite_root

PAGE = Path(__file__).with_name("NEEDS.md")
# The features that judge targets; those of `assurance` judge the suite.
_CATEGORIES = ("functional", "integration", "performance", "resilience", "security", "stress")

_PROMPTS = {
    "with_tool": "one tool is used; the first prompt to have, for warm-up, loads and most scenarios",
    "without_tool": "no tool is used; leave it out where the agent always uses one",
    "two_tools": "two tools, one after the other",
    "parallel_tools": "two tools at the same time",
    "failing_tool": "the tool fails, and the answer says so",
    "failing_agent": "the run ends with agent_failed, or in words (`ends`)",
    "long_running": "an answer with many events over half a second or more: stops, cuts, heartbeats",
    "long_lasting": "an answer of several seconds, longer than `token_leeway_s`",
    "helper": "a sub-agent works on a part of it",
    "follow_up": "asks about the question before",
    "remember": "asks the assistant to remember {canary}",
    "recall": "asks for what the user said then; `contains` has {canary}",
    "edited": "replaces the question before, and asks about the first one",
    "other_scripts": "question and answer in several scripts",
    "long_question": "more than 2,000 characters",
    "long_answer": "much text in several scripts",
    "approval": "the user has to approve its tool",
    "unanswered_approval": "the same, with `input_s`: how long the backend waits",
    "moderated": "moderation refuses it, by an error or in words (`ends`)",
}
_CAPABILITIES = {
    "resume": "missed events are sent after a reconnect ([resume] or [send.restore] of the profile)",
    "stop": "a run can be stopped ([send.stop])",
    "early_stop": "a run can be stopped before its first event ([send.early_stop])",
    "ping": "the application's ping is answered ([send.ping])",
    "heartbeat": "the backend pings by itself",
    "parallel_runs": "several runs of one conversation at the same time",
    "sub_agents": "an agent can ask another one (and prompt `helper`)",
    "server_clock": "events carry the server's time: delivery latency is measured; no scenario needs it",
    "memory_probe": "memory can be read ([probe])",
    "errors": "bad input is answered with a clear error",
    "logout": "signing out ends access",
}
_OTHERS = {
    "authentication": "users sign in (`auth.obtain`)",
    "isolation": "two personas, and a prompt whose `contains` has {canary}",
    "replicas": "two urls in `replicas`, or the stack of the suite",
    "services": 'the suite may end services: `start = "stack"`',
    RESUME_IN_RUN: "a run goes on without a connection: the profile has no `runs_end_with_connection`",
    "websocket": "a connection that lasts: no backend that is reached by HTTP",
    HTTP: "requests by HTTP, which reverse proxies act on",
    "one_run_per_request": "a promise of the profile: a request that is sent again starts no second run",
    "unbuffered": "a promise of the profile: streams tell proxies not to buffer them",
    "endpoint_needs_token": "a promise of the profile: the address of a channel is not enough to send a message",
    "model": "a scripted model that fails when it is asked to ([model])",
    STRESS: "`limits.allow_stress = true`",
    "connection.runs": "a connection answers several requests at once (`many`)",
    "second_request": "a second request during an answer, and events that say which of the two they answer",
    "agent_thinking": "the profile shows it (no `[absent]`)",
    "tool_executing": "the same, and no accepted gap",
    "tool_completed": "the same",
    "start": "the suite starts the backend, and may end it",
    "connection.opening": "a connection by WebSocket, or a request that begins it",
    "limits.accepts_message_bytes": "how large a message may be; or the greeting says so (`max_message_bytes`)",
    "announced_heartbeat": "the greeting says how often heartbeats come (`heartbeat_s`)",
    "auth.obtain": "tokens that expire soon can be made",
    "budgets.token_leeway_s": "for how long a token is accepted after its end",
    "stop_by_message": "a run is stopped by a message, and not by closing a stream",
    "start_request": "a question is an HTTP request of its own, and what answers it comes elsewhere",
    "stop_request": "a run is stopped by an HTTP request of its own",
    "respond_request": "approvals are sent by an HTTP request of their own",
    "request_id": "a request has a place for its id",
    "foreign.start": "a request has a place for a conversation, or the connection names one",
    "foreign.restore": "the same of what resumes one",
    "foreign.stop": "a stop has a place for a run or a conversation",
    "foreign.respond": "an answer to what is asked has a place for a run, a conversation or what is asked",
    f"{SEND}stop": "a frame of the profile",
    f"{SEND}edit": "a frame of the profile",
    f"{SEND}claim": "a frame of the profile",
    f"{SEND}respond": "a frame of the profile, with [choices]",
}


def scenarios() -> Iterator[tuple[str, Any]]:
    """Category and scenario of all that ship, each row of a table as one of its own."""
    parameters.register()
    for category in _CATEGORIES:
        for path in sorted((suite_root() / "features" / category).glob("*.feature")):
            yield from ((category, each) for each in parse_file(str(path)).walk_scenarios())


def page() -> str:
    """The text of the page."""
    found = list(scenarios())
    counts = Counter(need for _, scenario in found for need in needs_of(scenario))
    counts["sub_agents"] = counts["helper"]
    total = Counter(category for category, _ in found)
    lines = [
        "# What scenarios need of a target",
        f"Generated by `python -m greenlight_gate.bdd.needs_page` from the {len(found)} scenarios that ship "
        f"({', '.join(f'{count} {name}' for name, count in total.items())}).",
        "A scenario of which anything is missing is not exercised, which is known before it begins: nothing is",
        "connected for it.",
        "",
        "## Prompts",
        "`[prompts.NAME]` of a target file. What is known of an answer is declared in the prompt: `tools` (each tool",
        "as often as it is used), `thinking = false` where no reasoning comes, `contains` (what the answer must hold;",
        "without it, no answer is called wrong or an echo), `ends` (`agent_failed` or `agent_completed` where it is",
        "refused). A prompt that no question can fulfil is left out, with the reason in `[accepted_gaps]`.",
        "",
        *_table(_PROMPTS, PROMPTS, counts),
        "",
        "## Capabilities",
        "`[capabilities]` of a target file.",
        "",
        *_table(_CAPABILITIES, CAPABILITIES, counts),
        "",
        "## Others",
        *_table(_OTHERS, tuple(_OTHERS), counts),
    ]
    return "\n".join(lines) + "\n"


def _table(about: dict[str, str], names: tuple[str, ...], counts: Counter[str]) -> Iterator[str]:
    yield from ("", "| name | what it is | scenarios that need it |", "|---|---|---|")
    for name in sorted(names, key=lambda name: -counts[name]):
        yield f"| `{name}` | {about[name]} | {counts[name]} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
