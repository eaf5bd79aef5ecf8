"""The commands of `greenlight`, in the order in which its help shows them, each with one line."""

SUMMARIES = {
    "run": "judge a backend: run the scenarios, keep the evidence, give the verdict",
    "verdict": "judge an evidence folder again, offline",
    "serve": "run the embedded backend in the foreground, as another team's would run",
    "doctor": "try a target step by step: DNS, TCP, TLS, health, auth, handshake, one run, each frame as read",
    "profile": "check a profile on recorded frames, or draft one from them",
    "load": "put many people on a backend at once, and check every event of each of them",
    "history": "past sessions, their trend, and what is new, fixed and still there",
    "schema": "print the JSON schemas of the report and the monitoring files",
    "services": "start, stop and look at the services of a target (default: the stack of `local`)",
}
